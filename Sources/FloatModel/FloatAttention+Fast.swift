import Foundation

extension FloatAttention {
    /// Turns each adjacent pair of every query and key; see `rotate(_:groups:)` of the pass in double precision.
    func rotate(_ vectors: inout FloatRows, groups: [Range<Int>], _ workers: Workers) {
        let half = headSize / 2, width = vectors.columns, heads = headCount + kvHeadCount
        let length = groups.reduce(0) { max($0, $1.count) }
        let frequencies = (0..<half).map { pow(ropeBase, -2 * Double($0) / Double(headSize)) }
        // (length, half) pairs of cosine and sine
        let turns = (0..<length).flatMap { position in
            frequencies.map { SIMD2(Float(cos(Double(position) * $0)), Float(sin(Double(position) * $0))) }
        }
        vectors.values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            turns.withUnsafeBufferPointer { turns in
                workers.run(rows: groups.count, chunk: max(1, 64 / max(1, length))) { range in
                    for group in groups[range] {
                        for row in group {
                            for head in 0..<heads {
                                let x = base + row * width + head * headSize
                                for pair in 0..<half {
                                    let turn = turns[(row - group.lowerBound) * half + pair]
                                    let (a, b) = (x[2 * pair], x[2 * pair + 1])
                                    x[2 * pair] = a * turn.x - b * turn.y
                                    x[2 * pair + 1] = a * turn.y + b * turn.x
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// softmax(q k / √d) v for every head, heads side by side, (R, headCount · headSize). No row sees another group.
    func mixed(_ vectors: FloatRows, groups: [Range<Int>], _ workers: Workers) -> FloatRows {
        var result = FloatRows(rows: vectors.rows, columns: headCount * headSize)
        vectors.values.withUnsafeBufferPointer { vectors in
            result.values.withUnsafeMutableBufferPointer { result in
                guard let vectorBase = vectors.baseAddress, let resultBase = result.baseAddress else { return }
                workers.run(groups.count * headCount) { task in
                    mix(vectorBase, group: groups[task / headCount], head: task % headCount, into: resultBase)
                }
            }
        }
        return result
    }

    /// One head of one group, eight queries at a time.
    private func mix(
        _ vectors: UnsafePointer<Float>, group: Range<Int>, head: Int, into result: UnsafeMutablePointer<Float>
    ) {
        let width = (headCount + 2 * kvHeadCount) * headSize, shared = head / (headCount / kvHeadCount) * headSize
        let count = group.count, panels = Panels.count(count), valuePanels = Panels.count(headSize)
        let first = vectors + group.lowerBound * width
        let queries = first + head * headSize
        let keys = first + headCount * headSize + shared, values = keys + kvHeadCount * headSize
        // Keys (panels, headSize), values (valuePanels, count), eight queries (headSize), their weights across (8 · panels), and
        // the weights row by row (8, panels).
        let sizes = [panels * headSize, valuePanels * count, headSize, panels * 8, panels * 8]
        withUnsafeTemporaryAllocation(of: SIMD8<Float>.self, capacity: sizes.reduce(0, +)) { scratch in
            guard let packedKeys = scratch.baseAddress else { return }
            let packedValues = packedKeys + sizes[0], packedQueries = packedValues + sizes[1]
            let packedWeights = packedQueries + sizes[2], weights = packedWeights + sizes[3]
            for panel in 0..<panels {
                Panels.packRows(
                    keys + panel * 8 * width, stride: width, count: count - panel * 8, depth: headSize,
                    into: packedKeys + panel * headSize)
            }
            for panel in 0..<valuePanels {
                Panels.packColumns(
                    values + panel * 8, stride: width, count: headSize - panel * 8, depth: count, into: packedValues + panel * count)
            }
            let rowStride = panels * 8
            let scores = UnsafeMutableRawPointer(weights).assumingMemoryBound(to: Float.self)
            for query in stride(from: 0, to: count, by: 8) {
                let rows = min(8, count - query)
                // What the last of the eight queries sees.
                let visible = isCausal ? query + rows : count
                let visiblePanels = Panels.count(visible)
                Panels.packRows(queries + query * width, stride: width, count: rows, depth: headSize, into: packedQueries)
                weights.update(repeating: .zero, count: 8 * panels)
                let query4 = UnsafeRawPointer(packedQueries).assumingMemoryBound(to: Float.self)
                for panel in 0..<visiblePanels {
                    for half in stride(from: 0, to: 8, by: Tile.rows) {
                        Tile.add(query4 + half, packedKeys + panel * headSize, headSize, to: scores + half * rowStride + panel * 8,
                                 stride: rowStride)
                    }
                }
                for row in 0..<rows {
                    softmax(weights + row * panels, count: isCausal ? query + row + 1 : visible, panels: visiblePanels)
                }
                Panels.packRows(scores, stride: rowStride, count: rows, depth: visible, into: packedWeights)
                let weight4 = UnsafeRawPointer(packedWeights).assumingMemoryBound(to: Float.self)
                for half in stride(from: 0, to: rows, by: Tile.rows) {
                    let target = result + (group.lowerBound + query + half) * headCount * headSize + head * headSize
                    for panel in 0..<valuePanels {
                        Tile.add(weight4 + half, packedValues + panel * count, visible, to: target + panel * 8,
                                 stride: headCount * headSize, rows: rows - half, columns: headSize - panel * 8)
                    }
                }
            }
        }
    }

    /// Scores to weights that sum to 1; places from `count` on become 0.
    private func softmax(_ scores: UnsafeMutablePointer<SIMD8<Float>>, count: Int, panels: Int) {
        let scale = 1 / Float(headSize).squareRoot()
        let lanes = UnsafeMutableRawPointer(scores).assumingMemoryBound(to: Float.self)
        for place in count..<panels * 8 { lanes[place] = -.infinity }
        var most = SIMD8<Float>(repeating: -.infinity)
        for panel in 0..<panels { most.replace(with: scores[panel], where: scores[panel] .> most) }
        let largest = most.max()
        var sums = SIMD8<Float>.zero
        for panel in 0..<panels {
            let weight = fastExponential((scores[panel] - largest) * scale)
            scores[panel] = weight
            sums += weight
        }
        let factor = 1 / sums.sum()
        for panel in 0..<panels { scores[panel] *= factor }
    }
}
