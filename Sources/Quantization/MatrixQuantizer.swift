import Foundation
import ModelFile

/// A matrix of floats to integers of an encoding.
///
/// Every encoding but int16 rows and ternary is one case of the same problem: whole levels, times a whole scale for each group of columns, times
/// a scale for each row. Scales are searched for the least error; then the columns are rounded one after the other, each taking up
/// the error of those before it as the curvature says; then the row's scale is fitted once more.
public struct MatrixQuantizer: Sendable {
    let values: [Float]
    let rows: Int
    let columns: Int
    let curvature: Curvature

    /// - Parameters:
    ///   - values: (rows, columns), finite
    public init(_ values: [Float], rows: Int, columns: Int, curvature: Curvature? = nil) {
        precondition(values.count == rows * columns && (curvature?.columns ?? columns) == columns)
        (self.values, self.rows, self.columns) = (values, rows, columns)
        self.curvature = curvature ?? Curvature(columns: columns)
    }

    /// - Precondition: `encoding` is a matrix's; of ternary encodings, that `ternaryScales` has an answer.
    public func quantized(_ encoding: Encoding) -> QuantizedMatrix {
        switch encoding {
        case .int16Rows: return roundedRows()
        case .ternary4, .ternary5: return ternary(encoding)
        case .int8Rows: return searched(encoding, .int8, groupSize: columns, greatestScale: 1)
        case .int6Groups: return searched(encoding, .uniform(bits: 6), groupSize: QuantizedMatrix.groupSize, greatestScale: 15)
        default:
            let levels = Levels.learned(
                values, columns: columns, groupSize: QuantizedMatrix.groupSize, bits: encoding.groupBits, importance: curvature.importance)
            return searched(encoding, levels, groupSize: QuantizedMatrix.groupSize, greatestScale: 15)
        }
    }

    /// One scale a row, round to nearest.
    private func roundedRows() -> QuantizedMatrix {
        var scales = (0..<rows).map { RowScale(atLeast: Double(maximumMagnitude(row: $0)) / 32_767) }
        let exponent = scales.settle()
        var codes = [Int16](repeating: 0, count: rows * columns)
        var lost = 0.0, all = 0.0
        for row in 0..<rows {
            let scale = scales[row].value, inverse = 1 / scale
            for j in 0..<columns {
                let value = Double(values[row * columns + j])
                let code = max(-32_767, min(32_767, (value * inverse).rounded(.toNearestOrEven)))
                codes[row * columns + j] = Int16(code)
                let weight = Double(curvature.importance[j])
                lost += weight * (value - code * scale) * (value - code * scale)
                all += weight * value * value
            }
        }
        return QuantizedMatrix(
            encoding: .int16Rows, rows: rows, columns: columns, exponent: exponent, rowScales: scales, codes: codes, groupScales: [],
            levels: [], relativeError: all > 0 ? (lost / all).squareRoot() : 0)
    }

    func maximumMagnitude(row: Int) -> Float {
        values.withUnsafeBufferPointer { values in
            var most: Float = 0
            for k in row * columns..<(row + 1) * columns { most = max(most, abs(values[k])) }
            return most
        }
    }

    // MARK: Ternary

    /// The scale of each row if all weights are -s, 0 or s, as those of a model trained so are; nil otherwise.
    public func ternaryScales() -> [Float]? {
        var scales: [Float] = []
        for row in 0..<rows {
            let most = maximumMagnitude(row: row)
            for k in row * columns..<(row + 1) * columns where values[k] != 0 && abs(values[k]) != most { return nil }
            scales.append(most)
        }
        // A matrix of which every row happens to have one magnitude is no sign of training if a row has one weight only.
        return columns >= 8 && scales.contains { $0 > 0 } ? scales : nil
    }

    private func ternary(_ encoding: Encoding) -> QuantizedMatrix {
        var scales = ternaryScales()!.map { RowScale(nearest: Double($0)) }
        let exponent = scales.settle()
        let codes = values.map { Int16($0 > 0 ? 2 : $0 < 0 ? 0 : 1) }
        return QuantizedMatrix(
            encoding: encoding, rows: rows, columns: columns, exponent: exponent, rowScales: scales, codes: codes, groupScales: [],
            levels: [], relativeError: 0)
    }
}
