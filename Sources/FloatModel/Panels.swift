/// A matrix regrouped for `Tile`: eight of its rows, or of its columns, side by side as the lanes of vectors. Missing lanes are 0.
final class Panels {
    /// Rows, or columns, of the matrix.
    let laneCount: Int
    /// Vectors a panel.
    let depth: Int
    var count: Int { Self.count(laneCount) }
    /// (count, depth)
    private let vectors: UnsafeMutablePointer<SIMD8<Float>>

    static func count(_ laneCount: Int) -> Int { (laneCount + 7) / 8 }

    private init(laneCount: Int, depth: Int) {
        (self.laneCount, self.depth) = (laneCount, depth)
        vectors = .allocate(capacity: max(1, Self.count(laneCount) * depth))
    }

    deinit { vectors.deallocate() }

    /// Panels of rows: vector k holds element k of eight rows.
    convenience init(rowsOf matrix: FloatRows, _ workers: Workers) {
        self.init(laneCount: matrix.rows, depth: matrix.columns)
        matrix.values.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress else { return }
            workers.run(rows: count, chunk: 4) { panels in
                for panel in panels {
                    Self.packRows(
                        base + panel * 8 * depth, stride: depth, count: laneCount - panel * 8, depth: depth,
                        into: vectors + panel * depth)
                }
            }
        }
    }

    /// Panels of columns of some rows: vector k holds eight elements of row k of them.
    convenience init(columnsOf matrix: FloatRows, rows: Range<Int>, _ workers: Workers) {
        self.init(laneCount: matrix.columns, depth: rows.count)
        matrix.values.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress else { return }
            workers.run(rows: count, chunk: 16) { panels in
                for panel in panels {
                    Self.packColumns(
                        base + rows.lowerBound * laneCount + panel * 8, stride: laneCount, count: laneCount - panel * 8,
                        depth: depth, into: vectors + panel * depth)
                }
            }
        }
    }

    /// One panel, as `b` of a tile.
    func panel(_ index: Int, from start: Int = 0) -> UnsafePointer<SIMD8<Float>> { UnsafePointer(vectors + index * depth + start) }

    /// The lower or upper four lanes of a panel, as `a` of a tile.
    func half(_ index: Int, of panel: Int, from start: Int = 0) -> UnsafePointer<Float> {
        UnsafeRawPointer(vectors + panel * depth + start).assumingMemoryBound(to: Float.self) + index * Tile.rows
    }

    /// One panel of up to eight rows that lie `stride` apart.
    static func packRows(
        _ source: UnsafePointer<Float>, stride: Int, count: Int, depth: Int, into target: UnsafeMutablePointer<SIMD8<Float>>
    ) {
        if count < 8 {
            for k in 0..<depth {
                var vector = SIMD8<Float>.zero
                for lane in 0..<count { vector[lane] = source[lane * stride + k] }
                target[k] = vector
            }
            return
        }
        let r0 = source, r1 = r0 + stride, r2 = r1 + stride, r3 = r2 + stride
        let r4 = r3 + stride, r5 = r4 + stride, r6 = r5 + stride, r7 = r6 + stride
        for k in 0..<depth { target[k] = SIMD8(r0[k], r1[k], r2[k], r3[k], r4[k], r5[k], r6[k], r7[k]) }
    }

    /// One panel of up to eight columns of rows that lie `stride` apart.
    static func packColumns(
        _ source: UnsafePointer<Float>, stride: Int, count: Int, depth: Int, into target: UnsafeMutablePointer<SIMD8<Float>>
    ) {
        for k in 0..<depth {
            if count >= 8 {
                target[k] = UnsafeRawPointer(source + k * stride).loadUnaligned(as: SIMD8<Float>.self)
            } else {
                var vector = SIMD8<Float>.zero
                for lane in 0..<count { vector[lane] = source[k * stride + lane] }
                target[k] = vector
            }
        }
    }
}
