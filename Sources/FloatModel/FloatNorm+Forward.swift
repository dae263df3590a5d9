extension FloatNorm {
    /// Each row normalised by itself.
    func applied(to input: Activations) -> Activations {
        guard kind != .none, let weight else { return input }
        var result = input
        let size = input.columns
        for first in stride(from: 0, to: input.values.count, by: size) {
            let row = first..<first + size
            let mean = kind == .layer ? row.reduce(0.0) { $0 + input.values[$1] } / Double(size) : 0
            let power = row.reduce(0.0) { $0 + (input.values[$1] - mean) * (input.values[$1] - mean) } / Double(size)
            let scale = 1 / (power + epsilon).squareRoot()
            for column in 0..<size {
                let offset = bias.map { Double($0.values[column]) } ?? 0
                result.values[first + column] = (input.values[first + column] - mean) * scale * Double(weight.values[column]) + offset
            }
        }
        return result
    }
}
