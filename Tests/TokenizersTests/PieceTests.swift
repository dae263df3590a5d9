import TestSupport
import Testing
import Tokenizers

/// The two rules that cut a text into pieces: stlm-1, sections 8.9 and 8.10.
@Suite struct PieceTests {
    private static let signs = [
        "a", "Z", "s", "t", "re", "ll", "d", "é", "漢", "1", "٣", "²", "'", "'", "!", "😀", "\u{301}", " ", " ", " ", "\n", "\r\n", "\t", "\u{A0}",
        "\u{3000}", "\u{2028}", "\u{200D}", "\0",
    ].map { Array($0.utf8) } + [[0x80], [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xFF], [0xF4, 0x90, 0x80]]

    /// Pieces as the code cuts them, the text before a page that cannot be touched.
    private func pieces(_ text: [UInt8], _ end: (ClassedText, Int) -> Int) -> [[UInt8]] {
        let guarded = GuardedMemory(text)
        let bytes = UnsafePointer(guarded.base.assumingMemoryBound(to: UInt8.self))
        let classed = ClassedText(bytes: bytes, byteCount: text.count)
        var pieces: [[UInt8]] = []
        var at = 0
        while at < text.count {
            let next = end(classed, at)
            if next <= at || next > text.count {
                Issue.record("from \(at) to \(next) of \(text.count)")
                break
            }
            pieces.append(Array(text[at..<next]))
            at = next
        }
        return pieces
    }

    private func gpt2(_ text: [UInt8]) -> [[UInt8]] { pieces(text) { $0.gpt2PieceEnd(from: $1) } }

    private func words(_ text: [UInt8], _ limit: Int) -> [[UInt8]] { pieces(text) { $0.wordEnd(from: $1, byteLimit: limit) } }

    @Test(arguments: [
        ("", []), ("a", ["a"]), ("Hello world", ["Hello", " world"]), ("don't", ["don", "'t"]), ("we'll've", ["we", "'ll", "'ve"]),
        ("I'M", ["I", "'", "M"]), ("'tis 'twas", ["'t", "is", " '", "twas"]), ("''s", ["''", "s"]), ("a''", ["a", "''"]), ("'", ["'"]),
        ("'l", ["'", "l"]), ("'r'v", ["'", "r", "'", "v"]), (" 's", [" '", "s"]), (".'s", [".'", "s"]), ("x'd've", ["x", "'d", "'ve"]),
        ("abc123", ["abc", "123"]), (" 12³½", [" 12³½"]), ("a  b", ["a", " ", " b"]), ("a   ", ["a", "   "]), ("a \n b", ["a", " \n", " b"]),
        ("a \n\nb", ["a", " \n", "\n", "b"]), ("a\nb", ["a", "\n", "b"]), ("a\n", ["a", "\n"]), ("\r\n\r\nx", ["\r\n\r", "\n", "x"]),
        ("  !?", [" ", " !?"]), ("\u{A0}a", ["\u{A0}", "a"]), (" \u{A0}a", [" ", "\u{A0}", "a"]), ("e\u{301}a", ["e", "\u{301}", "a"]),
        ("漢字。😀", ["漢字", "。😀"]), ("नमस्ते", ["नमस", "्", "त", "े"]), ("\u{1C}a", ["\u{1C}", "a"]),
    ] as [(String, [String])])
    func gpt2CutsByHand(_ text: String, _ expected: [String]) {
        // Bytes, since strings hold canonically equal ones for equal.
        #expect(gpt2(Array(text.utf8)) == expected.map { Array($0.utf8) }, "\(text)")
    }

    @Test(arguments: [
        ("", []), ("Once upon a time", ["Once", " upon", " a", " time"]), ("don't", ["don", "'", "t"]), ("a  b", ["a", " ", " b"]),
        ("a   b", ["a", "  ", " b"]), ("a \n b", ["a", " \n", " b"]), ("a \n\nb", ["a", " \n\n", "b"]), ("a \u{A0}b", ["a", " \u{A0}", "b"]),
        ("a   ", ["a", "   "]), (" ", [" "]), (" 12³ 4", [" 12³", " 4"]), ("(\"a\")", ["(\"", "a", "\")"]),
        ("internationalization", ["internationa", "lization"]), (" internationalization", [" internation", "alization"]),
        ("abcdefghijké!", ["abcdefghijk", "é", "!"]), ("             a", ["            ", " a"]), ("              a", ["            ", " ", " a"]),
        ("            ", ["            "]), ("             ", ["            ", " "]),
        ("漢字漢字漢字", ["漢字漢字", "漢字"]), ("\r\n\r\n", ["\r\n\r\n"]), ("\n a", ["\n", " a"]), ("\n  a", ["\n ", " a"]),
    ] as [(String, [String])])
    func wordsAreCutByHand(_ text: String, _ expected: [String]) {
        #expect(words(Array(text.utf8), 12) == expected.map { Array($0.utf8) }, "\(text)")
    }

    @Test func aCharacterThatDoesNotFitABlockIsCut() {
        #expect(words(Array("漢!".utf8), 2) == [[0xE6, 0xBC], [0xA2, 0x21]])
        #expect(words(Array(" 漢".utf8), 3) == [[0x20], [0xE6, 0xBC, 0xA2]])
        #expect(words(Array("a😀".utf8), 1) == [[0x61], [0xF0], [0x9F], [0x98], [0x80]])
    }

    @Test(arguments: 0..<4 as Range<UInt64>) func gpt2EqualsThePlainRule(_ seed: UInt64) {
        var numbers = SeededNumbers(seed: 60 + seed)
        for _ in 0..<400 {
            let text = (0..<numbers.int(0...24)).flatMap { _ in numbers.pick(Self.signs) }
            let pieces = gpt2(text)
            #expect(pieces == NaiveRules.gpt2(text), "\(text)")
            #expect(pieces.flatMap { $0 } == text)
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>) func wordsEqualThePlainRule(_ seed: UInt64) {
        var numbers = SeededNumbers(seed: 70 + seed)
        for _ in 0..<400 {
            let text = (0..<numbers.int(0...24)).flatMap { _ in numbers.pick(Self.signs) }
            for limit in [12, numbers.int(1...32)] {
                let pieces = words(text, limit)
                #expect(pieces == NaiveRules.words(text, limit: limit), "\(text) \(limit)")
                #expect(pieces.flatMap { $0 } == text)
                #expect(pieces.allSatisfy { (1...limit).contains($0.count) })
            }
        }
    }

    @Test func randomBytesAndScalarsEqualThePlainRules() {
        var numbers = SeededNumbers(seed: 75)
        for round in 0..<600 {
            let text = round % 2 == 0
                ? (0..<numbers.int(1...40)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
                : (0..<numbers.int(1...12)).flatMap { _ in
                    Array(String(Character(Unicode.Scalar(UInt32(numbers.int(0...0x2FFFF))) ?? " ")).utf8)
                }
            #expect(gpt2(text) == NaiveRules.gpt2(text), "\(text)")
            #expect(words(text, 12) == NaiveRules.words(text, limit: 12), "\(text)")
        }
    }

    /// A million bytes without an end in sight take one look each.
    @Test func longRunsAreOnePiece() {
        for byte in [0x20, 0x61, 0x2D, 0x80] as [UInt8] {
            let run = [UInt8](repeating: byte, count: 1_000_000)
            #expect(gpt2(run).count == 1)
            #expect(gpt2(run + [0x0A]).count == (byte == 0x20 ? 1 : 2))
            #expect(words(run, 12).count == 83_334)
        }
    }
}
