import FixedPoint

/// Writes or adds row `row` of a matrix into the residual stream: arithmetic-1, section 6.1.
/// - Parameters:
///   - residual: (columns) Int32 with `fractionBits`
public func embed(
    _ matrix: Matrix, row: Int, fractionBits: Int, into residual: UnsafeMutablePointer<Int32>, accumulate: Bool
) {
    let rowScale = matrix.rowScales[row]
    let mantissa = Matrix.mantissa(rowScale)
    let shift = Matrix.downShift(rowScale) &+ matrix.exponent &- fractionBits
    for j in 0..<matrix.columns {
        let value = scale(matrix.code(row, j) &* mantissa, shift)
        residual[j] = accumulate ? saturated(Int64(residual[j]) &+ Int64(value)) : value
    }
}
