import Foundation
import ModelFile

/// A row's scale `u * 2^-(d + exponent)` with `u` of 12 bits: stlm-1, section 6. Here `exponent` stands for `d + exponent`.
struct RowScale: Sendable {
    /// 2048 ... 4095
    var mantissa = 2048
    var exponent = 0
    /// A row of zeros, whose scale does not matter.
    var isZero = true

    /// The least scale of that form that is at least `scale`: no code of the greatest weight gets beyond its range.
    init(atLeast scale: Double) { self.init(scale, .up) }

    init(nearest scale: Double) { self.init(scale, .toNearestOrEven) }

    private init(_ scale: Double, _ rule: FloatingPointRoundingRule) {
        guard scale > 0, scale.isFinite else { return }
        isZero = false
        exponent = 11 - Int(scale.exponent)
        mantissa = Int((scale * pow2(exponent)).rounded(rule))
        if mantissa == 4096 {
            mantissa = 2048
            exponent -= 1
        }
    }

    var value: Double { Double(mantissa) * pow2(-exponent) }
}

extension [RowScale] {
    /// The tensor's exponent, with rows too small for the 5 bits of `d` raised to the least scale there is.
    mutating func settle() -> Int {
        let least = filter { !$0.isZero }.map(\.exponent).min() ?? 0
        let exponent = Swift.min(Swift.max(least, Int(Limit.matrixExponent.lowerBound)), Int(Limit.matrixExponent.upperBound))
        for row in indices where self[row].isZero || self[row].exponent > exponent + 31 {
            self[row].mantissa = 2048
            self[row].exponent = self[row].isZero ? exponent : exponent + 31
        }
        return exponent
    }
}

/// 2^exponent, exactly, where it is a normal number.
public func pow2(_ exponent: Int) -> Double { scalbn(1.0, exponent) }
