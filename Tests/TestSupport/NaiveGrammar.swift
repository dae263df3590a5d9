/// A grammar as a tree, matched by trying everything: what the automaton of its text must equal.
public indirect enum NaiveGrammar: Sendable {
    case literal([UInt32])
    /// Of characters from one to another, or all others
    case characters([ClosedRange<UInt32>], isNegated: Bool)
    case any
    case sequence([NaiveGrammar])
    case alternatives([NaiveGrammar])
    /// At least and at most; nil is no limit.
    case repeated(NaiveGrammar, Int, Int?)

    // MARK: Text

    /// As grammar-1 writes it; groups stand in parentheses always.
    public var text: String {
        switch self {
        case .literal(let scalars): "\"" + scalars.map(Self.escaped).joined() + "\""
        case .characters(let ranges, let isNegated):
            (isNegated ? "[^" : "[") + ranges.map {
                $0.count == 1 ? Self.escaped($0.lowerBound) : Self.escaped($0.lowerBound) + "-" + Self.escaped($0.upperBound)
            }.joined() + "]"
        case .any: "."
        case .sequence(let items): "(" + items.map(\.text).joined(separator: " ") + ")"
        case .alternatives(let items): "(" + items.map(\.text).joined(separator: " | ") + ")"
        case .repeated(let item, let least, let most):
            "(" + item.text + ")" + (
                (least, most) == (0, nil) ? "*" : (least, most) == (1, nil) ? "+" : (least, most) == (0, 1) ? "?"
                    : least == most ? "{\(least)}" : "{\(least),\(most.map(String.init) ?? "")}")
        }
    }

    private static func escaped(_ scalar: UInt32) -> String {
        switch scalar {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x20, 0xE9, 0x1F600: String(Character(UnicodeScalar(scalar)!))
        case 0x0A: "\\n"
        case 0x22: "\\\""
        case 0x5C: "\\\\"
        case 0..<256: "\\x" + Self.hexadecimal(scalar, 2)
        case 0..<65_536: "\\u" + Self.hexadecimal(scalar, 4)
        default: "\\U" + Self.hexadecimal(scalar, 8)
        }
    }

    private static func hexadecimal(_ value: UInt32, _ count: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: count - digits.count) + digits
    }

    // MARK: Matching

    /// Whether a text is one of the grammar, and whether it is the beginning of a longer one.
    public func match(_ text: [UInt8]) -> (isWhole: Bool, goesOn: Bool) {
        var goesOn = false
        let ends = ends(text, [0], &goesOn)
        return (ends.contains(text.count), goesOn)
    }

    /// Where a match can end that begins at one of some places.
    /// - Parameters:
    ///   - goesOn: set where the text ends and more could follow
    private func ends(_ text: [UInt8], _ starts: Set<Int>, _ goesOn: inout Bool) -> Set<Int> {
        switch self {
        case .literal(let scalars):
            var all = starts
            for scalar in scalars { all = Self.step(text, all, &goesOn, [scalar...scalar], isNegated: false) }
            return all
        case .characters(let ranges, let isNegated): return Self.step(text, starts, &goesOn, ranges, isNegated: isNegated)
        case .any: return Self.step(text, starts, &goesOn, [], isNegated: true)
        case .sequence(let items):
            var all = starts
            for item in items { all = item.ends(text, all, &goesOn) }
            return all
        case .alternatives(let items):
            var all: Set<Int> = []
            for item in items { all.formUnion(item.ends(text, starts, &goesOn)) }
            return all
        case .repeated(let item, let least, let most):
            var now = starts, all: Set<Int> = least == 0 ? starts : []
            for k in 1...max(1, most ?? max(least, text.count + 1)) {
                if k > most ?? .max { break }
                now = item.ends(text, now, &goesOn)
                if k >= least { all.formUnion(now) }
                if now.isEmpty { break }
            }
            return all
        }
    }

    private static func step(
        _ text: [UInt8], _ starts: Set<Int>, _ goesOn: inout Bool, _ ranges: [ClosedRange<UInt32>], isNegated: Bool
    ) -> Set<Int> {
        func takes(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } != isNegated }
        var all: Set<Int> = []
        for start in starts {
            if start == text.count {
                goesOn = true
                continue
            }
            let lead = text[start], count = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
            let part = Array(text[start...].prefix(count))
            if part.count == count {
                if let scalar = scalar(part), takes(scalar) { all.insert(start + count) }
            } else {
                // Characters that begin so follow one another; the first and those behind a range show whether one is taken.
                guard let low = (0x80...0xBF).lazy.compactMap({ scalar(part, filledWith: UInt8($0), count) }).first,
                    let high = (0x80...0xBF).reversed().lazy.compactMap({ scalar(part, filledWith: UInt8($0), count, last: 0xBF) }).first
                else { continue }
                if isNegated {
                    let points = [low] + ranges.map { $0.upperBound + 1 }.filter { low...high ~= $0 }
                    if points.contains(where: takes) { goesOn = true }
                } else if ranges.contains(where: { $0.overlaps(low...high) }) {
                    goesOn = true
                }
            }
        }
        return all
    }

    /// The character of some bytes, if that is what they are (Unicode, table 3-7).
    private static func scalar(_ bytes: [UInt8]) -> UInt32? {
        guard bytes.dropFirst().allSatisfy({ $0 & 0xC0 == 0x80 }) else { return nil }
        let value = bytes.dropFirst().reduce(UInt32(bytes[0]) & [0x7F, 0x1F, 0x0F, 0x07][bytes.count - 1]) { $0 << 6 | UInt32($1 & 0x3F) }
        switch (bytes.count, bytes[0]) {
        case (1, 0...0x7F): return value
        case (2, 0xC2...0xDF): return value
        case (3, 0xE0...0xEF): return value >= 0x800 && !(0xD800...0xDFFF ~= value) ? value : nil
        case (4, 0xF0...0xF4): return 0x1_0000...0x10_FFFF ~= value ? value : nil
        default: return nil
        }
    }

    /// The first character, or with `last` BF the last, whose bytes begin so and go on with one byte.
    private static func scalar(_ bytes: [UInt8], filledWith byte: UInt8, _ count: Int, last: UInt8 = 0x80) -> UInt32? {
        scalar(bytes + [byte] + Array(repeating: last, count: count - bytes.count - 1))
    }

    // MARK: Chance

    /// A grammar of few characters, so that texts of them are often matched.
    public static func random(_ numbers: inout SeededNumbers, depth: Int = 3) -> NaiveGrammar {
        func scalar() -> UInt32 { numbers.pick([0x61, 0x62, 0x74, 0x68, 0x65, 0x20, 0x31, 0x22, 0x0A, 0xE9, 0x20AC, 0x1F600]) }
        switch numbers.int(0...(depth == 0 ? 3 : 8)) {
        case 0: return .literal([[0x74, 0x68, 0x65], [0x20, 0x74, 0x68, 0x65], [0x61, 0x62]][numbers.int(0...2)])
        case 1: return .literal((0..<1 + numbers.int(0...2)).map { _ in scalar() })
        case 2:
            let ranges = (0..<1 + numbers.int(0...2)).map { _ in
                let a = scalar(), b = numbers.int(0...1) == 0 ? a : scalar()
                return min(a, b)...max(a, b)
            }
            return .characters(ranges, isNegated: numbers.int(0...3) == 0)
        case 3: return numbers.int(0...3) == 0 ? .any : .literal([scalar()])
        case 4, 5: return .sequence((0..<numbers.int(0...3)).map { _ in random(&numbers, depth: depth - 1) })
        case 6, 7: return .alternatives((0..<1 + numbers.int(0...2)).map { _ in random(&numbers, depth: depth - 1) })
        default:
            let least = numbers.int(0...2)
            return .repeated(random(&numbers, depth: depth - 1), least, numbers.int(0...1) == 0 ? nil : least + numbers.int(0...2))
        }
    }

    /// A text that is often matched: the bytes of characters that grammars have.
    public static func randomText(_ numbers: inout SeededNumbers) -> [UInt8] {
        let pieces = ["a", "b", "t", "h", "e", " ", "1", "\"", "\n", "é", "€", "\u{1F600}", "c", "ê"]
        var text = (0..<numbers.int(0...6)).flatMap { _ in Array(numbers.pick(pieces).utf8) }
        if numbers.int(0...2) == 0, !text.isEmpty { text.removeLast() }
        return text
    }
}
