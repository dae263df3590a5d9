/// One request of a line: a flat JSON object.
struct Request {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    var id: UInt64?
    /// In the line.
    var prompt: Bytes?
    var maxTokens: UInt64 = 200
    var seed: UInt64 = 0
    /// In units of 1/65,536; nil is the model's own.
    var temperature: UInt32?
    /// In the line.
    var stop: Bytes?

    /// What is wrong with a line, in one sentence.
    struct Refusal: Error {
        let sentence: StaticString
        init(_ sentence: StaticString) { self.sentence = sentence }

        static let noJSON = Refusal("the line is no JSON object; send one object a line, such as {\"id\":1,\"prompt\":\"Once\"}")
        static let tooLarge = Refusal("a number is too large")
    }

    /// Reads a line, in which strings are decoded in place. After an error the id is there if it came before that.
    mutating func read(_ line: UnsafeMutableBufferPointer<UInt8>) throws(Refusal) {
        if !isUTF8(Bytes(line)) { throw Refusal("the line is not UTF-8") }
        var reader = LineReader(line)
        if !reader.take("{") { throw .noJSON }
        if !reader.take("}") {
            repeat {
                let name = try reader.string()
                if !reader.take(":") { throw .noJSON }
                try readField(name, &reader)
            } while reader.take(",")
            if !reader.take("}") { throw .noJSON }
        }
        if !reader.isAtEnd { throw .noJSON }
        if id == nil { throw Refusal("the request has no id; give a number") }
        if prompt == nil { throw Refusal("the request has no prompt; give a string, which may be empty") }
    }

    private mutating func readField(_ name: Bytes, _ reader: inout LineReader) throws(Refusal) {
        if equals(name, "id") {
            id = nil
            id = try reader.whole(most: 1 << 53)
        } else if equals(name, "prompt") {
            prompt = try reader.string()
        } else if equals(name, "max_tokens") {
            maxTokens = try reader.whole(most: 1_000_000)
        } else if equals(name, "seed") {
            seed = try reader.whole(most: .max)
        } else if equals(name, "temperature") {
            temperature = try reader.temperature()
        } else if equals(name, "stop") {
            stop = try reader.string()
        } else {
            throw Refusal("the request has a field that is not known; there are id, prompt, max_tokens, seed, temperature and stop")
        }
    }

    private func equals(_ name: Bytes, _ other: StaticString) -> Bool {
        name.elementsEqual(Bytes(start: other.utf8Start, count: other.utf8CodeUnitCount))
    }
}

/// The parts of JSON that a request has.
struct LineReader {
    private var at: UnsafeMutablePointer<UInt8>
    private let end: UnsafeMutablePointer<UInt8>

    /// - Parameters:
    ///   - line: not empty in memory, though it may have no bytes
    init(_ line: UnsafeMutableBufferPointer<UInt8>) { (at, end) = (line.baseAddress!, line.baseAddress! + line.count) }

    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return at == end
        }
    }

    mutating func take(_ letter: Unicode.Scalar) -> Bool {
        if isAtEnd || at.pointee != UInt8(ascii: letter) { return false }
        at += 1
        return true
    }

    private mutating func skipSpace() {
        while at < end, at.pointee == 0x20 || at.pointee == 0x09 || at.pointee == 0x0D { at += 1 }
    }

    private mutating func next() throws(Request.Refusal) -> UInt8 {
        if at == end { throw .noJSON }
        defer { at += 1 }
        return at.pointee
    }

    /// A string, decoded where it stands: an escape is never shorter than what it stands for.
    mutating func string() throws(Request.Refusal) -> UnsafeBufferPointer<UInt8> {
        if !take("\"") { throw .noJSON }
        let start = at
        var to = at
        while true {
            let byte = try next()
            switch byte {
            case UInt8(ascii: "\""): return UnsafeBufferPointer(start: start, count: to - start)
            case ..<0x20: throw .noJSON
            case UInt8(ascii: "\\"):
                for unit in Unicode.UTF8.encode(try escaped())! {
                    to.pointee = unit
                    to += 1
                }
            default:
                to.pointee = byte
                to += 1
            }
        }
    }

    /// What stands behind a backslash.
    private mutating func escaped() throws(Request.Refusal) -> Unicode.Scalar {
        switch try next() {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw .noJSON
        }
        var value = try hexadecimal()
        if 0xD800..<0xDC00 ~= value {
            if try next() != UInt8(ascii: "\\") { throw .noJSON }
            if try next() != UInt8(ascii: "u") { throw .noJSON }
            let low = try hexadecimal()
            if !(0xDC00..<0xE000 ~= low) { throw .noJSON }
            value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(value) else { throw .noJSON }
        return scalar
    }

    /// Four digits.
    private mutating func hexadecimal() throws(Request.Refusal) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = try next()
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: throw .noJSON
            }
        }
        return value
    }

    private var digit: UInt64? {
        at < end && UInt8(ascii: "0")...UInt8(ascii: "9") ~= at.pointee ? UInt64(at.pointee - UInt8(ascii: "0")) : nil
    }

    mutating func whole(most: UInt64) throws(Request.Refusal) -> UInt64 {
        skipSpace()
        let first = at
        var value: UInt64 = 0
        while let digit {
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isTooLargeToo) = product.addingReportingOverflow(digit)
            if isTooLarge || isTooLargeToo { throw .tooLarge }
            value = sum
            at += 1
        }
        if at == first || at - first > 1 && first.pointee == UInt8(ascii: "0") { throw Request.Refusal("a number is wanted: digits alone") }
        if value > most { throw .tooLarge }
        return value
    }

    /// A decimal of 0 to 100, in units of 1/65,536, rounded.
    mutating func temperature() throws(Request.Refusal) -> UInt32 {
        let number = try whole(most: 100)
        var fraction: UInt64 = 0, unit: UInt64 = 1
        if at < end, at.pointee == UInt8(ascii: ".") {
            at += 1
            if digit == nil { throw .noJSON }
            while let digit {
                if unit < 1_000_000_000 { (fraction, unit) = (fraction * 10 + digit, unit * 10) }
                at += 1
            }
        }
        let all = number * 65_536 + (fraction * 65_536 + unit / 2) / unit
        if all > 6_553_600 { throw Request.Refusal("the temperature is too large; give 0 to 100") }
        return UInt32(all)
    }
}

private func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var decoder = Unicode.UTF8(), iterator = bytes.makeIterator()
    while true {
        switch decoder.decode(&iterator) {
        case .scalarValue: break
        case .emptyInput: return true
        case .error: return false
        }
    }
}
