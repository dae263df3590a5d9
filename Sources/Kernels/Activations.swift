import FixedPoint
import ModelFile

/// A piecewise linear function: stlm-1, section 6, encoding 5.
@frozen
public struct PiecewiseLinear {
    /// (count) Q20 ascending
    public var breakpoints: UnsafePointer<Int32>
    public var count: Int
    public var slopeFractionBits: Int

    public init(breakpoints: UnsafePointer<Int32>, count: Int, slopeFractionBits: Int) {
        self.breakpoints = breakpoints
        self.count = count
        self.slopeFractionBits = slopeFractionBits
    }

    @inline(__always)
    func value(_ t: Int32) -> Int32 {
        let values = breakpoints + count
        let slopes = values + count
        var k = 0
        while k < count, breakpoints[k] <= t { k &+= 1 }
        let j = max(0, k &- 1)
        let product = Int64(slopes[k]) &* (Int64(t) &- Int64(breakpoints[j]))
        // The product may come near 2^63, so that half a unit would not fit beside it.
        let rise = slopeFractionBits > 0
            ? saturated(((product &>> Int64(slopeFractionBits &- 1)) &+ 1) &>> 1) : scale(product, slopeFractionBits)
        return saturated(Int64(values[j]) &+ Int64(rise))
    }
}

/// Applies an activation in place: arithmetic-1, section 6.4.
/// - Returns: the fraction bits of the result.
public func activate(
    _ x: UnsafeMutablePointer<Int32>, count: Int, fractionBits: Int, _ activation: Activation, _ piecewise: PiecewiseLinear?
) -> Int {
    let toQ20 = fractionBits &- 20
    switch activation {
    case .identity:
        return fractionBits
    case .gelu:
        for i in 0..<count { x[i] = scale(Int64(x[i]) &* normal(scale(Int64(x[i]), toQ20)), 31) }
        return fractionBits
    case .relu:
        for i in 0..<count { x[i] = max(0, x[i]) }
        return fractionBits
    case .leakyRelu:
        // 42,949,673 * 2^-32 is 0.01.
        for i in 0..<count where x[i] < 0 { x[i] = scale(Int64(x[i]) &* 42_949_673, 32) }
        return fractionBits
    case .tanh:
        // tanh(x) = 2 sigmoid(2x) - 1
        for i in 0..<count { x[i] = saturated(sigmoid(scale(Int64(x[i]), fractionBits &- 21)) &- (1 << 30)) }
        return 30
    case .sigmoid:
        for i in 0..<count { x[i] = saturated(roundingShiftRight(sigmoid(scale(Int64(x[i]), toQ20)), 1)) }
        return 30
    case .silu:
        for i in 0..<count { x[i] = scale(Int64(x[i]) &* sigmoid(scale(Int64(x[i]), toQ20)), 31) }
        return fractionBits
    case .piecewiseLinear:
        guard let piecewise else { return fractionBits }
        for i in 0..<count { x[i] = piecewise.value(scale(Int64(x[i]), toQ20)) }
        return 20
    }
}

/// The product of an activated gate and the other half, in place of the gate: arithmetic-1, section 6.3.
/// - Returns: the fraction bits of the result.
public func multiplyGate(
    _ gate: UnsafeMutablePointer<Int32>, gateFractionBits: Int, _ up: UnsafePointer<Int32>, upFractionBits: Int, count: Int
) -> Int {
    let bits = bitCount(maximumMagnitude(gate, count: count)) &+ bitCount(maximumMagnitude(up, count: count))
    let shift = max(0, bits &- 31)
    for i in 0..<count { gate[i] = scale(Int64(gate[i]) &* Int64(up[i]), shift) }
    return gateFractionBits &+ upFractionBits &- shift
}
