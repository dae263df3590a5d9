// 2^-x and log2: arithmetic-1, sections 2.1 to 2.3.

/// `2^-x` in Q30 for `x` in units of 2^-24; error at most 7e-8.
@inlinable @inline(__always)
public func exp2Negative(_ x: UInt32) -> UInt32 {
    let whole = Int64(x &>> 24)
    let fraction = Int64(x & 0xFF_FFFF)
    var r: Int64 = -1_018_360
    r = 9_895_595 &+ ((r &* fraction &+ (1 << 23)) &>> 24)
    r = -59_385_858 &+ ((r &* fraction &+ (1 << 23)) &>> 24)
    r = 257_895_610 &+ ((r &* fraction &+ (1 << 23)) &>> 24)
    r = -744_257_899 &+ ((r &* fraction &+ (1 << 23)) &>> 24)
    r = 1_073_741_824 &+ ((r &* fraction &+ (1 << 23)) &>> 24)
    // r lies in 2^29 ... 2^30, so that a shift beyond 31 rounds to 0 like 32 does.
    let shift = min(whole, 32)
    return UInt32(truncatingIfNeeded: (r &+ ((1 &<< shift) &>> 1)) &>> shift)
}

/// Binary logarithm of `p >= 1` in units of 2^-24, rounded down bit by bit.
public func log2Fixed(_ p: UInt64) -> Int64 {
    let n = bitCount(p) - 1
    var m = n <= 31 ? p &<< UInt64(31 - n) : p &>> UInt64(n - 31)
    var y = Int64(n) &<< 24
    var bit: Int64 = 1 &<< 23
    while bit > 0 {
        m = (m &* m) &>> 31
        if m >= 1 &<< 32 {
            y |= bit
            m &>>= 1
        }
        bit &>>= 1
    }
    return y
}

/// `floor(sqrt(value))`, one binary digit at a time: exact, and used once a vector.
public func integerSquareRoot(_ value: UInt64) -> UInt64 {
    var remainder = value
    var root: UInt64 = 0
    var digit: UInt64 = 1 &<< 62
    while digit > remainder { digit &>>= 2 }
    while digit != 0 {
        if remainder >= root &+ digit {
            remainder &-= root &+ digit
            root = (root &>> 1) &+ digit
        } else {
            root &>>= 1
        }
        digit &>>= 2
    }
    return root
}
