import CKernels
import FixedPoint

/// How the codes of a vector lie in memory.
@frozen
public enum CodeForm: UInt32, Sendable {
    case int8
    case int16
    /// 16 bits in two planes: all `code >> 8`, then all `code & 255`.
    case planes

    @inlinable public var bits: Int { self == .int8 ? 8 : 16 }
}

/// Largest magnitude of `count` elements; at most 2^31.
@inlinable
public func maximumMagnitude(_ vector: UnsafePointer<Int32>, count: Int, _ kernels: KernelSet = .baseline) -> UInt32 {
    if kernels != .baseline { return stlm_maximum_magnitude(kernels.number, vector, count) }
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

/// Quantises `count` elements, and sets the codes up to `paddedCount` to 0. The codes may take the place of the vector.
/// - Parameters:
///   - maximum: the largest magnitude, where it is known
@inlinable
public func quantize(
    _ vector: UnsafePointer<Int32>, count: Int, fractionBits: Int, form: CodeForm, into codes: UnsafeMutableRawPointer,
    paddedCount: Int, maximum: UInt32? = nil, _ kernels: KernelSet = .baseline
) -> VectorScale {
    let most = maximum ?? maximumMagnitude(vector, count: count, kernels)
    let quantizer = Quantizer(maximum: most, fractionBits: fractionBits, bits: form.bits)
    if kernels != .baseline {
        stlm_quantize(
            kernels.number, vector, count, quantizer.reciprocal, Int32(truncatingIfNeeded: quantizer.shift), form.rawValue, codes,
            paddedCount)
        return quantizer.scale
    }
    for i in 0..<paddedCount {
        let code = i < count ? quantizer.code(vector[i]) : 0
        switch form {
        case .int8: codes.storeBytes(of: Int8(truncatingIfNeeded: code), toByteOffset: i, as: Int8.self)
        case .int16: codes.storeBytes(of: Int16(truncatingIfNeeded: code), toByteOffset: 2 &* i, as: Int16.self)
        case .planes:
            codes.storeBytes(of: Int8(truncatingIfNeeded: code &>> 8), toByteOffset: i, as: Int8.self)
            codes.storeBytes(of: UInt8(truncatingIfNeeded: code), toByteOffset: paddedCount &+ i, as: UInt8.self)
        }
    }
    return quantizer.scale
}

/// Quantises heads, each by itself: arithmetic-1, section 6.2, step 3. The codes may take the place of the heads.
/// - Parameters:
///   - heads: (headCount, headSize) Int32
///   - form: int8 or int16
///   - codes: (headCount, codeStride) codes; where the stride leaves room, one of 16 bits beyond an odd headSize is set to 0
///   - scales: (headCount)
public func quantizeHeads(
    _ heads: UnsafePointer<Int32>, headCount: Int, headSize: Int, fractionBits: Int, form: CodeForm, into codes: UnsafeMutableRawPointer,
    codeStride: Int, scales: UnsafeMutablePointer<VectorScale>, _ kernels: KernelSet = .baseline
) {
    if kernels != .baseline {
        return stlm_quantize_heads(
            kernels.number, heads, headCount, headSize, Int32(truncatingIfNeeded: fractionBits), form.rawValue, codes, codeStride,
            UnsafeMutableRawPointer(scales).assumingMemoryBound(to: Int32.self))
    }
    let paddedCount = form == .int8 ? headSize : min(codeStride, headSize &+ headSize & 1)
    for h in 0..<headCount {
        scales[h] = quantize(
            heads + h &* headSize, count: headSize, fractionBits: fractionBits, form: form, into: codes + h &* codeStride &* form.bits / 8,
            paddedCount: paddedCount)
    }
}

/// Least of `count` elements, at least one.
@inlinable
public func minimum(_ vector: UnsafePointer<Int32>, count: Int, _ kernels: KernelSet) -> Int32 {
    if kernels != .baseline { return stlm_least(kernels.number, vector, count) }
    var least = vector[0]
    for i in 1..<count { least = min(least, vector[i]) }
    return least
}
