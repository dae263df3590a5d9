extension FloatNorm {
    /// Each row normalised by itself.
    func applied(to input: FloatRows, _ workers: Workers) -> FloatRows {
        guard kind != .none, let weight else { return input }
        var result = input
        let size = input.columns, weights = weight.values, offsets = bias?.values ?? [Float](repeating: 0, count: size)
        precondition(weights.count == size && offsets.count == size)
        let isLayer = kind == .layer, epsilon = Float(epsilon)
        result.values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            workers.run(rows: input.rows, chunk: 16) { rows in
                for row in rows {
                    let x = base + row * size
                    let mean = isLayer ? laneSum(x, size) { $0 } / Float(size) : 0
                    let power = laneSum(x, size) { ($0 - mean) * ($0 - mean) } / Float(size)
                    let scale = 1 / (power + epsilon).squareRoot()
                    for column in 0..<size { x[column] = (x[column] - mean) * scale * weights[column] + offsets[column] }
                }
            }
        }
        return result
    }
}
