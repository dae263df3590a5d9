import Foundation
import TestSupport
import Testing

/// Tokenizers of real models against those of their makers; skipped where the files are not there.
@Suite struct SharedTokenizerTests {
    private static let tinyTokenizer = "data/weights/tok512.bin"
    private static let folder = "data/stlm/bpe_tokenizer/"
    private static let stories = "data/text/tinystories_val.txt"

    private func content(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: SharedData.path(name))) }

    /// run.c of llama2.c, `encode`, without its control tokens.
    private struct LlamaEncoder {
        var pieces: [[UInt8]] = []
        var scores: [Float] = []
        var ids: [[UInt8]: Int] = [:]

        init(_ data: Data) {
            var at = 4
            while at < data.count {
                let score = data[at..<at + 4].withUnsafeBytes { $0.loadUnaligned(as: Float.self) }
                let length = Int(data[at + 4..<at + 8].withUnsafeBytes { $0.loadUnaligned(as: Int32.self) })
                scores.append(score)
                pieces.append(Array(data[at + 8..<at + 8 + length]))
                at += 8 + length
            }
            for (id, piece) in pieces.enumerated() where ids[piece] == nil { ids[piece] = id }
        }

        func encode(_ text: [UInt8]) -> [Int] {
            var tokens = text.isEmpty ? [] : [ids[[0x20]]!]
            var character: [UInt8] = []
            for (k, byte) in text.enumerated() {
                if byte & 0xC0 != 0x80 { character = [] }
                character.append(byte)
                if k + 1 < text.count, text[k + 1] & 0xC0 == 0x80, character.count < 4 { continue }
                if let id = ids[character] { tokens.append(id) } else { tokens += character.map { Int($0) + 3 } }
                character = []
            }
            while true {
                var best: (score: Float, at: Int, id: Int) = (-1e10, -1, -1)
                for k in 0..<max(0, tokens.count - 1) {
                    if let id = ids[pieces[tokens[k]] + pieces[tokens[k + 1]]], scores[id] > best.score { best = (scores[id], k, id) }
                }
                if best.at < 0 { return tokens }
                tokens.replaceSubrange(best.at...best.at + 1, with: [best.id])
            }
        }
    }

    @Test(.enabled(if: SharedData.holds(tinyTokenizer)))
    func tok512EncodesAsLlama2CDoes() throws {
        let tokenizer = try content(Self.tinyTokenizer)
        let open = try OpenTokenizer(tokenizer, vocabularySize: 512)
        let reference = LlamaEncoder(tokenizer)
        var texts = [
            "", "a", " ", "  two  spaces", "Once upon a time, there was a little girl.", "é € 😀 naïve “quotes” 漢字",
            "\n\n\ttab", "<0x0A>", "<s>",
        ].map { Array($0.utf8) }
        if SharedData.holds(Self.stories) {
            let lines = try content(Self.stories).prefix(60_000).split(separator: 0x0A)
            // The last line may end inside a character.
            texts += lines.dropLast().prefix(80).map { Array($0) }
        }
        for text in texts {
            let tokens = try open.encode(text).tokens
            #expect(tokens == reference.encode(text), "\(String(decoding: text.prefix(60), as: UTF8.self))")
            #expect(open.decode(tokens) == text)
        }
    }

    private struct Reference: Decodable {
        struct Case: Decodable {
            var text: String
            var ids: [Int]
        }
        var cases: [Case]
    }

    @Test(.enabled(if: SharedData.holds(folder + "tok.json")))
    func bpeEncodesAsSTLMDoes() throws {
        let references = try JSONDecoder().decode([String: Reference].self, from: content(Self.folder + "tok.json"))
        let reference = try #require(references["bpe_tinystories_420"])
        let merges = try content(Self.folder + "bpe_tinystories_420.model")
        let open = try OpenTokenizer(merges, vocabularySize: 420)
        #expect(reference.cases.count > 3)
        for one in reference.cases {
            let text = Array(one.text.utf8)
            let tokens = try open.encode(text).tokens
            #expect(tokens == one.ids, "\(one.text.prefix(60))")
            #expect(open.decode(tokens) == text)
        }
    }
}
