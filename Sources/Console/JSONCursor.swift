/// Reads one JSON value after another out of bytes in place; nothing is allocated. Every function returns false or nil where the
/// text is no JSON (RFC 8259), and the cursor is then worthless.
public struct JSONCursor {
    public let text: UnsafeBufferPointer<UInt8>
    public private(set) var offset: Int
    /// Values inside values.
    private static let depthLimit = 64

    public init(_ text: UnsafeBufferPointer<UInt8>, offset: Int = 0) {
        self.text = text
        self.offset = offset
    }

    private var byte: UInt8 { offset < text.count ? text[offset] : 0 }

    public mutating func skipSpace() {
        while offset < text.count, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { offset += 1 }
    }

    /// True at the end, but for white space.
    public mutating func isAtEnd() -> Bool {
        skipSpace()
        return offset >= text.count
    }

    /// Takes one sign, such as a brace, if it is there.
    public mutating func take(_ sign: UInt8) -> Bool {
        skipSpace()
        if offset >= text.count || byte != sign { return false }
        offset += 1
        return true
    }

    /// The content of a string between its quotes, still escaped and known to be well formed.
    public mutating func string() -> UnsafeBufferPointer<UInt8>? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        let start = offset
        while offset < text.count {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return UnsafeBufferPointer(rebasing: text[start..<offset - 1])
            case 0..<0x20: return nil
            case UInt8(ascii: "\\"):
                offset += 1
                switch byte {
                case UInt8(ascii: "u"):
                    if Self.hexadecimal(text, offset + 1) == nil { return nil }
                    offset += 5
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
                    UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                    offset += 1
                default: return nil
                }
            default: offset += 1
            }
        }
        return nil
    }

    /// A whole number that is not negative, up to 2^31.
    public mutating func count() -> Int? {
        skipSpace()
        var value: Int64?
        while byte >= 0x30, byte <= 0x39 {
            value = (value ?? 0) * 10 + Int64(byte - 0x30)
            if value! > 1 << 31 { return nil }
            offset += 1
        }
        return value.map { Int(clamping: $0) }
    }

    /// Passes over a value of any kind.
    public mutating func skipValue(depth: Int = 0) -> Bool {
        if depth == Self.depthLimit { return false }
        skipSpace()
        switch byte {
        case UInt8(ascii: "\""): return string() != nil
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let isObject = byte == UInt8(ascii: "{")
            let closing = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
            offset += 1
            if take(closing) { return true }
            repeat {
                if isObject, string() == nil || !take(UInt8(ascii: ":")) { return false }
                if !skipValue(depth: depth + 1) { return false }
            } while take(UInt8(ascii: ","))
            return take(closing)
        case UInt8(ascii: "t"): return word("true")
        case UInt8(ascii: "f"): return word("false")
        case UInt8(ascii: "n"): return word("null")
        default: return number()
        }
    }

    private mutating func word(_ word: StaticString) -> Bool {
        if text.count - offset < word.utf8CodeUnitCount { return false }
        for k in 0..<word.utf8CodeUnitCount where text[offset + k] != word.utf8Start[k] { return false }
        offset += word.utf8CodeUnitCount
        return true
    }

    private mutating func number() -> Bool {
        if byte == UInt8(ascii: "-") { offset += 1 }
        if !digits() { return false }
        if byte == UInt8(ascii: ".") {
            offset += 1
            if !digits() { return false }
        }
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            offset += 1
            if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { offset += 1 }
            return digits()
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = offset
        while byte >= 0x30, byte <= 0x39 { offset += 1 }
        return offset > start
    }

    // MARK: Strings

    /// The bytes that an escaped string stands for, which are never more than it has; a lone surrogate becomes U+FFFD.
    /// - Parameters:
    ///   - content: a result of `string`
    ///   - result: room for as many bytes
    /// - Returns: how many there are.
    public static func unescape(_ content: UnsafeBufferPointer<UInt8>, into result: UnsafeMutablePointer<UInt8>) -> Int {
        var count = 0
        var k = 0
        while k < content.count {
            if content[k] != UInt8(ascii: "\\") {
                result[count] = content[k]
                count += 1
                k += 1
                continue
            }
            let sign = content[k + 1]
            k += 2
            switch sign {
            case UInt8(ascii: "b"): result[count] = 0x08
            case UInt8(ascii: "f"): result[count] = 0x0C
            case UInt8(ascii: "n"): result[count] = 0x0A
            case UInt8(ascii: "r"): result[count] = 0x0D
            case UInt8(ascii: "t"): result[count] = 0x09
            case UInt8(ascii: "u"):
                var scalar = hexadecimal(content, k)!
                k += 4
                if (0xD800...0xDBFF).contains(scalar), k + 6 <= content.count, content[k] == UInt8(ascii: "\\"),
                    content[k + 1] == UInt8(ascii: "u"), let low = hexadecimal(content, k + 2), (0xDC00...0xDFFF).contains(low) {
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
                    k += 6
                } else if (0xD800...0xDFFF).contains(scalar) {
                    scalar = 0xFFFD
                }
                count += encode(scalar, into: result + count)
                continue
            default: result[count] = sign
            }
            count += 1
        }
        return count
    }

    private static func encode(_ scalar: UInt32, into result: UnsafeMutablePointer<UInt8>) -> Int {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | scalar >> shift & 0x3F) }
        if scalar < 0x80 {
            result[0] = UInt8(scalar)
            return 1
        }
        if scalar < 0x800 {
            result[0] = UInt8(0xC0 | scalar >> 6)
            result[1] = tail(0)
            return 2
        }
        if scalar < 0x10000 {
            result[0] = UInt8(0xE0 | scalar >> 12)
            result[1] = tail(6)
            result[2] = tail(0)
            return 3
        }
        result[0] = UInt8(0xF0 | scalar >> 18)
        result[1] = tail(12)
        result[2] = tail(6)
        result[3] = tail(0)
        return 4
    }

    private static func hexadecimal(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt32? {
        if start + 4 > text.count { return nil }
        var value: UInt32 = 0
        for k in start..<start + 4 {
            let digit: UInt8 = switch text[k] {
            case 0x30...0x39: text[k] - 0x30
            case 0x41...0x46: text[k] - 0x41 + 10
            case 0x61...0x66: text[k] - 0x61 + 10
            default: 16
            }
            if digit == 16 { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}

/// True if bytes are exactly `word`.
public func equals(_ bytes: UnsafeBufferPointer<UInt8>, _ word: StaticString) -> Bool {
    if bytes.count != word.utf8CodeUnitCount { return false }
    for k in 0..<bytes.count where bytes[k] != word.utf8Start[k] { return false }
    return true
}
