import FixedPoint

/// Largest magnitude of `count` elements; at most 2^31.
@inlinable
public func maximumMagnitude(_ vector: UnsafePointer<Int32>, count: Int) -> UInt32 {
    var most: UInt32 = 0
    for i in 0..<count { most = max(most, vector[i].magnitude) }
    return most
}

/// The part of quantise that depends on the largest magnitude only: arithmetic-1, section 3.
@frozen
public struct Quantizer {
    public let scale: VectorScale
    @usableFromInline let reciprocal: Int64
    @usableFromInline let shift: Int

    /// - Parameters:
    ///   - bits: 8 or 16.
    @inlinable
    public init(maximum: UInt32, fractionBits: Int, bits: Int) {
        let most = max(1, maximum)
        let length = bitCount(most)
        let aligned = UInt64(most) &<< UInt64(32 &- length)
        let divisor: UInt64 = bits == 8 ? 65_024 : 65_534
        let kind = bits == 8 ? 23 : 31
        let mantissa = (aligned &+ divisor &- 1) / divisor
        scale = VectorScale(mantissa: Int32(mantissa), exponent: Int32(truncatingIfNeeded: fractionBits &+ kind &- length))
        reciprocal = Int64((1 &<< 46) / mantissa)
        shift = 46 &- kind &+ length
    }

    @inlinable @inline(__always)
    public func code(_ value: Int32) -> Int64 {
        roundingShiftRight(Int64(value) &* reciprocal, shift)
    }
}

/// Quantises `count` elements to codes of 8 or 16 bits, and sets the codes up to `paddedCount` to 0.
@inlinable
public func quantize(
    _ vector: UnsafePointer<Int32>, count: Int, fractionBits: Int, bits: Int, into codes: UnsafeMutableRawPointer,
    paddedCount: Int
) -> VectorScale {
    let quantizer = Quantizer(maximum: maximumMagnitude(vector, count: count), fractionBits: fractionBits, bits: bits)
    if bits == 8 {
        let out = codes.assumingMemoryBound(to: Int8.self)
        for i in 0..<count { out[i] = Int8(truncatingIfNeeded: quantizer.code(vector[i])) }
        for i in count..<paddedCount { out[i] = 0 }
    } else {
        let out = codes.assumingMemoryBound(to: Int16.self)
        for i in 0..<count { out[i] = Int16(truncatingIfNeeded: quantizer.code(vector[i])) }
        for i in count..<paddedCount { out[i] = 0 }
    }
    return quantizer.scale
}
