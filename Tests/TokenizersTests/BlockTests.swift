import TestSupport
import Testing
import Tokenizers

/// Blocks of tokens and words: stlm-1, section 8.11.
@Suite struct BlockTests {
    /// The bytes as symbols, cut or padded.
    private func padded(_ bytes: [UInt8], _ size: Int) -> [UInt32] {
        let symbols = bytes.prefix(size).map(UInt32.init)
        return symbols + [UInt32](repeating: 256, count: size - symbols.count)
    }

    @Test func wordsArePaddedBytes() throws {
        let open = try OpenTokenizer.words(12), text = Array("Once upon \u{1F600} a\r\n".utf8) + [0xFF, 0xC3]
        let (ranges, blocks) = try open.blocks(text)
        #expect(ranges.flatMap { Array(text[$0]) } == text)
        #expect(ranges.map { Array(text[$0]) } == NaiveRules.words(text, limit: 12))
        #expect(blocks == ranges.map { padded(Array(text[$0]), 12) })
        #expect(blocks[1] == [32, 117, 112, 111, 110, 256, 256, 256, 256, 256, 256, 256])
        #expect(try open.blocks([]).blocks.isEmpty)
        for size in [1, 3, 32] {
            let (ranges, blocks) = try OpenTokenizer.words(size).blocks(text)
            #expect(blocks == ranges.map { padded(Array(text[$0]), size) } && ranges.flatMap { Array(text[$0]) } == text)
        }
    }

    /// What is no UTF-8 becomes U+FFFD for each maximal part, as in the standard library's (and Python's) decoding with replacement.
    @Test func tokensAreDecodedByThemselves() throws {
        var numbers = SeededNumbers(seed: 77)
        let bytes: [UInt8] = [0x61, 0x80, 0xBF, 0xC0, 0xC3, 0xA9, 0xE0, 0xE2, 0x82, 0xAC, 0xED, 0xA0, 0xF0, 0x9F, 0x98, 0xF4, 0x90, 0xF8, 0xFF]
        // Every piece is made byte after byte: the id of each prefix is known.
        var ids: [[UInt8]: Int] = [:], merges: [(Int, Int)] = []
        for byte in 0...255 as ClosedRange<UInt8> { ids[[byte]] = Int(byte) }
        for _ in 0..<1_500 {
            var piece = [numbers.pick(bytes)]
            for _ in 0..<numbers.int(1...14) {
                let last = numbers.pick(bytes), whole = piece + [last]
                if ids[whole] == nil {
                    ids[whole] = 256 + merges.count
                    merges.append((ids[piece]!, Int(last)))
                }
                piece = whole
            }
        }
        let open = try OpenTokenizer.bytes(merges)
        for size in [12, 5, 1, 32] {
            let block = GuardedArray<UInt32>(count: size, repeating: 9_999)
            for (piece, id) in ids {
                open.tokenizer.writeBlock(UInt32(id), blockSize: size, into: block.pointer)
                #expect(block.elements == padded(Array(String(decoding: piece, as: UTF8.self).utf8), size), "\(piece)")
            }
            // The end of a text is cut as any other piece; an id without a piece is empty.
            open.tokenizer.writeBlock(UInt32(257 + merges.count), blockSize: size, into: block.pointer)
            #expect(block.elements == padded(Array("<|endoftext|>".utf8), size))
            open.tokenizer.writeBlock(.max, blockSize: size, into: block.pointer)
            #expect(block.elements == padded([], size))
        }
    }

    @Test func theBlocksOfATextAreThoseOfItsTokens() throws {
        let open = try OpenTokenizer(
            TokenizerBinary(characters: "ab é€", merges: ["ab", "éé"]).bytes(), vocabularySize: 259 + 7, blockSize: 4)
        let text = Array("ab€éé 😀".utf8)
        let tokens = try open.encode(text).tokens
        let pieces = tokens.map { Array(open.tokenizer.piece(UInt32($0))) }
        #expect(pieces.flatMap { $0 } == [0x20] + text)
        #expect(try open.blocks(text).blocks == pieces.map { padded(Array(String(decoding: $0, as: UTF8.self).utf8), 4) })
    }
}
