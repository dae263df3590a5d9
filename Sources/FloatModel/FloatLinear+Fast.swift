extension FloatLinear {
    /// Rows of one task: panels of their inputs, `Tile.depth` deep, fit the second cache.
    private static let taskPanelCount = 32
    /// Outputs of one task.
    private static let taskOutputCount = 64

    /// W x + b for every row of `input`, packed as panels of rows: (rows, outputs).
    ///
    /// Every element is a sum over the inputs in one order, whatever rows are beside it and however many threads there are.
    func applied(to input: Panels, _ workers: Workers) -> FloatRows {
        precondition(input.depth == weight.columns)
        let rows = input.laneCount, outputs = weight.rows
        var result = FloatRows(rows: rows, columns: outputs)
        let rowTasks = (input.count + Self.taskPanelCount - 1) / Self.taskPanelCount
        let outputTasks = (outputs + Self.taskOutputCount - 1) / Self.taskOutputCount
        weight.values.withUnsafeBufferPointer { weights in
            result.values.withUnsafeMutableBufferPointer { results in
                guard let weightBase = weights.baseAddress, let resultBase = results.baseAddress else { return }
                workers.run(rowTasks * outputTasks) { task in
                    let firstPanel = task % rowTasks * Self.taskPanelCount
                    let firstOutput = task / rowTasks * Self.taskOutputCount
                    multiply(
                        weightBase, input, panels: firstPanel..<min(input.count, firstPanel + Self.taskPanelCount),
                        outputs: firstOutput..<min(outputs, firstOutput + Self.taskOutputCount), into: resultBase)
                }
            }
        }
        return result
    }

    private func multiply(
        _ weights: UnsafePointer<Float>, _ input: Panels, panels: Range<Int>, outputs: Range<Int>,
        into results: UnsafeMutablePointer<Float>
    ) {
        let depth = weight.columns, outputCount = weight.rows, rowCount = input.laneCount
        if let bias {
            for row in panels.lowerBound * 8..<min(rowCount, panels.upperBound * 8) {
                for output in outputs { results[row * outputCount + output] = bias.values[output] }
            }
        }
        withUnsafeTemporaryAllocation(of: SIMD8<Float>.self, capacity: Tile.depth) { scratch in
            guard let packed = scratch.baseAddress else { return }
            for start in stride(from: 0, to: depth, by: Tile.depth) {
                let count = min(Tile.depth, depth - start)
                for output in stride(from: outputs.lowerBound, to: outputs.upperBound, by: 8) {
                    let columns = outputs.upperBound - output
                    Panels.packRows(weights + output * depth + start, stride: depth, count: min(8, columns), depth: count, into: packed)
                    for panel in panels {
                        for half in 0..<2 {
                            let row = panel * 8 + half * Tile.rows
                            guard row < rowCount else { break }
                            Tile.add(
                                input.half(half, of: panel, from: start), packed, count, to: results + row * outputCount + output,
                                stride: outputCount, rows: rowCount - row, columns: columns)
                        }
                    }
                }
            }
        }
    }
}
