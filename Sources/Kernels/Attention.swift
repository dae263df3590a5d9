import CKernels
import FixedPoint

/// Keys and values of one layer and key-value head.
///
/// Positions are grouped so that kernels find the same elements of 16 positions side by side, and of values those of two.
@frozen
public struct KeyValueHead {
    /// (positions / 16, headSize / 2, 16 positions, 2) Int16 codes, each division rounded up; zero beyond headSize
    public var keys: UnsafeMutablePointer<Int16>
    /// (positions / 2 rounded up, headSize, 2 positions) Int16 codes; 64 bytes after the last can be read
    public var values: UnsafeMutablePointer<Int16>
    /// (positions rounded up to 16), as are those below
    public var keyMantissas: UnsafeMutablePointer<Int32>
    public var keyExponents: UnsafeMutablePointer<Int32>
    public var valueMantissas: UnsafeMutablePointer<Int32>
    public var valueExponents: UnsafeMutablePointer<Int32>

    public init(
        keys: UnsafeMutablePointer<Int16>, values: UnsafeMutablePointer<Int16>, keyMantissas: UnsafeMutablePointer<Int32>,
        keyExponents: UnsafeMutablePointer<Int32>, valueMantissas: UnsafeMutablePointer<Int32>,
        valueExponents: UnsafeMutablePointer<Int32>
    ) {
        self.keys = keys
        self.values = values
        self.keyMantissas = keyMantissas
        self.keyExponents = keyExponents
        self.valueMantissas = valueMantissas
        self.valueExponents = valueExponents
    }

    @inline(__always)
    static func keyOffset(_ position: Int, _ element: Int, _ headSize: Int) -> Int {
        (((position &>> 4) &* ((headSize &+ 1) &>> 1) &+ (element &>> 1)) &* 16 &+ (position & 15)) &* 2 &+ (element & 1)
    }

    @inline(__always)
    static func valueOffset(_ position: Int, _ element: Int, _ headSize: Int) -> Int {
        ((position &>> 1) &* headSize &+ element) &* 2 &+ (position & 1)
    }

    /// Puts a key in its place.
    /// - Parameters:
    ///   - codes: (headSize)
    public func setKey(_ codes: UnsafePointer<Int16>, _ scale: VectorScale, position: Int, headSize: Int) {
        keyMantissas[position] = scale.mantissa
        keyExponents[position] = scale.exponent
        let place = keys + Self.keyOffset(position, 0, headSize)
        for pair in 0..<headSize &>> 1 {
            place[pair &* 32] = codes[2 &* pair]
            place[pair &* 32 &+ 1] = codes[2 &* pair &+ 1]
        }
        if headSize & 1 != 0 {
            place[(headSize &>> 1) &* 32] = codes[headSize &- 1]
            place[(headSize &>> 1) &* 32 &+ 1] = 0
        }
    }

    /// Puts a value in its place.
    public func setValue(_ codes: UnsafePointer<Int16>, _ scale: VectorScale, position: Int, headSize: Int) {
        valueMantissas[position] = scale.mantissa
        valueExponents[position] = scale.exponent
        let place = values + Self.valueOffset(position, 0, headSize)
        for i in 0..<headSize { place[2 &* i] = codes[i] }
    }
}

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
    nextKeys: UnsafePointer<Int16>, _ kernels: KernelSet = .baseline
) {
    let d = ceilLog2(headSize)
    let m = roundingShiftRight(Int64(queryScale.mantissa) &* scoreMantissa, 17)
    let baseShift = scoreExponent &+ Int(queryScale.exponent) &- 50 &- d
    if kernels != .baseline {
        var call = stlm_attention_call(
            query: query, keys: head.keys, key_mantissas: head.keyMantissas, key_exponents: head.keyExponents, next_keys: nextKeys,
            values: head.values, value_mantissas: head.valueMantissas, value_exponents: head.valueExponents, weights: memory.weights, sums: memory.sums,
            result: memory.result, head_size: headSize, position_count: positionCount, multiplier: Int32(truncatingIfNeeded: m),
            base_shift: Int32(truncatingIfNeeded: baseShift), least_value_exponent: Int32(truncatingIfNeeded: leastValueExponent))
        if stlm_attend(kernels.number, &call) != 0 { return }
    }

    // Scores z in Q16, base 2, and their maximum.
    let weights = memory.weights, sums = memory.sums
    var most = Int32.min
    for t in 0..<positionCount {
        let key = head.keys + KeyValueHead.keyOffset(t, 0, headSize)
        var sum: Int64 = 0
        for i in 0..<headSize { sum &+= Int64(Int32(query[i]) &* Int32(key[(i &>> 1) &* 32 &+ (i & 1)])) }
        let mt = roundingShiftRight(m &* Int64(head.keyMantissas[t]), 17)
        let z = scale(roundingShiftRight(sum, d) &* mt, baseShift &+ Int(head.keyExponents[t]))
        weights[t] = z
        most = max(most, z)
    }
    // Unnormalised probabilities, times the scale of the position's value.
    var total: UInt64 = 0
    for t in 0..<positionCount {
        let x = min((Int64(most) &- Int64(weights[t])) &<< 8, 0xFFFF_FFFF)
        let p = exp2Negative(UInt32(truncatingIfNeeded: x))
        total &+= UInt64(p)
        let shift = 17 &+ Int(head.valueExponents[t]) &- leastValueExponent
        weights[t] = scale(Int64(p) &* Int64(head.valueMantissas[t]), shift)
    }
    // The weighted sum of values, divided by the total.
    for i in 0..<headSize { sums[i] = 0 }
    for t in 0..<positionCount {
        let weight = Int64(weights[t])
        if weight == 0 { continue }
        let value = head.values + KeyValueHead.valueOffset(t, 0, headSize)
        for i in 0..<headSize { sums[i] &+= weight &* Int64(value[2 &* i]) }
    }
    let length = bitCount(total)
    let normal = length <= 32 ? total &<< UInt64(32 &- length) : total &>> UInt64(length &- 32)
    let reciprocal = Int64((1 &<< 62) / normal)
    for i in 0..<headSize {
        memory.result[i] = saturated(roundingShiftRight(roundingShiftRight(sums[i], length &- 16) &* reciprocal, 31))
    }
}
