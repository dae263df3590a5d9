import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct TokenizerFileTests {
    private func message(_ data: Data, _ vocabularySize: Int) -> String {
        do {
            _ = try TokenizerFile.recognise([data], vocabularySize: vocabularySize)
            return "no error"
        } catch {
            return error.description
        }
    }

    private func merges(_ text: String) throws -> [[Int]]? {
        guard case .merges(let merges) = try TokenizerFile.recognise([Data(text.utf8)], vocabularySize: 500) else { return nil }
        return merges.map { [$0.0, $0.1] }
    }

    private func llama2(_ pieces: [String], longest: UInt8 = 9) -> Data {
        pieces.reduce(Data([longest, 0, 0, 0])) {
            $0 + Data(TorchFile.content([-1.5])) + Data([UInt8($1.utf8.count), 0, 0, 0]) + Data($1.utf8)
        }
    }

    @Test func readsMergeLists() throws {
        #expect(try merges("101 32\n256 110\n") == [[101, 32], [256, 110]])
        #expect(try merges("101 32\r\n256 110") == [[101, 32], [256, 110]])
        #expect(try merges("") == [])
    }

    @Test func namesTheLineOfABadMerge() {
        #expect(message(Data("101 32\n257 110\n".utf8), 500).contains("Line 2 of the merge list names the id 257"))
        #expect(message(Data("101 32\n101 32\n".utf8), 500).contains("Line 2 of the merge list repeats the pair 101 32"))
        for line in ["101  32", "101", "a b", "1 2 3", "", "-1 2", "99999999999999999999 1", " 1 2"] {
            #expect(message(Data("1 2\n\(line)\n3 4\n".utf8), 500).contains("Line 2 of the merge list is not two numbers"), "\(line)")
        }
        #expect(message(Data("1 2\n3 4\n".utf8), 257).contains("makes 258 ids and the model has 257"))
    }

    @Test func readsLlama2Tokenizers() throws {
        guard case .llama2(let pieces) = try TokenizerFile.recognise([llama2(["<unk>", "", "ab"])], vocabularySize: 3) else {
            return #expect(Bool(false))
        }
        #expect(pieces.map { String(decoding: $0.bytes, as: UTF8.self) } == ["<unk>", "", "ab"])
        #expect(pieces.allSatisfy { $0.score == -1.5 })
    }

    @Test func namesBothNumbersWhenATokenizerDoesNotFit() {
        let data = llama2(["<unk>", "a", "ab"])
        #expect(message(data, 4).contains("has 3 tokens and the model 4"))
        #expect(message(data, 2).contains("has 3 tokens and the model 2"))
        #expect(message(data.dropLast(), 3).contains("breaks off in token 2 of the 3"))
        #expect(message(data + [1], 3).contains("breaks off in token 3 of the 3"))
        #expect(message(llama2(["abcdef"], longest: 5), 1).contains("breaks off in token 0"))
        #expect(message(Data(count: 40), 3).contains("length of its longest token"))
    }

    @Test func refusesOtherTokenizers() {
        #expect(message(Data([0x0A, 0x0E, 0x0A, 0x05]) + Data("<unk>".utf8), 9).contains("SentencePiece"))
        #expect(message(Data("hello world, my friend".utf8), 9).contains("Line 1 of the merge list"))
    }

    @Test(.enabled(if: SharedData.holds("data/weights/tok512.bin"))) func readsRealFiles() throws {
        let real = try CheckpointFile.bytes(path: SharedData.path("data/weights/tok512.bin"))
        guard case .llama2(let pieces) = try TokenizerFile.recognise([real], vocabularySize: 512) else { return #expect(Bool(false)) }
        #expect(pieces.count == 512)
        let list = try CheckpointFile.bytes(path: SharedData.path("data/stlm/bpe_tokenizer/bpe_tinystories_420.model"))
        guard case .merges(let merges) = try TokenizerFile.recognise([list], vocabularySize: 420) else { return #expect(Bool(false)) }
        #expect(merges.count == 162)
    }
}
