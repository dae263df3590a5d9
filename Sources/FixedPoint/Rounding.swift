// Rounding, saturation and bit counts: arithmetic-1, section 1.

/// `value` clamped to 32 bits.
@inlinable @inline(__always)
public func saturated(_ value: Int64) -> Int32 {
    Int32(truncatingIfNeeded: max(Int64(Int32.min), min(Int64(Int32.max), value)))
}

/// `value * 2^-shift` rounded half up, for `0 <= shift <= 62` and `|value| <= 2^62`.
@inlinable @inline(__always)
public func roundingShiftRight(_ value: Int64, _ shift: Int) -> Int64 {
    let half = (Int64(1) &<< Int64(shift)) &>> 1
    return (value &+ half) &>> Int64(shift)
}

/// `value * 2^-shift` rounded half up and clamped to 32 bits, for any `shift` and `|value| <= 2^62`.
@inlinable @inline(__always)
public func scale(_ value: Int64, _ shift: Int) -> Int32 {
    if shift >= 0 {
        // Beyond 62 the rounded quotient of a value up to 2^62 is 0.
        return shift > 62 ? 0 : saturated(roundingShiftRight(value, shift))
    }
    // A left shift by 31 or more takes every value but 0 and -1 to an end of the range or beyond it, and -1 to its lower end.
    let left = min(-shift, 31)
    return saturated(max(-(1 << 31), min(1 << 31, value)) &<< Int64(left))
}

/// Number of binary digits: `bitCount(0) = 0`, `bitCount(255) = 8`.
@inlinable @inline(__always)
public func bitCount(_ value: UInt64) -> Int { 64 - value.leadingZeroBitCount }

@inlinable @inline(__always)
public func bitCount(_ value: UInt32) -> Int { 32 - value.leadingZeroBitCount }

/// The least `k` with `2^k >= count`, for `count >= 1`.
@inlinable @inline(__always)
public func ceilLog2(_ count: Int) -> Int { bitCount(UInt64(count - 1)) }
