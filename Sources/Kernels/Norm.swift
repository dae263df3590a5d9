import CKernels
import FixedPoint

/// Root-mean-square or layer normalisation in integers: arithmetic-1, section 5.
/// (RMSNorm: Zhang and Sennrich, 2019. LayerNorm: Ba, Kiros and Hinton, 2016.)
@frozen
public struct Norm {
    public var subtractsMean: Bool
    /// (size) Int32 with `weightFractionBits`
    public var weight: UnsafePointer<Int32>
    public var weightFractionBits: Int
    /// (size) Int32 with `outputFractionBits`, or nil
    public var bias: UnsafePointer<Int32>?
    public var outputFractionBits: Int
    /// In units of 2^-64.
    public var epsilon: UInt64

    public init(
        subtractsMean: Bool, weight: UnsafePointer<Int32>, weightFractionBits: Int, bias: UnsafePointer<Int32>?,
        outputFractionBits: Int, epsilon: UInt64
    ) {
        self.subtractsMean = subtractsMean
        self.weight = weight
        self.weightFractionBits = weightFractionBits
        self.bias = bias
        self.outputFractionBits = outputFractionBits
        self.epsilon = epsilon
    }

    /// - Parameters:
    ///   - x: (size) Int32 with `fractionBits`
    ///   - y: (size) Int32 with `outputFractionBits`; may be `x`
    /// - Returns: the largest magnitude of `y`.
    @discardableResult
    public func apply(
        _ x: UnsafePointer<Int32>, size: Int, fractionBits: Int, into y: UnsafeMutablePointer<Int32>,
        _ kernels: KernelSet = .baseline
    ) -> UInt32 {
        var mean: Int64 = 0
        if subtractsMean {
            var sum: Int64 = 0
            for i in 0..<size { sum &+= Int64(x[i]) }
            mean = floorDivide(2 &* sum &+ Int64(size), 2 &* Int64(size))
        }
        let most = centeredMaximum(x, size, mean, kernels)
        // Squares of at most 2^23 keep a sum of 65,536 of them below 2^63.
        let narrowing = max(0, bitCount(most) &- 23)
        let squares = sumOfSquares(x, size, mean, narrowing, kernels)
        let (root, exponent) = squares == 0 ? (0, 0) : reciprocalRoot(squares, size, fractionBits &- narrowing)
        let shift = 39 &+ fractionBits &- exponent / 2
        let weightShift = 22 &+ weightFractionBits &- outputFractionBits
        if kernels != .baseline, 0...62 ~= shift, 0...62 ~= weightShift {
            var call = stlm_norm_call(
                x: x, weight: weight, bias: bias, y: y, count: size, root: root, mean: Int32(truncatingIfNeeded: mean),
                shift: Int32(truncatingIfNeeded: shift), weight_shift: Int32(truncatingIfNeeded: weightShift))
            return stlm_norm(kernels.number, &call)
        }
        for i in 0..<size {
            let z = Int64(saturated(Int64(x[i]) &- mean))
            let unit = scale(z &* root, shift)
            var value = scale(Int64(unit) &* Int64(weight[i]), weightShift)
            if let bias { value = saturated(Int64(value) &+ Int64(bias[i])) }
            y[i] = value
        }
        return maximumMagnitude(y, count: size, kernels)
    }

    private func centeredMaximum(_ x: UnsafePointer<Int32>, _ size: Int, _ mean: Int64, _ kernels: KernelSet) -> UInt32 {
        if kernels != .baseline { return stlm_centered_maximum(kernels.number, x, size, Int32(truncatingIfNeeded: mean)) }
        var most: UInt32 = 0
        for i in 0..<size { most = max(most, saturated(Int64(x[i]) &- mean).magnitude) }
        return most
    }

    private func sumOfSquares(
        _ x: UnsafePointer<Int32>, _ size: Int, _ mean: Int64, _ narrowing: Int, _ kernels: KernelSet
    ) -> UInt64 {
        if kernels != .baseline {
            return stlm_sum_of_squares(kernels.number, x, size, Int32(truncatingIfNeeded: mean), Int32(truncatingIfNeeded: narrowing))
        }
        var squares: UInt64 = 0
        for i in 0..<size {
            let z = roundingShiftRight(Int64(saturated(Int64(x[i]) &- mean)), narrowing)
            squares &+= UInt64(bitPattern: z &* z)
        }
        return squares
    }

    /// 1 / sqrt(mean square + epsilon) as `root * 2^(exponent / 2 - 61)`, the exponent even.
    private func reciprocalRoot(_ squares: UInt64, _ size: Int, _ fractionBits: Int) -> (root: Int64, exponent: Int) {
        let a = 63 &- bitCount(squares)
        let q = (squares &<< UInt64(a)) / UInt64(size)
        let b = 62 &- bitCount(q)
        // Of one element q has 63 digits.
        let meanSquare = b >= 0 ? q &<< UInt64(b) : q &>> 1
        let meanExponent = a &+ b &+ 2 &* fractionBits
        var v = meanSquare
        var g = meanExponent
        if epsilon != 0 {
            let c = 62 &- bitCount(epsilon)
            let e = c >= 0 ? epsilon &<< UInt64(c) : epsilon &>> UInt64(-c)
            let eExponent = 64 &+ c
            g = min(meanExponent, eExponent)
            v = shiftRight(meanSquare, meanExponent &- g) &+ shiftRight(e, eExponent &- g)
        }
        if v >= 1 &<< 62 {
            v &>>= 1
            g &-= 1
        }
        if g & 1 != 0 {
            v &>>= 1
            g &-= 1
        }
        return (Int64((1 &<< 61) / integerSquareRoot(v)), g)
    }
}

@inline(__always)
func shiftRight(_ value: UInt64, _ shift: Int) -> UInt64 { shift > 63 ? 0 : value &>> UInt64(shift) }

/// Quotient rounded down, for a positive divisor.
@inline(__always)
func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
    let q = a / b
    return a % b < 0 ? q &- 1 : q
}
