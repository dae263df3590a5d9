import Checkpoints
import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport
import Testing
import Tokenizers

/// Tokenizer files as tables of a model file.
@Suite struct TokenizerTableTests {
    static let stlm = SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }
    static let llama2 = SyntheticLlama2 { $0.vocabularySize = SyntheticTokenizer.llama2VocabularySize }

    private func encode(_ packed: OpenedModelFile, _ text: String) throws -> [Int] {
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: TextEncoder.scratchByteCount, alignment: 64)
        defer { scratch.deallocate() }
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBufferPointer { buffer in
            var encoder = TextEncoder(try #require(packed.model.tokenizer), text: buffer, scratch: scratch)
            var ids: [Int] = []
            while !encoder.isAtEnd {
                let count = try encoder.next()
                ids += (0..<count).map { Int(encoder.tokens[$0]) }
            }
            return ids
        }
    }

    private func piece(_ packed: OpenedModelFile, _ id: Int) -> String {
        String(decoding: packed.model.tokenizer!.piece(UInt32(id)), as: UTF8.self)
    }

    @Test func mergesBecomePiecesAndRanks() throws {
        let packed = try Self.stlm.packed(.int8, tokenizer: SyntheticTokenizer.merges), file = packed.file
        #expect(file.tokenizer.kind == TokenizerKind.bytes.rawValue && !file.tokenizer.putsSpaceFirst)
        #expect(file.tokenizer.pieceCount == 262 && file.tokenizer.longestPiece == 13)
        #expect((256..<262).map { piece(packed, $0) } == ["th", "he", "the", " the", "<|pad|>", "<|endoftext|>"])
        #expect(file.recordCount(.merges) == 4 && file.recordCount(.characters) == 0)
        #expect((packed.model.record.padToken, packed.model.record.endTokens[0]) == (260, 261))
        // "th" is merged before "he", then both " the".
        #expect(try encode(packed, "the the") == [258, 259])
        #expect(try encode(packed, "hehe t") == [257, 257, 32, 116])
        #expect(try encode(packed, "é") == [0xC3, 0xA9])
        // A piece without a merge is not made from text.
        #expect(try encode(packed, "<|pad|>").count == 7)
    }

    @Test func piecesAndScoresBecomeMergesAndCharacters() throws {
        let packed = try Self.llama2.packed(.int8, tokenizer: SyntheticTokenizer.llama2()), file = packed.file
        func id(_ piece: String) -> Int { 259 + SyntheticTokenizer.pieces.firstIndex(of: piece)! }
        #expect(file.tokenizer.kind == TokenizerKind.characters.rawValue && file.tokenizer.putsSpaceFirst)
        #expect(file.recordCount(.characters) == 7)
        // th, the (th+e), " the" (" "+the), ab, " a".
        #expect(file.recordCount(.merges) == 5)
        #expect(try encode(packed, "the") == [id(" the")])
        // The best score first: "ab" before " a".
        #expect(try encode(packed, "ab") == [id(" "), id("ab")])
        #expect(try encode(packed, "ba") == [id(" "), id("b"), id("a")])
        // Characters, then bytes for what is none.
        #expect(try encode(packed, "é€") == [id(" "), id("é"), 3 + 0xE2, 3 + 0x82, 3 + 0xAC])
        #expect(try encode(packed, "").isEmpty)
        #expect(piece(packed, 3 + 0x41) == "A")
    }

    @Test func equalScoresAreEqualRanks() throws {
        // Three merges of one score: the leftmost wins.
        var bytes = [UInt8](SyntheticTokenizer.llama2([" ", "a", "b", "c", "ab", "bc"]))
        let count = bytes.count
        // Scores of the last two pieces (8 bytes before each text of 2).
        for at in [count - 10, count - 20] { bytes.replaceSubrange(at..<at + 4, with: [0, 0, 0x80, 0xC1]) }
        let packed = try SyntheticLlama2 { $0.vocabularySize = 265 }.packed(.int8, tokenizer: Data(bytes))
        #expect(try encode(packed, "abc") == [259, 263, 262])
    }

    @Test func anEmptyMergeListIsATokenizerOfBytes() throws {
        let packed = try SyntheticSTLM { $0.vocabularySize = 258 }.packed(.int8, tokenizer: Data())
        #expect(packed.file.tokenizer.pieceCount == 258 && packed.file.recordCount(.merges) == 0)
        #expect(try encode(packed, "ab") == [97, 98])
    }

    /// Bytes from the last to the first, then what merges make, then a special token of one byte.
    private static let byteLevel = ByteLevelTokenizer(
        pieces: (0..<256).reversed().map { [UInt8($0)] } + ["he", " t", " the", "x"].map { Array($0.utf8) },
        merges: [(255 - 104, 255 - 101, 256), (255 - 32, 255 - 116, 257), (257, 256, 258)], isPreSplit: true, specialIds: [259])

    @Test func byteLevelPiecesKeepTheirIds() throws {
        let tables = try TokenizerTables(Self.byteLevel, vocabularySize: 260)
        #expect(tables.record.kind == 1 && tables.record.preSplit == 1 && tables.record.flags == 0)
        #expect(tables.record.pieceCount == 260 && tables.record.longestPiece == 4)
        // The special token is no byte, though its piece is one.
        for byte in 0..<256 { #expect(tables.record.byteTokens[byte] == UInt16(255 - byte)) }
        let regions = tables.regions
        #expect(regions.map(\.kind) == [.tokenizer, .pieceOffsets, .pieceBytes, .merges, .adjacency])
        #expect(regions.map(\.bytes.count) == [1024, 4 * 261, 256 + 2 + 2 + 4 + 1, 8 * 3, 8_192])
        #expect(tables.merges.map { [$0.left, $0.right, $0.result, $0.rank] } == [[151, 154, 256, 0], [223, 139, 257, 1], [257, 256, 258, 2]])
        var free = Self.byteLevel
        free.isPreSplit = false
        #expect(try TokenizerTables(.byteLevel(free), vocabularySize: 260).record.preSplit == 0)
        for size in [259, 261] {
            #expect(throws: PackError.self) { try TokenizerTables(Self.byteLevel, vocabularySize: size) }
        }
        free.pieces[259] = [UInt8](repeating: 97, count: 4_097)
        #expect(throws: PackError.self) { try TokenizerTables(free, vocabularySize: 260) }
    }

    @Test func wordsAreOneRecord() {
        let regions = TokenizerTables.words.regions
        #expect(regions.map(\.kind) == [.tokenizer])
        #expect(regions[0].bytes == [3] + [UInt8](repeating: 0, count: 1023))
    }

    /// The sentence of a pairing that is refused.
    private func sentence(_ checkpoint: Data, _ tokenizer: Data) -> String {
        do {
            _ = try PackedModel(checkpoint: checkpoint, tokenizer: tokenizer, width: .int8)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func aTokenizerOfAnotherModelIsRefusedWithBothNumbers() {
        for size in [96, 257, 258, 261, 263, 400] {
            let words = sentence(SyntheticSTLM { $0.vocabularySize = size }.checkpointBytes(), SyntheticTokenizer.merges)
            #expect(words.contains("26") && words.contains("\(size)") && words.contains("give the tokenizer that belongs"), "\(words)")
            #expect(!words.contains("\n") && words.hasSuffix("."))
        }
        for size in [96, 270, 272] {
            let words = sentence(SyntheticLlama2 { $0.vocabularySize = size }.bytes(version: 0), SyntheticTokenizer.llama2())
            #expect(words.contains("271 tokens and the model \(size)"), "\(words)")
        }
        // Too few for the bytes, though both numbers agree.
        let few = SyntheticTokenizer.llama2([]).dropLast(6 + 8)
        #expect(sentence(SyntheticLlama2 { $0.vocabularySize = 258 }.bytes(version: 0), few).contains("258"))
    }

    @Test func whatIsNoTokenizerIsRefused() {
        let model = Self.stlm.checkpointBytes()
        for text in ["{\"model\": 1}", "a b\n", "1 2 3\n", "116 104\n116 104\n", "116 999\n", "\u{1}\u{0}\u{0}\u{0}"] {
            let words = sentence(model, Data(text.utf8))
            #expect(words.hasPrefix("The tokenizer") || words.hasPrefix("Line ") || words.hasPrefix("The merge"), "\(words)")
            #expect(!words.contains("\n") && words.hasSuffix("."), "\(words)")
        }
    }

    @Test func aPieceThatIsTooLongIsRefused() {
        // Each merge doubles the piece before it: 2^13 bytes at last.
        var lines = "97 97\n"
        for id in 256..<268 { lines += "\(id) \(id)\n" }
        let words = sentence(SyntheticSTLM { $0.vocabularySize = 256 + 13 + 2 }.checkpointBytes(), Data(lines.utf8))
        #expect(words.contains("Token 268") && words.contains("8192 bytes") && words.contains("4096"), "\(words)")
    }

    @Test(.enabled(if: SharedData.holds("data/stlm/bpe_tokenizer/ref.npz")))
    func idsOfTheOriginalTokenizer() throws {
        let folder = "data/stlm/bpe_tokenizer/"
        let read = { (name: String) in try Data(contentsOf: URL(fileURLWithPath: SharedData.path(folder + name))) }
        let packed = try OpenedModelFile(PackedModel(
            checkpoint: read("model.ckpt"), tokenizer: read("bpe_tinystories_420.model"), width: .int8).bytes)
        // The texts are arrays of bytes, a type that NumpyArray does not read; their ids decode to them. The last ends the text.
        let ids = try #require(NumpyArray.archive(path: SharedData.path(folder + "ref.npz"))["text_ids"]).integers.dropLast()
        let text = ids.flatMap { Array(packed.model.tokenizer!.piece(UInt32($0))) }
        let back = try encode(packed, String(decoding: text, as: UTF8.self))
        #expect(back == Array(ids))
    }
}
