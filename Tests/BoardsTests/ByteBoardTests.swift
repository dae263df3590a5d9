import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// The Embedded build of each board gives the bits of the ordinary build on models with blocks of every kind, too.
@Suite(.serialized) struct ByteBoardTests {
    static let models: [(name: String, bytes: [UInt8])] = {
        func pack(_ model: SyntheticSTLM, _ width: WeightWidth, _ tokenizers: [Data] = []) -> [UInt8] {
            try! PackedModel(checkpoint: model.checkpointBytes(), tokenizers: tokenizers, width: width).bytes
        }
        func merges(_ source: inout SyntheticSTLM) {
            (source.tokenizerType, source.vocabularySize) = ("bpe", SyntheticTokenizer.mergesVocabularySize)
        }
        return [
            ("slots-words-int8", pack(SyntheticSTLM(embedder: "byte_level", head: "byte_level"), .int8)),
            ("decoder-gpt2-shared-int8", pack(SyntheticSTLM(embedder: "byte_level", head: "byte_decoder") {
                ($0.tokenizerType, $0.vocabularySize) = ("gpt2", SyntheticTokenizer.gpt2VocabularySize)
                ($0.isFeedForwardShared, $0.decoder.isFeedForwardShared) = (true, true)
            }, .int8, [SyntheticTokenizer.gpt2.vocabulary, SyntheticTokenizer.gpt2.merges])),
            ("decoder-words-biased-int16", pack(SyntheticSTLM(embedder: "byte_level", head: "byte_decoder") {
                ($0.hasHeadBias, $0.headNorm, $0.decoder.isTied, $0.decoder.feedForwardType) = (true, "layer_norm", false, "generic")
                ($0.decoder.activation, $0.positions) = ("learned", "none")
            }, .int16)),
            ("blocks-to-tokens-int8", pack(SyntheticSTLM(embedder: "byte_level", head: "generic", merges), .int8, [SyntheticTokenizer.merges])),
            ("tokens-to-slots-int8", pack(SyntheticSTLM(embedder: "generic", head: "byte_level", merges), .int8, [SyntheticTokenizer.merges])),
            ("tokens-to-decoder-int16", pack(SyntheticSTLM(embedder: "generic", head: "byte_decoder", merges), .int16, [SyntheticTokenizer.merges])),
            ("slots-not-causal-int16", pack(SyntheticSTLM(embedder: "byte_level", head: "byte_level") { $0.isCausal = false }, .int16)),
        ]
    }()
    static let writers = models.filter { $0.name.hasPrefix("slots") || $0.name.hasPrefix("decoder") }.map(\.name)
    static let boards = Board.all.filter(\.isAvailable)

    private let place: TemporaryFolder

    init() throws { place = try TemporaryFolder() }

    private func file(_ name: String) throws -> String { try place.file("model.stlm", Self.models.first { $0.name == name }!.bytes) }

    @Test(arguments: boards, models.map(\.name)) func sameLogitsAsTheOrdinaryBuild(_ board: Board, _ name: String) throws {
        let model = try file(name)
        var pieces = SeededPieces(seed: 17)
        let inputs = try pieces.inputs(OpenedModelFile(#require(place.bytes("model.stlm"))).model, 7)
        let words = ["logits", model, "--ids", inputs.joined().map(String.init).joined(separator: " "), "--out"]
        let ordinary = try Program.run.call(words + [place.path("ordinary.npy")])
        #expect(ordinary.status == 0, "\(ordinary.errors)")
        let first = try #require(place.bytes("ordinary.npy"))
        for threads in ["1", "2"] {
            let embedded = try board.run(words + [place.path("embedded.npy"), "--threads", threads])
            #expect(embedded.status == 0 && ordinary.output == embedded.output, "\(embedded.errors)")
            #expect(first == place.bytes("embedded.npy") && first.count > 7 * 258 * 4)
        }
    }

    @Test(arguments: boards, writers) func sameTextAsTheOrdinaryBuild(_ board: Board, _ name: String) throws {
        let model = try file(name)
        for flags in [["--temp", "0"], ["--temp", "1.2", "--top-k", "0", "--top-p", "0.9", "--repeat-penalty", "1.2"], ["--top-k", "5", "--bytes", "50"]] {
            let words = [model, "-p", "It's \u{E9} the 12th\u{1F600} end", "-n", "30", "--seed", "9", "--slide", "--ignore-eos"] + flags
            let ordinary = try Program.run.call(words)
            #expect(ordinary.status == 0 && ordinary.output.count > 50, "\(ordinary.errors)")
            for threads in ["1", "2"] {
                let embedded = try board.run(words + ["--threads", threads])
                #expect(embedded.status == 0 && embedded.output == ordinary.output, "\(embedded.errors)")
            }
        }
    }

    @Test(arguments: boards, models.map(\.name)) func sameScoresChoicesAndErrorsAsTheOrdinaryBuild(_ board: Board, _ name: String) throws {
        let model = try file(name)
        let text = try place.file("text.txt", Array("The theme of the thesis: it's \u{E9}\u{1F600}, they then thaw 12 teeth.\n\n".utf8) + [0xFF, 0x00, 0xC3])
        let tasks = try place.file("tasks.jsonl", Array("""
            {"prefix": "The \\u00e9nd", "options": ["end", "\\ud83d\\ude00", ""], "answer": 1}
            {"answer": 0, "other": [{"x": null}], "options": ["a"], "prefix": ""}
            """.utf8))
        let bad = try place.file("bad.jsonl", Array("{\"prefix\": \"a\", \"options\": [], \"answer\": 0}".utf8))
        for words in [["score", model, "--file", text, "--json"], ["score", model, "--file", text, "--context", "5", "--split", "\n"],
            ["choose", model, "--file", tasks, "--json"], ["choose", model, "--file", bad], ["info", model], ["info", model, "--json", "--verify"],
            [model, "--ids", "1 2 3 999"], [model, "-p", "the", "-n", "2", "--temp", "0"]] {
            let ordinary = try Program.run.call(words), embedded = try board.run(words)
            #expect(ordinary.status == embedded.status, "\(words)")
            #expect(ordinary.output == embedded.output, "\(words)")
            #expect(ordinary.errors == embedded.errors, "\(words)")
        }
    }
}
