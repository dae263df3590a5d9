/// The one inner loop of all products of matrices: tiles of 4 rows by 8 columns, sums of `count` products each.
///
/// Both factors lie in panels of 8 (`Panels.swift`), so that the loop reads memory in order. Eight sums of four lanes, two
/// columns' vectors and a row's value fill the 16 registers of baseline x86-64.
enum Tile {
    static let rows = 4
    static let columns = 8
    /// Most products in a row before a tile is written: two panels of it fit the first cache.
    static let depth = 256

    /// c[i, j] += Σ a[k, i] b[k, j], the sum on its own first.
    ///
    /// - Parameters:
    ///   - a: four of the 8 lanes of a panel, (count, 8).
    ///   - b: a panel, (count).
    ///   - c: (4, 8), rows `stride` apart.
    @inline(never)
    static func add(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<SIMD8<Float>>, _ count: Int, to c: UnsafeMutablePointer<Float>, stride: Int
    ) {
        var a = a, b = b
        var sum0 = SIMD8<Float>.zero, sum1 = sum0, sum2 = sum0, sum3 = sum0
        var left = count
        while left > 0 {
            let vector = b.pointee
            sum0 += vector * a[0]
            sum1 += vector * a[1]
            sum2 += vector * a[2]
            sum3 += vector * a[3]
            a += 8
            b += 1
            left &-= 1
        }
        add(sum0, to: c)
        add(sum1, to: c + stride)
        add(sum2, to: c + 2 * stride)
        add(sum3, to: c + 3 * stride)
    }

    /// The same where only some rows and columns of the tile exist.
    static func add(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<SIMD8<Float>>, _ count: Int, to c: UnsafeMutablePointer<Float>, stride: Int,
        rows: Int, columns: Int
    ) {
        if rows >= Self.rows && columns >= Self.columns { return add(a, b, count, to: c, stride: stride) }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.rows * Self.columns) { tile in
            guard let base = tile.baseAddress else { return }
            base.initialize(repeating: 0, count: tile.count)
            add(a, b, count, to: base, stride: Self.columns)
            for row in 0..<min(rows, Self.rows) {
                for column in 0..<min(columns, Self.columns) { c[row * stride + column] += base[row * Self.columns + column] }
            }
        }
    }

    @inline(__always)
    private static func add(_ sum: SIMD8<Float>, to place: UnsafeMutablePointer<Float>) {
        let bytes = UnsafeMutableRawPointer(place)
        bytes.storeBytes(of: bytes.loadUnaligned(as: SIMD8<Float>.self) + sum, as: SIMD8<Float>.self)
    }
}
