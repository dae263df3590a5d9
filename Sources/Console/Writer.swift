import CPlatform

/// Text on its way to a file descriptor, gathered in a small buffer. Remembers the first error and writes nothing after it.
public struct Writer: ~Copyable {
    public let descriptor: Int32
    /// errno of the first failed write, or 0.
    public private(set) var error: Int32 = 0
    private var buffer = InlineArray<1024, UInt8>(repeating: 0)
    private var count = 0

    public init(_ descriptor: Int32) { self.descriptor = descriptor }

    public mutating func flush() {
        if count > 0, error == 0 {
            let length = count
            let target = descriptor
            error = withUnsafeBytes(of: &buffer) { stlm_write(target, $0.baseAddress, length) }
        }
        count = 0
    }

    public mutating func byte(_ byte: UInt8) {
        if count == 1024 { flush() }
        buffer[count] = byte
        count += 1
    }

    public mutating func bytes(_ bytes: UnsafeBufferPointer<UInt8>) {
        for k in 0..<bytes.count { byte(bytes[k]) }
    }

    public mutating func text(_ text: StaticString) {
        for k in 0..<text.utf8CodeUnitCount { byte(text.utf8Start[k]) }
    }

    /// A C string.
    public mutating func cString(_ text: UnsafePointer<CChar>) {
        var k = 0
        while text[k] != 0 {
            byte(UInt8(bitPattern: text[k]))
            k += 1
        }
    }

    public mutating func number(_ number: Int) { self.number(Int64(number)) }

    public mutating func number(_ number: Int64) {
        if number < 0 { byte(UInt8(ascii: "-")) }
        self.number(UInt64(number.magnitude))
    }

    public mutating func number(_ number: UInt64) {
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            byte(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    /// With commas between thousands.
    public mutating func grouped(_ number: Int) {
        if number < 0 { byte(UInt8(ascii: "-")) }
        grouped(UInt64(number.magnitude))
    }

    public mutating func grouped(_ value: UInt64) {
        var divisor: UInt64 = 1
        var digits = 1
        while value / divisor >= 10 {
            divisor *= 10
            digits += 1
        }
        while divisor > 0 {
            byte(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
            digits -= 1
            if digits > 0, digits % 3 == 0 { byte(UInt8(ascii: ",")) }
        }
    }

    /// `numerator / denominator` with `places` decimals, rounded half up: no floating point.
    public mutating func ratio(_ numerator: UInt64, _ denominator: UInt64, places: Int) {
        let divisor = max(1, denominator)
        var whole = numerator / divisor
        var rest = numerator % divisor
        var digits: UInt64 = 0
        var unit: UInt64 = 1
        for _ in 0..<places {
            let (product, carry) = rest.multipliedReportingOverflow(by: 10)
            // A rest that large is divided before it is multiplied: nine digits are exact enough for a print.
            let digit = carry ? min(9, rest / (divisor / 10)) : product / divisor
            rest = carry ? rest - digit * (divisor / 10) : product % divisor
            digits = digits * 10 + digit
            unit *= 10
        }
        if rest >= divisor - rest {
            digits += 1
            if digits == unit {
                digits = 0
                whole += 1
            }
        }
        number(whole)
        if places == 0 { return }
        byte(UInt8(ascii: "."))
        var divisorOfUnit = unit / 10
        while divisorOfUnit > 0 {
            byte(UInt8(ascii: "0") + UInt8(digits / divisorOfUnit % 10))
            divisorOfUnit /= 10
        }
    }

    /// The content of a JSON string, escaped; bytes that are no control characters, quotes or backslashes as they are.
    public mutating func jsonEscaped(_ bytes: UnsafeBufferPointer<UInt8>) {
        for k in 0..<bytes.count {
            let value = bytes[k]
            switch value {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                byte(UInt8(ascii: "\\"))
                byte(value)
            case 0..<0x20:
                text("\\u00")
                byte(hexDigit(value >> 4))
                byte(hexDigit(value & 15))
            default: byte(value)
            }
        }
    }

    private func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
