import CPlatform

/// Ends with 2 for wrong use, 1 for all else.
public enum ExitCode {
    public static let success: Int32 = 0
    public static let failure: Int32 = 1
    public static let usage: Int32 = 2
}

/// What stands before a complaint; a program of another name sets it where it begins, before it has threads.
nonisolated(unsafe) public var programName: StaticString = "stlm-run"

/// One sentence to standard error, the program's name before it; `name` and `detail` are put where `%n` and `%d` stand.
public func complain(
    _ sentence: StaticString, name: UnsafePointer<CChar>? = nil, detail: UnsafePointer<CChar>? = nil, _ a: Int = 0, _ b: Int = 0
) {
    complain(sentence, name: name, detail: detail, Int64(a), Int64(b))
}

/// The same with numbers that an Int may not hold.
public func complain(
    _ sentence: StaticString, name: UnsafePointer<CChar>? = nil, detail: UnsafePointer<CChar>? = nil, _ a: Int64, _ b: Int64
) {
    var err = Writer(2)
    err.text(programName)
    err.text(": ")
    var k = 0
    while k < sentence.utf8CodeUnitCount {
        let byte = sentence.utf8Start[k]
        if byte == UInt8(ascii: "%"), k + 1 < sentence.utf8CodeUnitCount {
            switch sentence.utf8Start[k + 1] {
            case UInt8(ascii: "n"): if let name { err.cString(name) }
            case UInt8(ascii: "d"): if let detail { err.cString(detail) }
            case UInt8(ascii: "a"): err.number(a)
            default: err.number(b)
            }
            k += 2
        } else {
            err.byte(byte)
            k += 1
        }
    }
    err.text("\n")
    err.flush()
}
