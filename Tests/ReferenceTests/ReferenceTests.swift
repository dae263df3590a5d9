import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// stlm-run against the second implementation of the documents, Tools/reference, byte for byte.
@Suite(.enabled(if: Reference.isThere && Program.run.exists)) struct ReferenceTests {
    static let sources: [SyntheticSTLM] = [
        SyntheticSTLM(), SyntheticSTLM { ($0.isTied, $0.isFeedForwardShared, $0.layerCount) = (false, true, 3) },
        SyntheticSTLM { ($0.isCausal, $0.positions, $0.groupSize) = (false, "learned", 4) },
        SyntheticSTLM { ($0.hiddenSize, $0.headCount, $0.groupSize, $0.feedForwardSize, $0.vocabularySize) = (30, 3, 3, 37, 101) },
    ] + ["gelu", "relu", "leakyrelu", "tanh", "sigmoid", "silu", "learned", "none"].enumerated().map { number, activation in
        SyntheticSTLM {
            ($0.feedForwardType, $0.activation, $0.seed) = ("generic", activation, UInt64(number + 2))
            ($0.hasFeedForwardBias, $0.hasAttentionBias, $0.hasHeadBias) = (number % 2 == 0, number % 3 == 0, number % 4 < 2)
            let norms = ["rms_norm", "layer_norm", "none"]
            ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = (norms[number % 3], norms[(number + 1) % 3], norms[(number / 2) % 3])
            $0.positions = ["rope", "learned", "sincos", "none"][number % 4]
        }
    }

    @Test(arguments: sources.indices, [WeightWidth.int8, .int16])
    func sameLogits(_ index: Int, _ width: WeightWidth) throws {
        let folder = try TemporaryFolder(), source = Self.sources[index]
        let model = try folder.file("m.stlm", source.packedBytes(width))
        var numbers = SeededNumbers(seed: UInt64(index))
        let ids = (0..<13).map { _ in String(numbers.next() % UInt64(source.vocabularySize)) }.joined(separator: " ")
        try Reference.expectSameLogits(model, ids: ids, folder)
    }

    /// Each type of keys and values: in heads of 8 elements, of 24 and of 5.
    @Test(arguments: ["int8", "int4"], [(32, 4), (48, 2), (30, 6)]) func sameLogitsOfNarrowKeysAndValues(_ type: String, _ shape: (Int, Int)) throws {
        let folder = try TemporaryFolder()
        let source = SyntheticSTLM {
            ($0.hiddenSize, $0.headCount, $0.groupSize, $0.positions, $0.contextSize) = (shape.0, shape.1, 2, "learned", 32)
        }
        let model = try folder.file("m.stlm", source.packedBytes(.int16))
        var numbers = SeededNumbers(seed: UInt64(shape.0))
        let ids = (0..<30).map { _ in String(numbers.next() % UInt64(source.vocabularySize)) }.joined(separator: " ")
        try Reference.expectSameLogits(model, ids: ids, folder, ["--kv", type])
        let narrow = folder.bytes("own.npy")
        try Reference.expectSameLogits(model, ids: ids, folder)
        #expect(narrow != folder.bytes("own.npy"), "the type changes nothing")
    }

    @Test(arguments: ["int8", "int4"]) func sameTextAndScoreOfNarrowKeysAndValues(_ type: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("t.txt", Array(String(repeating: "the bath he tea the\n", count: 4).utf8))
        for model in try models(folder) {
            let words = ["--ids", "1 104 116 259", "-n", "24", "--seed", "3", "--kv", type]
            let own = try Program.run.call([model] + words), reference = try Reference.call(["generate", model] + words)
            #expect(own.status == 0 && own.text == reference.text, "\(own.errors)\(reference.errors)")
            let score = ["score", model, "--file", path, "--kv", type]
            let mine = try #require(JSONSerialization.jsonObject(with: Data(Program.run.call(score + ["--json"]).output)) as? [String: Any])
            let other = try #require(JSONSerialization.jsonObject(with: Data(Reference.call(score).output)) as? [String: Any])
            let bits = try #require(other["total_bits"] as? NSNumber).doubleValue / 16_777_216
            #expect(try abs(#require(mine["bits"] as? NSNumber).doubleValue - bits) < 1e-6)
        }
    }

    /// Both kinds of tokenizer.
    private func models(_ folder: TemporaryFolder) throws -> [String] {
        let merges = SyntheticSTLM { ($0.vocabularySize, $0.contextSize) = (SyntheticTokenizer.mergesVocabularySize, 32) }
        let pieces = SyntheticLlama2 { ($0.vocabularySize, $0.contextSize) = (SyntheticTokenizer.llama2VocabularySize, 32) }
        return try [
            folder.file("merges.stlm", merges.packedBytes(.int8, tokenizer: SyntheticTokenizer.merges)),
            folder.file("pieces.stlm", pieces.packed(.int16, tokenizer: SyntheticTokenizer.llama2()).bytes),
        ]
    }

    @Test(arguments: ["the the he", "", " ", "é€😀 the", "bathe  ab ba", "\t<|endoftext|>\n"]) func sameTokensAndBack(_ text: String) throws {
        let folder = try TemporaryFolder()
        for model in try models(folder) {
            let encoded = try Reference.call("encode", model, "--text", text)
            #expect(encoded.status == 0, "\(encoded.errors)")
            let opened = try OpenedModelFile([UInt8](Data(contentsOf: URL(fileURLWithPath: model))))
            let own = try TextIds.encode(text, opened)
            #expect(encoded.text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) } == own)
            let decoded = try Reference.call("decode", model, "--ids", own.map(String.init).joined(separator: " "))
            #expect(decoded.output == Array(text.utf8) + [0x0A], "\(decoded.text)")
        }
    }

    @Test(arguments: [
        ["--temp", "0"], ["--temp", "1", "--top-k", "0"], ["--temp", "0.8", "--top-k", "10"], ["--temp", "1.3", "--top-k", "0", "--top-p", "0.7"],
        ["--temp", "1", "--top-k", "0", "--min-p", "0.1"], ["--temp", "0.9", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.01"],
        ["--temp", "1", "--repeat-penalty", "1.4", "--repeat-window", "6"], [],
    ]) func sameDraws(_ settings: [String]) throws {
        let folder = try TemporaryFolder()
        for model in try models(folder) {
            for seed in ["0", "1", "18446744073709551615"] {
                let words = ["--ids", "1 104 116 259", "-n", "24", "--seed", seed] + settings
                let own = try Program.run.call([model] + words)
                let reference = try Reference.call(["generate", model] + words)
                #expect(own.status == 0 && reference.status == 0, "\(own.errors)\(reference.errors)")
                #expect(own.text == reference.text, "\(settings) seed \(seed)")
            }
        }
    }

    @Test func sameTranscripts() throws {
        let folder = try TemporaryFolder()
        for model in try models(folder) + [folder.file("n.stlm", SyntheticSTLM { $0.isCausal = false }.packedBytes(.int8))] {
            let check = try Reference.call("self-check", model)
            #expect(check.status == 0, "\(check.errors)")
        }
    }

    /// Far beyond the context: keys that are turned, in heads of 8, 24, 5 and 64 elements, and positions that are read anew.
    @Test(arguments: ["int16", "int8", "int4"], [(32, 4, "rope"), (48, 2, "rope"), (30, 6, "learned"), (128, 2, "rope"), (32, 4, "sincos")])
    func sameTextBeyondTheContext(_ type: String, _ shape: (Int, Int, String)) throws {
        let folder = try TemporaryFolder()
        let source = SyntheticSTLM { ($0.hiddenSize, $0.headCount, $0.groupSize, $0.positions) = (shape.0, shape.1, 2, shape.2) }
        let model = try folder.file("m.stlm", source.packedBytes(.int8))
        for flags in [[], ["--keep", "0"], ["--keep", "5", "--context", "11"]] {
            let words = ["--ids", "1 14 16 25", "-n", "70", "--seed", "3", "--kv", type, "--slide", "--ignore-eos", "--temp", "1", "--top-k", "0"] + flags
            let own = try Program.run.call([model] + words), reference = try Reference.call(["generate", model] + words)
            #expect(own.status == 0 && own.text == reference.text, "\(own.errors)\(reference.errors)")
            #expect(own.text.split(separator: " ").count == 70)
        }
    }

    @Test(arguments: ["1", "5", "32"]) func sameScore(_ context: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("t.txt", Array(String(repeating: "the bath he tea the\n", count: 4).utf8))
        for model in try models(folder) {
            let words = ["score", model, "--file", path, "--context", context]
            let own = try Program.run.call(words + ["--json"]), reference = try Reference.call(words)
            #expect(own.status == 0 && reference.status == 0, "\(own.errors)\(reference.errors)")
            func facts(_ outcome: Program.Outcome) throws -> [String: Any] {
                try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
            }
            let mine = try facts(own), other = try facts(reference)
            #expect(mine["tokens"] as? Int == other["tokens"] as? Int)
            // Their bits are exact integers there, and six decimals here.
            let bits = try #require(other["total_bits"] as? NSNumber).doubleValue / 16_777_216
            #expect(try abs(#require(mine["bits"] as? NSNumber).doubleValue - bits) < 1e-6)
            func decimal(_ value: Any?) throws -> Double {
                if let text = value as? String { return try #require(Double(text)) }
                return try #require(value as? NSNumber).doubleValue
            }
            #expect(try abs(decimal(mine["perplexity"]) / decimal(other["perplexity"]) - 1) < 1e-5)
            #expect(try abs(decimal(mine["bits_per_byte"]) - decimal(other["bits_per_byte"])) < 2e-6)
        }
    }
}
