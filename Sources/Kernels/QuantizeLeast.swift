import CKernels
import FixedPoint

// Codes of 4 and 8 bits of a head's codes of 16, by the candidate with the least error. They may take the place of those.

/// Codes 0 ... 15 of a value, and its scale: arithmetic-1, section 6.2.1.
/// - Parameters:
///   - codes: (count) Int16 with `scale`
///   - nibbles: (count) codes of 4 bits, one a byte
public func quantizeNibbles(
    _ codes: UnsafePointer<Int16>, _ scale: VectorScale, count: Int, into nibbles: UnsafeMutableRawPointer, _ kernels: KernelSet = .baseline
) -> VectorScale {
    let nibbles = nibbles.assumingMemoryBound(to: UInt8.self)
    var half: Int32 = 0
    if kernels != .baseline {
        half = stlm_quantize_nibbles(kernels.number, codes, count, nibbles)
    } else {
        func nibble(_ code: Int16, _ half: Int32) -> Int32 {
            min(15, max(0, ((Int32(code) &* ((1 &<< 25) / half)) &>> 26) &+ 8))
        }
        half = leastError(first: STLM_NIBBLE_HALF_FIRST, step: STLM_NIBBLE_HALF_STEP, count) { i, half in
            (Int32(codes[i]) &- (2 &* nibble(codes[i], half) &- 15) &* half) &>> 4
        }
        for i in 0..<count { nibbles[i] = UInt8(truncatingIfNeeded: nibble(codes[i], half)) }
    }
    let mantissa = roundingShiftRight(Int64(half) &* Int64(scale.mantissa), 11)
    return VectorScale(mantissa: Int32(truncatingIfNeeded: mantissa), exponent: scale.exponent &- 11)
}

/// Codes of 8 bits of a key in a small head, and its scale: arithmetic-1, section 6.2.2.
/// - Parameters:
///   - codes: (count) Int16 with `scale`
///   - bytes: (count) Int8
public func quantizeBytes(
    _ codes: UnsafePointer<Int16>, _ scale: VectorScale, count: Int, into bytes: UnsafeMutableRawPointer, _ kernels: KernelSet = .baseline
) -> VectorScale {
    let bytes = bytes.assumingMemoryBound(to: Int8.self)
    var unit: Int32 = 0
    if kernels != .baseline {
        unit = stlm_quantize_bytes(kernels.number, codes, count, bytes)
    } else {
        func byte(_ code: Int16, _ unit: Int32) -> Int32 { (Int32(code) &* ((1 &<< 22) / unit) &+ (1 &<< 21)) &>> 22 }
        unit = leastError(first: STLM_BYTE_FIRST, step: STLM_BYTE_STEP, count) { i, unit in Int32(codes[i]) &- byte(codes[i], unit) &* unit }
        for i in 0..<count { bytes[i] = Int8(truncatingIfNeeded: byte(codes[i], unit)) }
    }
    let mantissa = roundingShiftRight(Int64(unit) &* Int64(scale.mantissa), 8)
    return VectorScale(mantissa: Int32(truncatingIfNeeded: mantissa), exponent: scale.exponent &- 8)
}

/// The first of the candidates with the least sum of squares.
@inline(__always)
private func leastError(first: Int32, step: Int32, _ count: Int, _ distance: (Int, Int32) -> Int32) -> Int32 {
    var best = first
    var least = UInt32.max
    for j in 0..<STLM_CANDIDATE_COUNT {
        let candidate = first &+ j &* step
        var error: UInt32 = 0
        for i in 0..<count {
            let d = distance(i, candidate)
            error &+= UInt32(bitPattern: d &* d)
        }
        if error < least {
            least = error
            best = candidate
        }
    }
    return best
}
