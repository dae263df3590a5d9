import Foundation
import ModelFile
import Quantization

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
