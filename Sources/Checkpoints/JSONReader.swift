import Foundation

/// Reads JSON (RFC 8259) strictly: no entry twice, no lone surrogates, no depth that could exhaust the stack.
struct JSONReader {
    static let depthLimit = 32

    private let bytes: [UInt8]
    private var at = 0

    /// - Throws: `CheckpointError.tokenizer` with the place of what is wrong.
    static func value(_ data: Data) throws(CheckpointError) -> JSONValue {
        var reader = JSONReader(bytes: Array(data))
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        if reader.at < reader.bytes.count { throw reader.malformed("more follows after its end") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func malformed(_ what: String) -> CheckpointError {
        let place = at < bytes.count ? "at byte \(at)" : "at its end (byte \(at))"
        return .tokenizer("The tokenizer file is JSON and malformed \(place): \(what); copy or download it again.")
    }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 { at += 1 }
    }

    /// The next byte that is no space.
    private mutating func peek() -> UInt8? {
        skipSpace()
        return at < bytes.count ? bytes[at] : nil
    }

    private mutating func value(depth: Int) throws(CheckpointError) -> JSONValue {
        if depth > Self.depthLimit { throw malformed("it is nested deeper than \(Self.depthLimit) levels") }
        guard let byte = peek() else { throw malformed("it breaks off") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try entries(depth))
        case UInt8(ascii: "["): return .array(try elements(depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw malformed("no value begins there")
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(CheckpointError) -> JSONValue {
        if !bytes[at...].starts(with: text.utf8) { throw malformed("no value begins there") }
        at += text.utf8.count
        return value
    }

    /// After a `{` or `[`, or an entry: true if another follows.
    private mutating func goesOn(_ close: UInt8, isFirst: Bool) throws(CheckpointError) -> Bool {
        guard let byte = peek() else { throw malformed("it breaks off") }
        if byte == close {
            at += 1
            return false
        }
        if isFirst { return true }
        if byte != UInt8(ascii: ",") { throw malformed("a comma is missing") }
        at += 1
        return true
    }

    private mutating func elements(_ depth: Int) throws(CheckpointError) -> [JSONValue] {
        at += 1
        var elements: [JSONValue] = []
        while try goesOn(UInt8(ascii: "]"), isFirst: elements.isEmpty) { elements.append(try value(depth: depth + 1)) }
        return elements
    }

    private mutating func entries(_ depth: Int) throws(CheckpointError) -> [(key: [UInt8], value: JSONValue)] {
        at += 1
        var entries: [(key: [UInt8], value: JSONValue)] = []
        var seen: Set<[UInt8]> = []
        while try goesOn(UInt8(ascii: "}"), isFirst: entries.isEmpty) {
            if peek() != UInt8(ascii: "\"") { throw malformed("a name in quotes is missing") }
            let key = try string()
            if !seen.insert(key).inserted { throw malformed("the entry \(quoted(String(decoding: key, as: UTF8.self))) is there twice") }
            if peek() != UInt8(ascii: ":") { throw malformed("a colon is missing") }
            at += 1
            entries.append((key, try value(depth: depth + 1)))
        }
        return entries
    }

    private mutating func number() throws(CheckpointError) -> [UInt8] {
        let start = at
        func isDigit(_ at: Int) -> Bool { at < bytes.count && (0x30...0x39).contains(bytes[at]) }
        func skipDigits() throws(CheckpointError) {
            if !isDigit(at) { throw malformed("a number lacks digits") }
            while isDigit(at) { at += 1 }
        }
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        if at < bytes.count, bytes[at] == UInt8(ascii: "0"), isDigit(at + 1) { throw malformed("a number begins with 0") }
        try skipDigits()
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            try skipDigits()
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            try skipDigits()
        }
        return Array(bytes[start..<at])
    }

    /// The UTF-8 of a string, whose opening quote is next.
    private mutating func string() throws(CheckpointError) -> [UInt8] {
        at += 1
        let start = at
        var text: [UInt8] = []
        while true {
            guard at < bytes.count else { throw malformed("a string breaks off") }
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") { break }
            if byte < 0x20 { throw malformed("a string holds a control character") }
            at += 1
            if byte == UInt8(ascii: "\\") { try appendEscape(to: &text) } else { text.append(byte) }
        }
        if String(validating: text, as: UTF8.self) == nil {
            at = start
            throw malformed("a string is not UTF-8")
        }
        at += 1
        return text
    }

    private mutating func appendEscape(to text: inout [UInt8]) throws(CheckpointError) {
        guard at < bytes.count else { throw malformed("a string breaks off") }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += Array(Character(try escapedScalar()).utf8)
        default: throw malformed("a string holds an unknown escape")
        }
    }

    /// After `\u`: one scalar, of one unit or a pair of surrogates.
    private mutating func escapedScalar() throws(CheckpointError) -> Unicode.Scalar {
        let first = try hexadecimal()
        var value = UInt32(first)
        if (0xD800...0xDBFF).contains(first), at + 1 < bytes.count, bytes[at] == 0x5C, bytes[at + 1] == UInt8(ascii: "u") {
            at += 2
            let second = try hexadecimal()
            guard (0xDC00...0xDFFF).contains(second) else { throw malformed("a string holds half a pair of surrogates") }
            value = 0x10000 + (value - 0xD800) << 10 + (UInt32(second) - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(value) else { throw malformed("a string holds half a pair of surrogates") }
        return scalar
    }

    private mutating func hexadecimal() throws(CheckpointError) -> UInt16 {
        guard at + 4 <= bytes.count, bytes[at..<at + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt16(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
        else { throw malformed("four hexadecimal digits are missing after \\u") }
        at += 4
        return value
    }
}
