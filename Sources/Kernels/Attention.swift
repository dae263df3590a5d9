import CKernels
import FixedPoint

/// Scratch and result of `attend`.
@frozen
public struct AttentionMemory {
    /// (positions rounded up to 16)
    public var weights: UnsafeMutablePointer<Int32>
    /// (headSize rounded up to 16)
    public var sums: UnsafeMutablePointer<Int64>
    /// (headSize) Int32 with `leastValueExponent - 2` fraction bits
    public var result: UnsafeMutablePointer<Int32>

    public init(weights: UnsafeMutablePointer<Int32>, sums: UnsafeMutablePointer<Int64>, result: UnsafeMutablePointer<Int32>) {
        self.weights = weights
        self.sums = sums
        self.result = result
    }
}

/// Softmax attention of one query head over `positionCount` positions: arithmetic-1, section 6.2, step 4.
/// - Parameters:
///   - query: (headSize rounded up to 2) Int16 codes, zero beyond headSize
///   - leastValueExponent: EL
///   - nextKeys: where attention goes on after this, to be fetched into the cache
public func attend(
    query: UnsafePointer<Int16>, queryScale: VectorScale, head: KeyValueHead, headSize: Int, positionCount: Int,
    scoreMantissa: Int64, scoreExponent: Int, leastValueExponent: Int, memory: AttentionMemory,
    nextKeys: UnsafeRawPointer, _ kernels: KernelSet = .baseline
) {
    let d = ceilLog2(headSize)
    let m = roundingShiftRight(Int64(queryScale.mantissa) &* scoreMantissa, 17)
    let baseShift = scoreExponent &+ Int(queryScale.exponent) &- 50 &- d
    if kernels != .baseline {
        var call = stlm_attention_call(
            query: query, keys: head.keys, key_scales: head.keyScales, next_keys: nextKeys, values: head.values,
            value_scales: head.valueScales, weights: memory.weights, sums: memory.sums, result: memory.result, head_size: headSize,
            position_count: positionCount, type: Int32(head.type.rawValue), multiplier: Int32(truncatingIfNeeded: m),
            base_shift: Int32(truncatingIfNeeded: baseShift), least_value_exponent: Int32(truncatingIfNeeded: leastValueExponent))
        if stlm_attend(kernels.number, &call) != 0 { return }
    }

    // Scores z in Q16, base 2, and their maximum.
    let weights = memory.weights, sums = memory.sums
    var most = Int32.min
    for t in 0..<positionCount {
        var sum: Int64 = 0
        for i in 0..<headSize { sum &+= Int64(Int32(query[i]) &* head.key(t, i, headSize: headSize)) }
        let keyScale = VectorScale(packed: head.keyScales[t])
        let mt = roundingShiftRight(m &* Int64(keyScale.mantissa), 17)
        let z = scale(roundingShiftRight(sum, d) &* mt, baseShift &+ Int(keyScale.exponent))
        weights[t] = z
        most = max(most, z)
    }
    // Unnormalised probabilities, times the scale of the position's value.
    var total: UInt64 = 0
    for t in 0..<positionCount {
        let x = min((Int64(most) &- Int64(weights[t])) &<< 8, 0xFFFF_FFFF)
        let p = exp2Negative(UInt32(truncatingIfNeeded: x))
        total &+= UInt64(p)
        let valueScale = VectorScale(packed: head.valueScales[t])
        weights[t] = scale(Int64(p) &* Int64(valueScale.mantissa), 17 &+ Int(valueScale.exponent) &- leastValueExponent)
    }
    // The weighted sum of values, divided by the total.
    for i in 0..<headSize { sums[i] = 0 }
    for t in 0..<positionCount {
        let weight = Int64(weights[t])
        if weight == 0 { continue }
        for i in 0..<headSize { sums[i] &+= weight &* Int64(head.value(t, i, headSize: headSize)) }
    }
    let length = bitCount(total)
    let normal = length <= 32 ? total &<< UInt64(32 &- length) : total &>> UInt64(length &- 32)
    let reciprocal = Int64((1 &<< 62) / normal)
    for i in 0..<headSize {
        memory.result[i] = saturated(roundingShiftRight(roundingShiftRight(sums[i], length &- 16) &* reciprocal, 31))
    }
}
