/// The notation of arithmetic-1, section 1, in 128 bits: what the tests hold against the kernels.
public enum Exact {
    /// `a * 2^-s` rounded half up, for `|a| < 2^94`.
    public static func rshr(_ a: Int128, _ s: Int) -> Int128 {
        if s == 0 { return a }
        if s > 96 { return 0 }
        return (a + (Int128(1) << (s - 1))) >> s
    }

    public static func sat32(_ a: Int128) -> Int32 { Int32(clamping: a) }

    public static func scale(_ a: Int128, _ s: Int) -> Int32 {
        if s >= 0 { return sat32(rshr(a, s)) }
        // 32 places take every number but 0 out of range.
        return sat32(a << min(-s, 32))
    }

    public static func bits(_ a: Int128) -> Int { 128 - a.leadingZeroBitCount }

    public static func clog2(_ n: Int) -> Int { bits(Int128(n - 1)) }

    /// `floor(sqrt(v))` by bisection.
    public static func isqrt(_ v: Int128) -> Int128 {
        var low: Int128 = 0
        var high: Int128 = 1 << 33
        while high - low > 1 {
            let middle = (low + high) / 2
            if middle * middle <= v { low = middle } else { high = middle }
        }
        return low
    }

    /// `floor(a / b)` for positive `b`.
    public static func floorDivide(_ a: Int128, _ b: Int128) -> Int128 {
        let (q, r) = a.quotientAndRemainder(dividingBy: b)
        return r < 0 ? q - 1 : q
    }
}

extension SeededNumbers {
    /// A number of up to 32 bits, every length of it as likely as another.
    public mutating func anyInt32() -> Int32 {
        Int32(truncatingIfNeeded: Int64(truncatingIfNeeded: next())) >> Int32(next() % 32)
    }

    public mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    public mutating func pick<Element>(_ elements: [Element]) -> Element { elements[int(0...elements.count - 1)] }
}
