import FixedPoint

extension SplitMix64 {
    mutating func int(_ range: ClosedRange<Int>) -> Int { Int(int64(Int64(range.lowerBound)...Int64(range.upperBound))) }

    mutating func int64(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    /// True once in so many times.
    mutating func once(in times: Int) -> Bool { int(1...times) == 1 }

    mutating func int32() -> Int32 { Int32(truncatingIfNeeded: next()) }

    mutating func pick<let n: Int, Element>(_ choices: InlineArray<n, Element>) -> Element { choices[int(0...n - 1)] }

    /// The ends of the range and what lies around zero.
    mutating func end() -> Int32 { pick([.min, .min + 1, .max, .max - 1, 0, 1, -1]) }

    /// Numbers of one kind: ends of the range, of any size, or all of about one size.
    mutating func fill(_ x: UnsafeMutablePointer<Int32>, _ count: Int) {
        let kind = int(0...2), shift = kind == 2 ? Int32(int(0...31)) : 0
        for i in 0..<count { x[i] = kind == 0 ? end() : int32() >> shift }
    }

    /// Any bits.
    mutating func fillAny<Element: FixedWidthInteger>(_ x: UnsafeMutablePointer<Element>, _ count: Int) {
        for i in 0..<count { x[i] = Element(truncatingIfNeeded: next()) }
    }
}
