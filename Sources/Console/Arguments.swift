/// The words of a command line, read one by one.
public struct Arguments {
    public typealias Word = UnsafePointer<CChar>

    private let words: UnsafePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int
    private var next: Int

    /// - Parameters:
    ///   - start: index of the first word to read; the program's name is word 0.
    public init(_ count: Int32, _ words: UnsafePointer<UnsafeMutablePointer<CChar>?>, start: Int = 1) {
        self.words = words
        self.count = Int(count)
        next = start
    }

    public var isAtEnd: Bool { next >= count || words[next] == nil }

    public mutating func word() -> Word? {
        if isAtEnd { return nil }
        next += 1
        return words[next - 1].map { Word($0) }
    }
}

/// True if a C string is exactly `text`.
public func equals(_ word: UnsafePointer<CChar>, _ text: StaticString) -> Bool {
    for k in 0..<text.utf8CodeUnitCount where UInt8(bitPattern: word[k]) != text.utf8Start[k] { return false }
    return word[text.utf8CodeUnitCount] == 0
}

/// A literal as C takes it: a static string ends with a zero byte. (A plain literal in its place would make a String.)
public func cString(_ text: StaticString) -> UnsafePointer<CChar> { UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self) }

/// The bytes of a C string without its end.
public func utf8(_ word: UnsafePointer<CChar>) -> UnsafeBufferPointer<UInt8> {
    var length = 0
    while word[length] != 0 { length += 1 }
    return UnsafeBufferPointer(
        start: UnsafeRawPointer(word).assumingMemoryBound(to: UInt8.self), count: length)
}

/// A whole decimal number of digits only, up to `limit`; nil otherwise.
public func parseCount(_ word: UnsafePointer<CChar>, limit: UInt64 = UInt64(Int.max)) -> UInt64? {
    let text = utf8(word)
    if text.isEmpty { return nil }
    var value: UInt64 = 0
    for byte in text {
        guard byte >= 0x30, byte <= 0x39 else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(byte - 0x30))
        if overflow || carry || sum > limit { return nil }
        value = sum
    }
    return value
}

/// A decimal number such as `0.8` in Q16, rounded half up, up to `limit`; nil otherwise. No floating point.
public func parseQ16(_ word: UnsafePointer<CChar>, limit: UInt32) -> UInt32? {
    let text = utf8(word)
    var whole: UInt64 = 0
    var fraction: UInt64 = 0
    var unit: UInt64 = 1
    var digits = 0
    var seenPoint = false
    for byte in text {
        if byte == UInt8(ascii: "."), !seenPoint {
            seenPoint = true
        } else if byte >= 0x30, byte <= 0x39 {
            digits += 1
            if seenPoint {
                // Beyond 12 places nothing changes the nearest multiple of 2^-16 but a tie.
                if unit < 1_000_000_000_000 {
                    fraction = fraction * 10 + UInt64(byte - 0x30)
                    unit *= 10
                }
            } else {
                whole = whole * 10 + UInt64(byte - 0x30)
                if whole > 1_000_000 { return nil }
            }
        } else {
            return nil
        }
    }
    if digits == 0 { return nil }
    let value = whole << 16 + ((fraction << 17) / unit + 1) >> 1
    return value <= UInt64(limit) ? UInt32(value) : nil
}
