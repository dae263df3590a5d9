import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// stlm-run against Tools/reference on models with blocks, byte for byte.
@Suite(.enabled(if: Reference.isThere && Program.run.exists)) struct ByteReferenceTests {
    static let sources: [ByteLevelSource] = ByteLevelSource.pairs.flatMap { pair in
        [
            pair,
            pair.changed("shared, biased") {
                ($0.isFeedForwardShared, $0.layerCount, $0.decoder.isFeedForwardShared, $0.seed) = (true, 3, true, 5)
                ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias, $0.headNorm) = (true, true, true, "layer_norm")
                ($0.positions, $0.feedForwardType, $0.decoder.feedForwardType) = ("learned", "generic", "generic")
                ($0.decoder.isTied, $0.blockSize) = (false, 7)
            },
        ]
    } + [
        ByteLevelSource.pairs[0].changed("not causal") { ($0.isCausal, $0.positions) = (false, "none") },
        ByteLevelSource.pairs[1].changed("not causal") { ($0.isCausal, $0.decoder.activation, $0.decoder.feedForwardType) = (false, "learned", "generic") },
    ]

    @Test(arguments: sources, [WeightWidth.int8, .int16]) func sameLogits(_ named: ByteLevelSource, _ width: WeightWidth) throws {
        let folder = try TemporaryFolder(), bytes = try named.source.packedBytes(width)
        let model = try folder.file("m.stlm", bytes)
        var pieces = SeededPieces(seed: 21)
        let ids = try pieces.inputs(OpenedModelFile(bytes).model, 9).joined().map(String.init).joined(separator: " ")
        try Reference.expectSameLogits(model, ids: ids, folder)
    }

    /// The type of keys and values is the core's: the slots of blocks keep 16 bits.
    @Test(arguments: sources.prefix(2), ["int8", "int4"]) func sameLogitsOfNarrowKeysAndValues(_ named: ByteLevelSource, _ type: String) throws {
        let folder = try TemporaryFolder(), bytes = try named.source.packedBytes(.int16)
        let model = try folder.file("m.stlm", bytes)
        var pieces = SeededPieces(seed: 22)
        let ids = try pieces.inputs(OpenedModelFile(bytes).model, 9).joined().map(String.init).joined(separator: " ")
        try Reference.expectSameLogits(model, ids: ids, folder, ["--kv", type])
    }

    /// Words, GPT-2's rule and STLM's merges cut the text; tokens go in or come out of the last two.
    private func models(_ folder: TemporaryFolder) throws -> [(path: String, canGenerate: Bool)] {
        func merges(_ source: inout SyntheticSTLM) {
            (source.tokenizerType, source.vocabularySize, source.contextSize) = ("bpe", SyntheticTokenizer.mergesVocabularySize, 24)
        }
        let gpt2 = SyntheticSTLM(embedder: "byte_level", head: "byte_decoder") {
            ($0.tokenizerType, $0.vocabularySize, $0.contextSize) = ("gpt2", SyntheticTokenizer.gpt2VocabularySize, 24)
        }
        let pair = [SyntheticTokenizer.gpt2.vocabulary, SyntheticTokenizer.gpt2.merges]
        func merged(_ embedder: String, _ head: String, _ width: WeightWidth) throws -> String {
            let source = SyntheticSTLM(embedder: embedder, head: head, merges)
            return try folder.file("\(embedder)-\(head).stlm", source.packedBytes(width, tokenizer: SyntheticTokenizer.merges))
        }
        let (slots, decoder) = (ByteLevelSource.pairs[0].source, ByteLevelSource.pairs[1].source)
        return try [
            (folder.file("slots.stlm", slots.packedBytes(.int8)), true), (folder.file("decoder.stlm", decoder.packedBytes(.int16)), true),
            (folder.file("gpt2.stlm", PackedModel(checkpoint: gpt2.checkpointBytes(), tokenizers: pair, width: .int8).bytes), true),
            (merged("byte_level", "byte_level", .int8), true), (merged("byte_level", "generic", .int8), false),
            (merged("generic", "byte_decoder", .int16), false),
        ]
    }

    private func numbers(_ text: String) -> [Int] { text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) } }

    @Test(arguments: [
        "the the he \u{E9}\u{20AC}\u{1F600} the\u{1F600}\u{1F600}\u{1F600}\u{1F600} internationalization \u{301}\r\n\r\n x\u{3000}\u{3000}\u{4E2D}",
        "bathe  ab ba\t<|endoftext|>\n \n I'm 12 of 345, isn't it?  we'll've  ",
    ]) func sameBlocks(_ text: String) throws {
        let folder = try TemporaryFolder()
        for (path, _) in try models(folder) {
            let encoded = try Reference.call("encode", path, "--text", text)
            #expect(encoded.status == 0, "\(encoded.errors)")
            let model = try OpenedModelFile([UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
            #expect(try numbers(encoded.text) == model.pieces(text.utf8).inputs.flatMap { $0 }, "\(path)")
        }
    }

    @Test(arguments: [
        ["--temp", "0"], ["--temp", "1", "--top-k", "0"], ["--temp", "0.8", "--top-k", "10"], ["--temp", "1.3", "--top-k", "0", "--top-p", "0.7"],
        ["--temp", "1", "--top-k", "0", "--min-p", "0.1", "--repeat-penalty", "1.4", "--repeat-window", "16"], ["--temp", "50", "--top-k", "0"],
    ]) func sameDraws(_ settings: [String]) throws {
        let folder = try TemporaryFolder(), prompt = Array("Once there was".utf8).map(String.init)
        let ids = (prompt.prefix(12) + prompt.suffix(2) + Array(repeating: "256", count: 10)).joined(separator: " ")
        for (path, canGenerate) in try models(folder) where canGenerate {
            let words = ["-n", "20", "--seed", "18446744073709551615", "--slide", "--context", "9"] + settings
            let own = try Program.run.call([path, "--ids", ids] + words)
            let reference = try Reference.call(["generate", path, "--ids", ids] + words)
            #expect(own.status == 0 && reference.status == 0, "\(own.errors)\(reference.errors)")
            #expect(numbers(own.text).count == 240 && numbers(own.text) == numbers(reference.text), "\(path) \(settings)")
        }
    }

    @Test func sameTranscripts() throws {
        let folder = try TemporaryFolder()
        for (path, _) in try models(folder) {
            let check = try Reference.call("self-check", path)
            #expect(check.status == 0, "\(check.errors)")
        }
    }

    @Test(arguments: [[], ["--bytes", "31"]]) func sameText(_ limit: [String]) throws {
        let folder = try TemporaryFolder()
        for (path, canGenerate) in try models(folder) where canGenerate {
            let words = ["-n", "12", "--seed", "5", "--temp", "1", "--top-k", "0", "--ignore-eos"]
            let own = try Program.run.call([path, "-p", "the end"] + words + limit)
            let asked = limit.isEmpty ? [] : ["--max-bytes", limit[1]]
            let reference = try Reference.call(["generate", path, "--text", "the end", "--print", "text"] + words + asked)
            #expect(own.status == 0 && reference.status == 0, "\(own.errors)\(reference.errors)")
            // The reference prints bytes as they are.
            #expect(own.text == String(decoding: reference.output, as: UTF8.self), "\(path)")
        }
    }

    @Test(arguments: [["--context", "1"], ["--context", "5"], ["--context", "24"], ["--split", "<e>"]]) func sameScore(_ words: [String]) throws {
        let folder = try TemporaryFolder()
        let file = try folder.file("t.txt", Array("the bath <e> he's the \u{E9}\u{1F600} end,\n isn't it? <e>\n<e>the\n".utf8))
        for (path, _) in try models(folder) {
            let own = try Program.run.call(["score", path, "--file", file, "--json"] + words)
            let reference = try Reference.call(["score", path, "--file", file] + words)
            #expect(own.status == 0 && reference.status == 0, "\(own.errors)\(reference.errors)")
            func facts(_ outcome: Program.Outcome) throws -> [String: Any] {
                try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
            }
            let mine = try facts(own), other = try facts(reference)
            #expect((mine["tokens"] ?? mine["blocks"]) as? Int == other["tokens"] as? Int, "\(path)")
            #expect(mine["bytes"] as? Int == other["bytes"] as? Int, "\(path)")
            let bits = try #require(other["total_bits"] as? NSNumber).doubleValue / 16_777_216
            #expect(try abs(#require(mine["bits"] as? NSNumber).doubleValue - bits) < 1e-6, "\(path)")
        }
    }

    @Test(arguments: ["24", "6"]) func sameChoice(_ context: String) throws {
        let folder = try TemporaryFolder()
        let line = "{\"prefix\": \"the cat, the \\u00e9\", \"options\": [\"end\", \"bathe the other one\", \"\"], \"answer\": 0}"
        let tasks = try folder.file("t.jsonl", Array(line.utf8))
        for (path, _) in try models(folder) {
            let own = try Program.run("choose", path, "--file", tasks, "--json", "--context", context)
            let reference = try Reference.call(
                "choose", path, "--prefix", "the cat, the \u{E9}", "--option", "end", "--option", "bathe the other one", "--option", "",
                "--context", context)
            #expect(own.status == 0 && reference.status == 0, "\(own.errors)\(reference.errors)")
            let mine = try #require(JSONSerialization.jsonObject(with: Data(own.output)) as? [String: Any])
            let task = try #require((mine["tasks"] as? [[String: Any]])?.first)
            let other = try #require(JSONSerialization.jsonObject(with: Data(reference.output)) as? [String: Any])
            #expect(task["choice"] as? Int == other["choice"] as? Int)
            // Integers there, in units of 2^-24, and six decimals here.
            let values = try #require(task["log_likelihoods"] as? [NSNumber]), units = try #require(other["log_likelihoods"] as? [NSNumber])
            #expect(values.count == 3 && zip(values, units).allSatisfy { abs($0.doubleValue - $1.doubleValue / 16_777_216) < 1e-6 }, "\(path)")
        }
    }
}
