// Characters of literals and classes: grammar-1, sections 2.3 and 2.4.
extension GrammarReader {
    /// A class in brackets, or a dot: any character.
    mutating func characters(_ from: UInt16) throws(Fault) -> UInt16 {
        let place = at
        var count = 0
        at += 1
        if text[place] == UInt8(ascii: ".") {
            ranges[0] = Characters(low: 0, high: 0x10_FFFF)
            count = 1
        } else {
            let isNegated = at < text.count && text[at] == UInt8(ascii: "^")
            if isNegated { at += 1 }
            while true {
                if at == text.count || text[at] == 0x0A { throw error(.classOpen, at: place) }
                if text[at] == UInt8(ascii: "]") { break }
                let start = at, low = try scalar()
                var high = low
                if at + 1 < text.count, text[at] == UInt8(ascii: "-"), text[at + 1] != UInt8(ascii: "]") {
                    at += 1
                    if text[at] == 0x0A { throw error(.classOpen, at: place) }
                    high = try scalar()
                }
                if low > high { throw error(.rangeReversed, at: start) }
                if count == GrammarLimit.ranges { throw error(.tooManyRanges, at: place) }
                insert(Characters(low: low, high: high), &count)
            }
            at += 1
            merge(&count)
            if isNegated {
                if count == GrammarLimit.ranges { throw error(.tooManyRanges, at: place) }
                negate(&count)
            }
            if count == 0 { throw error(.classEmpty, at: place) }
        }
        return write(from, count)
    }

    /// Joins `from` and a new node by the first ranges.
    private mutating func write(_ from: UInt16, _ count: Int) -> UInt16 {
        if !isWriting { return 0 }
        let end = graph.node()
        var tails = InlineArray<4, UInt16>(repeating: ByteGraph.none)
        for k in 0..<count { graph.join(from, end, scalars: ranges[k].low...ranges[k].high, &tails) }
        return end
    }

    /// Keeps the ranges ordered by where they begin.
    private func insert(_ new: Characters, _ count: inout Int) {
        var k = count
        while k > 0, ranges[k - 1].low > new.low {
            ranges[k] = ranges[k - 1]
            k -= 1
        }
        ranges[k] = new
        count += 1
    }

    /// Ranges that touch become one, so that no character is twice in them. Surrogates are none.
    private func merge(_ count: inout Int) {
        var kept = 0
        for k in 0..<count {
            if kept > 0, ranges[k].low <= ranges[kept - 1].high + 1 {
                ranges[kept - 1].high = max(ranges[kept - 1].high, ranges[k].high)
            } else {
                ranges[kept] = ranges[k]
                kept += 1
            }
        }
        count = kept
    }

    /// All characters that are in none of the ranges.
    private func negate(_ count: inout Int) {
        var low: UInt32 = 0, kept = 0
        for k in 0..<count {
            let range = ranges[k]
            // It is written at a place that was read.
            if range.low > low, !(low >= 0xD800 && range.low <= 0xE000) {
                ranges[kept] = Characters(low: low, high: range.low - 1)
                kept += 1
            }
            low = range.high + 1
        }
        if low <= 0x10_FFFF {
            ranges[kept] = Characters(low: low, high: 0x10_FFFF)
            kept += 1
        }
        count = kept
    }

    /// One character, or an escape that stands for one.
    mutating func scalar() throws(Fault) -> UInt32 {
        let place = at, first = text[at]
        at += 1
        if first != UInt8(ascii: "\\") {
            // The text is well-formed.
            var value = UInt32(first), left = 0
            if first >= 0xF0 { (value, left) = (value & 0x07, 3) } else if first >= 0xE0 { (value, left) = (value & 0x0F, 2) } else if first >= 0xC0 {
                (value, left) = (value & 0x1F, 1)
            }
            for _ in 0..<left {
                value = value << 6 | UInt32(text[at] & 0x3F)
                at += 1
            }
            return value
        }
        if at == text.count { throw error(.escapeUnknown, at: place) }
        let mark = text[at]
        at += 1
        switch mark {
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "["), UInt8(ascii: "]"): return UInt32(mark)
        case UInt8(ascii: "x"): return try hexadecimal(2, place)
        case UInt8(ascii: "u"): return try hexadecimal(4, place)
        case UInt8(ascii: "U"): return try hexadecimal(8, place)
        default: throw error(.escapeUnknown, at: place)
        }
    }

    private mutating func hexadecimal(_ count: Int, _ place: Int) throws(Fault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            if at == text.count { throw error(.escapeUnknown, at: place) }
            let byte = text[at], digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw error(.escapeUnknown, at: place)
            }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        if value > 0x10_FFFF || 0xD800...0xDFFF ~= value { throw error(.scalarNone, at: place) }
        return value
    }

    /// All of the text is UTF-8 (Unicode, table 3-7).
    mutating func checkUTF8() throws(Fault) {
        while at < text.count {
            let lead = text[at], place = at
            let count = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0
            if count == 0 || at + count > text.count { throw error(.notUTF8, at: place) }
            for k in 1..<max(1, count) {
                let byte = text[at + k]
                let low: UInt8 = k > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80
                let high: UInt8 = k > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF
                if byte < low || byte > high { throw error(.notUTF8, at: place) }
            }
            at += count
        }
        at = 0
    }
}
