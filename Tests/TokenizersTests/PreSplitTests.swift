import TestSupport
import Testing
import Tokenizers

/// Merges inside the pieces of GPT-2's rule: stlm-1, sections 8.6 and 8.9.
@Suite struct PreSplitTests {
    private static let alphabet = "ab s'1 \n"

    private func tokenizer(_ numbers: inout SeededNumbers) throws -> OpenTokenizer {
        try .bytes(OpenTokenizer.seededMerges(60, alphabet: Self.alphabet, &numbers), isPreSplit: true)
    }

    @Test(arguments: 0..<6 as Range<UInt64>) func tokensEqualThePlainAlgorithm(_ seed: UInt64) throws {
        var numbers = SeededNumbers(seed: 40 + seed)
        let open = try tokenizer(&numbers), letters = Array(Self.alphabet.utf8)
        for _ in 0..<200 {
            let text = (0..<numbers.int(0...100)).map { _ in numbers.pick(letters) }
            let tokens = try open.encode(text).tokens
            #expect(tokens == open.naive.encode(text))
            #expect(open.decode(tokens) == text)
        }
        for _ in 0..<100 {
            let text = (0..<numbers.int(0...60)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
            #expect(try open.encode(text).tokens == open.naive.encode(text))
        }
    }

    @Test func noMergeCrossesAPiece() throws {
        // "ab", " a", "b ", "  ", "a1": of these only the first two and the fourth stand inside pieces.
        let open = try OpenTokenizer.bytes([(97, 98), (32, 97), (98, 32), (32, 32), (97, 49)], isPreSplit: true)
        #expect(try open.encode(Array("ab ab a1  x".utf8)).tokens == [256, 32, 256, 257, 49, 32, 32, 120])
        #expect(try open.encode(Array("b   ".utf8)).tokens == [98, 259, 32])
    }

    /// A piece longer than a part is cut where no token can span the place, and only there.
    @Test func longPiecesAreCutBetweenBytesThatNeverMeet() throws {
        let open = try OpenTokenizer.bytes([(97, 98), (98, 97), (256, 256)], isPreSplit: true)
        // "ab" and "ba" stand in pieces, "bb" does not: the text is one piece of GPT-2's rule, and can be cut in 40 places.
        let part = [UInt8](repeating: 0, count: 500).enumerated().map { $0.offset % 2 == 0 ? UInt8(97) : 98 }
        let (tokens, parts) = try open.encode((0..<40).flatMap { _ in part + [98] } + Array(" abab".utf8))
        #expect(tokens == (0..<40).flatMap { _ in [Int](repeating: 258, count: 125) + [98] } + [32, 258])
        #expect(parts > 39)
        let run = [UInt8](repeating: 0, count: 5_000).enumerated().map { $0.offset % 2 == 0 ? UInt8(97) : 98 }
        for before in [0, 7, 300] {
            #expect(throws: TextEncoder.NoPlaceToCut.self) {
                try open.encode((0..<before).map { _ in 0x21 } + run)
            }
        }
        // The place is that of the part without a cut, not that of the text.
        do {
            _ = try open.encode(Array("ab ab".utf8) + [0x0A] + run)
            Issue.record("encoded")
        } catch let error as TextEncoder.NoPlaceToCut {
            #expect(error.offset == 6)
        }
        // As long as a part may be, it needs no cut.
        #expect(try open.encode(Array(run.prefix(TextEncoder.partByteCount))).tokens.count == TextEncoder.partByteCount / 4)
    }
}
