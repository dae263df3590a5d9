import ModelFile
import TestSupport
import Testing
import Tokenizers

/// stlm-1, section 8.
@Suite struct EncodingTests {
    private static let letters = "abcd"
    private static let signs = "abc é€😀"

    private func bytesTokenizer(_ numbers: inout SeededNumbers, merges: Int = 40) throws -> OpenTokenizer {
        try .bytes(OpenTokenizer.seededMerges(merges, alphabet: Self.letters, &numbers))
    }

    private func charactersTokenizer(_ numbers: inout SeededNumbers) throws -> OpenTokenizer {
        try .characters(OpenTokenizer.seededPieces(60, alphabet: Self.signs, &numbers))
    }

    private func check(_ open: OpenTokenizer, _ text: [UInt8]) throws {
        let tokens = try open.encode(text).tokens
        #expect(tokens == open.naive.encode(text))
        #expect(open.decode(tokens) == text)
    }

    @Test(arguments: 0..<6 as Range<UInt64>) func mergesOfBytesEqualThePlainAlgorithm(_ seed: UInt64) throws {
        var numbers = SeededNumbers(seed: 80 + seed)
        let open = try bytesTokenizer(&numbers)
        for _ in 0..<150 {
            try check(open, (0..<numbers.int(0...100)).map { _ in numbers.pick(Array(Self.letters.utf8)) })
            try check(open, (0..<numbers.int(0...60)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) })
        }
    }

    @Test(arguments: 0..<6 as Range<UInt64>) func mergesOfCharactersEqualThePlainAlgorithm(_ seed: UInt64) throws {
        var numbers = SeededNumbers(seed: 90 + seed)
        let open = try charactersTokenizer(&numbers)
        let signs = Self.signs.map(String.init) + ["x", "ß", "漢", "🏴", "\n"]
        for _ in 0..<150 {
            try check(open, Array((0..<numbers.int(0...60)).map { _ in numbers.pick(signs) }.joined().utf8))
        }
    }

    @Test func everyByteAndEveryPairOfBytesComesBack() throws {
        var numbers = SeededNumbers(seed: 81)
        for open in [try bytesTokenizer(&numbers), try charactersTokenizer(&numbers)] {
            for a in 0...255 as ClosedRange<UInt8> {
                try check(open, [a])
                for b in stride(from: UInt8(0), through: 252, by: 7) { try check(open, [a, b]) }
            }
        }
    }

    /// Lone, missing and too many continuation bytes, overlong forms, surrogates and what lies beyond U+10FFFF become bytes.
    @Test func malformedCharactersBecomeBytes() throws {
        var numbers = SeededNumbers(seed: 82)
        let open = try charactersTokenizer(&numbers)
        let malformed: [[UInt8]] = [
            [0x80], [0xBF, 0x61], [0xC3], [0xC3, 0x61], [0xC0, 0xA9], [0xC1, 0xA9], [0xE2, 0x82], [0xE2, 0x61, 0xAC], [0xE0, 0x83, 0xA9],
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x82, 0x82, 0xAC], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF, 0xFF], [0xC3, 0xA9, 0xA9], [0xF8, 0x88, 0x80, 0x80, 0x80],
        ]
        for bytes in malformed {
            try check(open, bytes)
            try check(open, Array("aé".utf8) + bytes + Array("€b".utf8))
        }
        let euro = try open.encode(Array("€".utf8)).tokens
        #expect(euro.count <= 2 && !euro.contains(open.naive.byteTokens[0xE2]))
        #expect(try open.encode([0xE2, 0x82]).tokens.suffix(2) == [0xE2, 0x82].map { open.naive.byteTokens[$0] })
        let bytes: [UInt8] = [0x61, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80]
        for _ in 0..<3_000 { try check(open, (0..<numbers.int(1...9)).map { _ in numbers.pick(bytes) }) }
    }

    @Test func everyUnicodeScalarComesBack() throws {
        var numbers = SeededNumbers(seed: 83)
        let open = try charactersTokenizer(&numbers)
        for value in stride(from: UInt32(0), through: 0x10FFFF, by: 61) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = Array(String(Character(scalar)).utf8)
            #expect(open.decode(try open.encode(text).tokens) == text)
        }
    }

    @Test func partsGiveTheSameTokensAsTheWhole() throws {
        var numbers = SeededNumbers(seed: 84)
        for open in [try bytesTokenizer(&numbers), try charactersTokenizer(&numbers)] {
            let signs = open.naive.isOfBytes ? Self.letters.map(String.init) : Self.signs.map(String.init)
            for spread in [20, 90, 300] {
                var text = ""
                while text.utf8.count < 2_500 {
                    for _ in 0..<numbers.int(1...spread) { text += numbers.pick(signs) }
                    // No piece holds a letter beside this.
                    text += "\n"
                }
                let (tokens, partCount) = try open.encode(Array(text.utf8))
                #expect(tokens == open.naive.encode(Array(text.utf8)))
                #expect(partCount > 3)
            }
        }
    }

    @Test func theEmptyTextHasNoTokens() throws {
        var numbers = SeededNumbers(seed: 85)
        #expect(try bytesTokenizer(&numbers).encode([]).tokens.isEmpty)
        #expect(try charactersTokenizer(&numbers).encode([]).tokens.isEmpty)
    }

    @Test func rejectsATextWithoutAPlaceToCut() throws {
        let open = try OpenTokenizer.bytes([(97, 97)])
        let limit = TextEncoder.partByteCount
        // As long as a part may be, it needs none.
        let run = [UInt8](repeating: 97, count: limit)
        #expect(try open.encode(run).tokens == [Int](repeating: 256, count: limit / 2))
        for before in [0, 1, 100, 127, 128, 129, 4_000] {
            // A cut is possible at every line end, but not in the run.
            let lines = (0..<before).map { _ in UInt8(ascii: "\n") }
            do {
                _ = try open.encode(lines + run + [97, 98])
                Issue.record("encoded after \(before) bytes")
            } catch let error as TextEncoder.NoPlaceToCut {
                #expect(error.offset == before)
            }
        }
        #expect(try open.encode(run + [98] + run).tokens.count == limit + 1)
    }

    @Test func tokensBeyondThePiecesStandForNothing() throws {
        let open = try OpenTokenizer.bytes([(97, 98)])
        #expect(open.tokenizer.pieceCount == 259)
        #expect(Array(open.tokenizer.piece(256)) == Array("ab".utf8))
        for token in [259, 260, .max] as [UInt32] { #expect(open.tokenizer.piece(token).isEmpty) }
    }

    /// Unicode, table 3-7, against the standard library.
    @Test func leadAndSecondBytesAreThoseOfUnicode() {
        for lead in 0...255 as ClosedRange<UInt8> {
            let count = utf8ByteCount(lead)
            for second in 0...255 as ClosedRange<UInt8> {
                let bytes = [lead, second, 0x80, 0x80].prefix(max(2, count))
                let isWhole = String(validating: bytes, as: UTF8.self)?.unicodeScalars.count == 1
                #expect((count > 1 && isUTF8Second(lead, second)) == isWhole, "\(lead) \(second)")
            }
            #expect((count == 1) == (lead < 0x80))
        }
    }
}
