/// When tokens are due that come at most so many a second. Times are those of the monotonic clock, in nanoseconds.
package struct Pace {
    /// Tokens a second, in units of 1/65,536.
    private let rate: UInt64
    /// When the last token was due, and what its time lacks to be exact, in units of 1/rate.
    private var due: UInt64
    private var rest: UInt64 = 0

    /// - Parameters:
    ///   - start: when the first token is due
    package init(rate: UInt32, start: UInt64) {
        self.rate = UInt64(rate)
        due = start
    }

    /// When the next token is due. Small delays are made up for; what is more than a token behind begins anew, so that tokens never crowd.
    package mutating func next(now: UInt64) -> UInt64 {
        let second: UInt64 = 65_536_000_000_000, period = second / rate
        due += period
        rest += second % rate
        if rest >= rate {
            rest -= rate
            due += 1
        }
        if now > due + period { due = now }
        return due
    }
}
