extension FloatLinear {
    /// W x + b for every row; sums in double precision.
    func applied(to input: Activations) -> Activations {
        precondition(input.columns == weight.columns)
        var result = Activations(rows: input.rows, columns: weight.rows)
        let columns = weight.columns, outputs = weight.rows
        weight.values.withUnsafeBufferPointer { weights in
            input.values.withUnsafeBufferPointer { inputs in
                result.values.withUnsafeMutableBufferPointer { results in
                    guard let weightBase = weights.baseAddress, let inputBase = inputs.baseAddress else { return }
                    // A row of weights is read once and used for all positions.
                    for output in 0..<outputs {
                        let row = weightBase + output * columns
                        let offset = bias.map { Double($0.values[output]) } ?? 0
                        for position in 0..<input.rows {
                            results[position * outputs + output] =
                                offset + dotProduct(row, inputBase + position * columns, columns)
                        }
                    }
                }
            }
        }
        return result
    }
}

/// Four sums side by side, because a single one waits for each addition.
private func dotProduct(_ weights: UnsafePointer<Float>, _ inputs: UnsafePointer<Double>, _ count: Int) -> Double {
    var first = 0.0, second = 0.0, third = 0.0, fourth = 0.0
    var index = 0
    while index + 4 <= count {
        first += Double(weights[index]) * inputs[index]
        second += Double(weights[index + 1]) * inputs[index + 1]
        third += Double(weights[index + 2]) * inputs[index + 2]
        fourth += Double(weights[index + 3]) * inputs[index + 3]
        index += 4
    }
    while index < count {
        first += Double(weights[index]) * inputs[index]
        index += 1
    }
    return (first + second) + (third + fourth)
}
