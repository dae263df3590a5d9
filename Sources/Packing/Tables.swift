import FloatModel
import Foundation
import ModelFile
import Quantization

/// Cosines and sines for every position: stlm-1, section 6, encoding 4.
func rotationTensor(positionCount: Int, headSize: Int, base: Double) -> EncodedTensor {
    let pairs = headSize / 2
    var bytes: [UInt8] = []
    bytes.reserveCapacity(positionCount * pairs * 4)
    for position in 0..<positionCount {
        for pair in 0..<pairs {
            let angle = Double(position) * pow(base, -2 * Double(pair) / Double(headSize))
            for value in [cos(angle), sin(angle)] {
                let code = Int16((value * 16_384).rounded(.toNearestOrEven))
                withUnsafeBytes(of: code.littleEndian) { bytes.append(contentsOf: $0) }
            }
        }
    }
    return EncodedTensor(encoding: .rotation, rows: positionCount, columns: pairs, exponent: 14, bytes: bytes)
}

/// A learned activation, b2 + sum of w2 relu(w1 t + b1), as the piecewise linear function that it is: stlm-1, section 6, encoding 5.
package func piecewiseTensor(_ learned: LearnedActivation) -> EncodedTensor {
    let w1 = learned.w1.values.map(Double.init), b1 = learned.b1.values.map(Double.init)
    let w2 = learned.w2.values.map(Double.init), b2 = Double(learned.b2.values[0])
    func value(_ t: Double) -> Double {
        var sum = b2
        for k in w1.indices { sum += w2[k] * max(0, w1[k] * t + b1[k]) }
        return sum
    }
    // Arguments are Q20 in 32 bits: kinks beyond 2,000 are never reached.
    let unit = pow2(-20)
    let kinks = w1.indices.compactMap { w1[$0] == 0 ? nil : -b1[$0] / w1[$0] }.filter { abs($0) < 2_000 }
    let points = Set((kinks + [0]).map { ($0 / unit).rounded() }).sorted()
    var slopes = [value(points[0] * unit) - value(points[0] * unit - 1)]
    if let before = kinks.filter({ $0 < points[0] * unit }).max() {
        // Rounding may have moved the first kink up: the slope left of it is that left of the true one.
        slopes[0] = value(before) - value(before - 1)
    }
    for k in 1..<max(1, points.count) {
        slopes.append((value(points[k] * unit) - value(points[k - 1] * unit)) / ((points[k] - points[k - 1]) * unit))
    }
    slopes.append(value(points.last! * unit + 1_000) - value(points.last! * unit + 999))
    let slopeBits = clampFractionBits(30 - exponentAbove(slopes.map(abs).max()!))
    var tensor = encodeVector(points.map { $0 * unit }, fractionBits: 20)
    tensor.bytes += encodeVector(points.map { value($0 * unit) }, fractionBits: 20).bytes
    tensor.bytes += encodeVector(slopes, fractionBits: slopeBits).bytes
    return EncodedTensor(
        encoding: .piecewiseLinear, rows: 1, columns: points.count, exponent: Int32(slopeBits), bytes: tensor.bytes)
}
