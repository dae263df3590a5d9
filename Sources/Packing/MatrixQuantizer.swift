import Foundation
import ModelFile

/// Width of the codes of matrices.
public enum WeightWidth: Int, Sendable {
    case int8 = 8, int16 = 16

    var encoding: Encoding { self == .int8 ? .int8Rows : .int16Rows }
    var greatestCode: Float { self == .int8 ? 127 : 32_767 }
    /// Columns in a line of 64 bytes.
    var group: Int { self == .int8 ? 4 : 2 }
}

/// A tensor as the model file stores it.
package struct EncodedTensor: Equatable {
    package var encoding: Encoding
    package var rows: Int
    package var columns: Int
    package var exponent: Int32
    package var bytes: [UInt8]

    package var record: TensorRecord {
        TensorRecord(encoding: encoding, rows: rows, columns: columns, exponent: exponent)
    }
}

/// One scale a row, round to nearest: stlm-1, section 6.
///
/// The codes are computed against the scale as the file stores it, so that rounding the scale costs nothing but a slightly
/// coarser step (at most 1/2048).
package struct MatrixQuantizer {
    /// Row scale `(2048 + m) * 2^-(d + exponent)` as u16.
    private struct RowScale {
        var mantissa = 2048.0
        var exponent = 0
        var isZero = true

        /// The least scale of that form that is at least `scale`.
        init(atLeast scale: Double) {
            guard scale > 0 else { return }
            isZero = false
            exponent = 11 - Int(scale.exponent)
            mantissa = (scale * pow2(exponent)).rounded(.up)
            if mantissa == 4096 {
                mantissa = 2048
                exponent -= 1
            }
        }
    }

    package static func encode(_ values: [Float], rows: Int, columns: Int, width: WeightWidth) -> EncodedTensor {
        let greatest = Double(width.greatestCode)
        var scales = (0..<rows).map { row in
            RowScale(atLeast: Double(maximumMagnitude(values, row * columns..<(row + 1) * columns)) / greatest)
        }
        let exponents = scales.filter { !$0.isZero }.map(\.exponent)
        let tensorExponent = min(max(exponents.min() ?? 0, Int(Limit.matrixExponent.lowerBound)), Int(Limit.matrixExponent.upperBound))
        for row in 0..<rows {
            // Rows too small for 5 bits of shift get the least scale there is.
            if scales[row].isZero || scales[row].exponent > tensorExponent + 31 {
                scales[row].mantissa = 2048
                scales[row].exponent = scales[row].isZero ? tensorExponent : tensorExponent + 31
            }
        }
        let paddedRows = Layout.align(rows, Layout.rowBlock)
        let lines = Layout.align(columns, width.group) / width.group
        var bytes = [UInt8](repeating: 0, count: width.encoding.byteCount(rows: rows, columns: columns))
        bytes.withUnsafeMutableBytes { out in
            for row in 0..<rows {
                let inverse = pow2(scales[row].exponent) / scales[row].mantissa
                for column in 0..<columns {
                    let code = (Double(values[row * columns + column]) * inverse).rounded(.toNearestOrEven)
                    let line = (row / 16 * lines + column / width.group) * 64 + row % 16 * 4
                    let clamped = max(-greatest, min(greatest, code))
                    if width == .int8 {
                        out.storeBytes(of: Int8(clamped), toByteOffset: line + column % 4, as: Int8.self)
                    } else {
                        out.storeBytes(of: Int16(clamped), toByteOffset: line + column % 2 * 2, as: Int16.self)
                    }
                }
                let scale = UInt16(scales[row].exponent - tensorExponent) << 11 | UInt16(scales[row].mantissa - 2048)
                out.storeBytes(of: scale, toByteOffset: paddedRows / 16 * lines * 64 + 2 * row, as: UInt16.self)
            }
        }
        return EncodedTensor(
            encoding: width.encoding, rows: rows, columns: columns, exponent: Int32(tensorExponent), bytes: bytes)
    }

    private static func maximumMagnitude(_ values: [Float], _ range: Range<Int>) -> Float {
        values[range].reduce(0) { max($0, abs($1)) }
    }
}

/// 2^exponent, exactly, where it is a normal number.
func pow2(_ exponent: Int) -> Double { scalbn(1.0, exponent) }

/// The least `k` with `2^k >= value`; 0 for 0.
func exponentAbove(_ value: Double) -> Int { value > 0 ? Int(ceil(log2(value))) : 0 }

/// An int32 vector with given fraction bits, rounded to nearest.
func encodeVector(_ values: [Double], fractionBits: Int) -> EncodedTensor {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(values.count * 4)
    for value in values {
        let scaled = (value * pow2(fractionBits)).rounded(.toNearestOrEven)
        let clamped = Int32(max(-2_147_483_648, min(2_147_483_647, scaled)))
        withUnsafeBytes(of: clamped.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return EncodedTensor(
        encoding: .int32Vector, rows: 1, columns: values.count, exponent: Int32(fractionBits), bytes: bytes)
}

/// Fraction bits that a file can carry.
func clampFractionBits(_ bits: Int) -> Int {
    max(Int(Limit.fractionBits.lowerBound), min(Int(Limit.fractionBits.upperBound), bits))
}
