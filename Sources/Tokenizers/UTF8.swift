/// One well-formed UTF-8 character: its scalar and byte count.
struct UTF8Character {
    var scalar: UInt32
    var byteCount: Int

    /// The character at the start of `bytes`, or nil if there is no well-formed one (Unicode, table 3-7).
    init?(_ bytes: UnsafePointer<UInt8>, count: Int) {
        guard count > 0 else { return nil }
        let first = bytes[0]
        if first < 0x80 {
            scalar = UInt32(first)
            byteCount = 1
            return
        }
        let need = utf8ByteCount(first)
        if need < 2 || count < need || !isUTF8Second(first, bytes[1]) { return nil }
        var value = UInt32(first) & (need == 2 ? 0x1F : need == 3 ? 0x0F : 0x07)
        for k in 1..<need {
            if bytes[k] & 0xC0 != 0x80 { return nil }
            value = value << 6 | UInt32(bytes[k] & 0x3F)
        }
        scalar = value
        byteCount = need
    }
}

/// Bytes of the maximal ill-formed part at the start of `bytes`, where no well-formed character begins: one replacement character
/// stands for it (Unicode, section 3.9).
func illFormedByteCount(_ bytes: UnsafePointer<UInt8>, count: Int) -> Int {
    let need = utf8ByteCount(bytes[0])
    if need < 2 || count < 2 || !isUTF8Second(bytes[0], bytes[1]) { return 1 }
    return need == 4 && count > 2 && bytes[2] & 0xC0 == 0x80 ? 3 : 2
}

/// Bytes of the character that a lead byte begins; 0 if it begins none.
public func utf8ByteCount(_ lead: UInt8) -> Int {
    switch lead {
    case 0x00...0x7F: 1
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 0
    }
}

/// True if `second` may follow `lead`: no overlong forms, no surrogates, nothing above U+10FFFF.
public func isUTF8Second(_ lead: UInt8, _ second: UInt8) -> Bool {
    switch lead {
    case 0xE0: (0xA0...0xBF).contains(second)
    case 0xED: (0x80...0x9F).contains(second)
    case 0xF0: (0x90...0xBF).contains(second)
    case 0xF4: (0x80...0x8F).contains(second)
    default: (0x80...0xBF).contains(second)
    }
}
