/// A size such as 48MiB, 1.5MB, 900k or 50331648, in bytes, rounded down: K, M and G are thousands, with an i powers of 1024. nil where it
/// is none, or 2^50 or more. Where Int has 32 bits more than 2^31 - 1 is that: nothing can be larger there.
public func parseByteCount(_ word: UnsafePointer<CChar>) -> Int? {
    let text = utf8(word)
    let most: UInt64 = 1 << 50
    var k = 0
    var whole: UInt64 = 0, fraction: UInt64 = 0, places: UInt64 = 1
    var digitCount = 0, seenPoint = false
    while k < text.count {
        let byte = text[k]
        if byte == UInt8(ascii: "."), !seenPoint {
            seenPoint = true
        } else if byte >= 0x30, byte <= 0x39 {
            digitCount += 1
            if !seenPoint {
                whole = whole * 10 + UInt64(byte - 0x30)
                if whole > most { return nil }
            } else if places < 1_000_000_000 {
                fraction = fraction * 10 + UInt64(byte - 0x30)
                places *= 10
            }
        } else {
            break
        }
        k += 1
    }
    if digitCount == 0 { return nil }
    guard let unit = unit(UnsafeBufferPointer(rebasing: text[k...])) else { return nil }
    let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
    if overflow || product >= most { return nil }
    // A fraction has at most 9 digits and a unit 30 bits.
    return Int(clamping: product + fraction * unit / places)
}

private func unit(_ text: UnsafeBufferPointer<UInt8>) -> UInt64? {
    if text.isEmpty || equals(text, "B") { return 1 }
    let power = switch text[0] {
    case UInt8(ascii: "K"), UInt8(ascii: "k"): 1
    case UInt8(ascii: "M"): 2
    case UInt8(ascii: "G"): 3
    default: 0
    }
    if power == 0 { return nil }
    let rest = UnsafeBufferPointer(rebasing: text[1...])
    let isBinary = equals(rest, "iB") || equals(rest, "i")
    if !isBinary, !rest.isEmpty, !equals(rest, "B") { return nil }
    var unit: UInt64 = 1
    for _ in 0..<power { unit *= isBinary ? 1024 : 1000 }
    return unit
}
