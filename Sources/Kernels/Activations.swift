import CKernels
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

/// Fraction bits of a result, and its largest magnitude where that came out besides.
@frozen
public struct Activated: Equatable {
    public var fractionBits: Int
    public var maximum: UInt32?

    @usableFromInline init(_ fractionBits: Int, maximum: UInt32? = nil) {
        self.fractionBits = fractionBits
        self.maximum = maximum
    }
}

/// Applies an activation in place: arithmetic-1, section 6.4.
// Modules that have the body of a function have its tables too, here 8 KB.
@export(interface)
public func activate(
    _ x: UnsafeMutablePointer<Int32>, count: Int, fractionBits: Int, _ activation: Activation, _ piecewise: PiecewiseLinear?,
    _ kernels: KernelSet = .baseline
) -> Activated {
    let toQ20 = fractionBits &- 20
    switch activation {
    case .identity:
        return Activated(fractionBits)
    case .gelu:
        if kernels != .baseline {
            return Activated(fractionBits, maximum: withNormalTable {
                stlm_activate(kernels.number, x, count, Int32(truncatingIfNeeded: fractionBits), $0, 13)
            })
        }
        for i in 0..<count { x[i] = scale(Int64(x[i]) &* normal(scale(Int64(x[i]), toQ20)), 31) }
        return Activated(fractionBits)
    case .relu:
        for i in 0..<count { x[i] = max(0, x[i]) }
        return Activated(fractionBits)
    case .leakyRelu:
        // 42,949,673 * 2^-32 is 0.01.
        for i in 0..<count where x[i] < 0 { x[i] = scale(Int64(x[i]) &* 42_949_673, 32) }
        return Activated(fractionBits)
    case .tanh:
        // tanh(x) = 2 sigmoid(2x) - 1
        for i in 0..<count { x[i] = saturated(sigmoid(scale(Int64(x[i]), fractionBits &- 21)) &- (1 << 30)) }
        return Activated(30)
    case .sigmoid:
        for i in 0..<count { x[i] = saturated(roundingShiftRight(sigmoid(scale(Int64(x[i]), toQ20)), 1)) }
        return Activated(30)
    case .silu:
        if kernels != .baseline {
            return Activated(fractionBits, maximum: withSigmoidTable {
                stlm_activate(kernels.number, x, count, Int32(truncatingIfNeeded: fractionBits), $0, 14)
            })
        }
        for i in 0..<count { x[i] = scale(Int64(x[i]) &* sigmoid(scale(Int64(x[i]), toQ20)), 31) }
        return Activated(fractionBits)
    case .piecewiseLinear:
        guard let piecewise else { return Activated(fractionBits) }
        for i in 0..<count { x[i] = piecewise.value(scale(Int64(x[i]), toQ20)) }
        return Activated(20)
    }
}

/// The product of an activated gate and the other half, in place of the gate: arithmetic-1, section 6.3.
public func multiplyGate(
    _ gate: UnsafeMutablePointer<Int32>, _ activated: Activated, _ up: UnsafePointer<Int32>, upFractionBits: Int, count: Int,
    _ kernels: KernelSet = .baseline
) -> Activated {
    let gateMaximum = activated.maximum ?? maximumMagnitude(gate, count: count, kernels)
    let bits = bitCount(gateMaximum) &+ bitCount(maximumMagnitude(up, count: count, kernels))
    let shift = max(0, bits &- 31)
    let fractionBits = activated.fractionBits &+ upFractionBits &- shift
    if kernels != .baseline {
        return Activated(
            fractionBits, maximum: stlm_multiply_gate(kernels.number, gate, up, count, Int32(truncatingIfNeeded: shift)))
    }
    for i in 0..<count { gate[i] = scale(Int64(gate[i]) &* Int64(up[i]), shift) }
    return Activated(fractionBits)
}
