import FixedPoint

/// Keys and values of one layer and key-value head.
@frozen
public struct KeyValueHead {
    /// (positions, headSize) Int16 codes
    public var keys: UnsafePointer<Int16>
    /// (positions)
    public var keyScales: UnsafePointer<VectorScale>
    public var values: UnsafePointer<Int16>
    public var valueScales: UnsafePointer<VectorScale>

    public init(
        keys: UnsafePointer<Int16>, keyScales: UnsafePointer<VectorScale>, values: UnsafePointer<Int16>,
        valueScales: UnsafePointer<VectorScale>
    ) {
        self.keys = keys
        self.keyScales = keyScales
        self.values = values
        self.valueScales = valueScales
    }
}

/// Softmax attention of one query head over `positionCount` positions: arithmetic-1, section 6.2, step 4.
/// - Parameters:
///   - query: (headSize) Int16 codes
///   - leastValueExponent: EL
///   - weights: scratch (positionCount) Int32
///   - sums: scratch (headSize) Int64
///   - result: (headSize) Int32 with `leastValueExponent - 2` fraction bits
public func attend(
    query: UnsafePointer<Int16>, queryScale: VectorScale, head: KeyValueHead, headSize: Int, positionCount: Int,
    scoreMantissa: Int64, scoreExponent: Int, leastValueExponent: Int, weights: UnsafeMutablePointer<Int32>,
    sums: UnsafeMutablePointer<Int64>, result: UnsafeMutablePointer<Int32>
) {
    // Scores z in Q16, base 2, and their maximum.
    let d = ceilLog2(headSize)
    let m = roundingShiftRight(Int64(queryScale.mantissa) &* scoreMantissa, 17)
    let baseShift = scoreExponent &+ Int(queryScale.exponent) &- 50 &- d
    var most = Int32.min
    for t in 0..<positionCount {
        let key = head.keys + t &* headSize
        var sum: Int64 = 0
        for i in 0..<headSize { sum &+= Int64(Int32(query[i]) &* Int32(key[i])) }
        let keyScale = head.keyScales[t]
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
        let valueScale = head.valueScales[t]
        let shift = 17 &+ Int(valueScale.exponent) &- leastValueExponent
        weights[t] = scale(Int64(p) &* Int64(valueScale.mantissa), shift)
    }
    // The weighted sum of values, divided by the total.
    for i in 0..<headSize { sums[i] = 0 }
    for t in 0..<positionCount {
        let weight = Int64(weights[t])
        if weight == 0 { continue }
        let value = head.values + t &* headSize
        for i in 0..<headSize { sums[i] &+= weight &* Int64(value[i]) }
    }
    let length = bitCount(total)
    let normal = length <= 32 ? total &<< UInt64(32 &- length) : total &>> UInt64(length &- 32)
    let reciprocal = Int64((1 &<< 62) / normal)
    for i in 0..<headSize {
        result[i] = saturated(roundingShiftRight(roundingShiftRight(sums[i], length &- 16) &* reciprocal, 31))
    }
}
