import Glibc

/// A connection: what came of its lines, and what waits to be sent. What does not fit is not made; a client that does not read is not worked for.
struct Client {
    static let inputCapacity = 8_192, outputCapacity = 8_192
    /// Of an answer's line, at most: all text of a step.
    static let lineCapacity = 6_144
    /// A client that reads nothing for so many milliseconds is left.
    static let stallLimit: UInt64 = 30_000

    enum Reading { case open, ended, broken }

    /// -1 for none.
    var descriptor: Int32 = -1
    var reading = Reading.open
    /// The rest of a line that is too long is passed over.
    private var isSkipping = false
    /// Its first line is a request that is being answered.
    private(set) var isActive = false
    private var lineByteCount = 0
    private(set) var request = Request()
    /// Which of the generators works for it; nil as long as it waits for one.
    var generator: Int?
    private var stalledSince: UInt64?
    private let input: UnsafeMutablePointer<UInt8>
    private var inputCount = 0
    private let output: UnsafeMutablePointer<UInt8>
    private var outputStart = 0, outputCount = 0

    init() {
        input = .allocate(capacity: Self.inputCapacity)
        output = .allocate(capacity: Self.outputCapacity)
    }

    /// Begins with a new connection.
    mutating func connect(_ descriptor: Int32) {
        (self.descriptor, reading, isSkipping, isActive, lineByteCount) = (descriptor, .open, false, false, 0)
        (generator, stalledSince, inputCount, outputStart, outputCount) = (nil, nil, 0, 0, 0)
    }

    var isConnected: Bool { descriptor >= 0 }
    var hasOutput: Bool { outputCount > 0 }
    var events: Int16 {
        Int16((reading == .open && inputCount < Self.inputCapacity ? POLLIN : 0) | (hasOutput ? POLLOUT : 0))
    }
    /// Its answer has room for what a step gives.
    var hasRoom: Bool { outputCount + Self.lineCapacity <= Self.outputCapacity }
    var waitsForGenerator: Bool { isActive && generator == nil }
    var canWork: Bool { isActive && generator != nil && hasRoom }

    /// True if nothing is left to do for it.
    func isDone(_ now: UInt64) -> Bool {
        if reading == .broken { return true }
        if let stalledSince, now - stalledSince > Self.stallLimit { return true }
        return reading == .ended && !isActive && outputCount == 0 && newline == nil
    }

    // MARK: Input

    mutating func receive() {
        let count = recv(descriptor, input + inputCount, Self.inputCapacity - inputCount, Int32(MSG_DONTWAIT))
        if count > 0 {
            inputCount += count
        } else if count == 0 {
            reading = .ended
        } else if errno != EAGAIN, errno != EINTR {
            reading = .broken
        }
    }

    private var newline: Int? { UnsafeBufferPointer(start: input, count: inputCount).firstIndex(of: 0x0A) }

    /// Takes the next line, if it is there and its answer has room.
    mutating func takeLine() {
        while !isActive, hasRoom {
            let newline = newline
            request = Request()
            if isSkipping {
                lineByteCount = newline.map { $0 + 1 } ?? inputCount
                isSkipping = newline == nil
                endRequest()
                if isSkipping { return }
                continue
            }
            guard let newline else {
                if inputCount < Self.inputCapacity { return }
                putError("the request is too long; send at most 8191 bytes a line")
                isSkipping = true
                continue
            }
            lineByteCount = newline + 1
            do throws(Request.Refusal) {
                try request.read(UnsafeMutableBufferPointer(start: input, count: newline))
                isActive = true
            } catch {
                putError(error.sentence)
                endRequest()
            }
        }
    }

    /// The first line is done with.
    mutating func endRequest() {
        inputCount -= lineByteCount
        memmove(input, input + lineByteCount, inputCount)
        (isActive, lineByteCount) = (false, 0)
    }

    mutating func forgetRequest() { request = Request() }

    // MARK: Output

    mutating func flush() {
        while outputCount > 0 {
            let count = send(descriptor, output + outputStart, outputCount, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            if count <= 0 {
                if count < 0, errno == EINTR { continue }
                if count < 0, errno != EAGAIN { reading = .broken } else if stalledSince == nil { stalledSince = milliseconds() }
                return
            }
            (outputStart, outputCount, stalledSince) = (outputStart + count, outputCount - count, nil)
        }
        outputStart = 0
    }

    mutating func putError(_ sentence: StaticString) {
        putLine("error", UnsafeBufferPointer(start: sentence.utf8Start, count: sentence.utf8CodeUnitCount))
    }

    /// {"id":1,"key":"text"} and, for a last line, "tokens".
    mutating func putLine(_ key: StaticString, _ text: UnsafeBufferPointer<UInt8>, tokens: Int? = nil) {
        if outputStart > 0 {
            memmove(output, output + outputStart, outputCount)
            outputStart = 0
        }
        put("{\"id\":")
        if let id = request.id { put(id) } else { put("null") }
        put(",\"")
        put(key)
        put("\":\"")
        // A line is more than a step gives; what breaks that rule ends the connection and is not cut in silence.
        if !putEscaped(text, most: Self.outputCapacity - 64) { reading = .broken }
        put("\"")
        if let tokens {
            put(",\"tokens\":")
            put(UInt64(tokens))
        }
        put("}\n")
    }

    private mutating func put(_ byte: UInt8) {
        if outputCount == Self.outputCapacity { return }
        output[outputCount] = byte
        outputCount += 1
    }

    private mutating func put(_ text: StaticString) {
        for k in 0..<text.utf8CodeUnitCount { put(text.utf8Start[k]) }
    }

    private mutating func put(_ number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            put(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    /// As a JSON string has it.
    /// - Returns: false if it does not fit below `most` bytes of output
    private mutating func putEscaped(_ text: UnsafeBufferPointer<UInt8>, most: Int) -> Bool {
        let hexadecimal: StaticString = "0123456789abcdef"
        for byte in text {
            if outputCount + 6 > most { return false }
            switch byte {
            case UInt8(ascii: "\""): put("\\\"")
            case UInt8(ascii: "\\"): put("\\\\")
            case 0x0A: put("\\n")
            case 0x09: put("\\t")
            case 0x0D: put("\\r")
            case ..<0x20, 0x7F:
                put("\\u00")
                put(hexadecimal.utf8Start[Int(byte >> 4)])
                put(hexadecimal.utf8Start[Int(byte & 15)])
            default: put(byte)
            }
        }
        return true
    }
}
