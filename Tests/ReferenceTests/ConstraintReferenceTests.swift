import PackedSupport
import Packing
import TestSupport
import Testing

/// What stlm-run draws under a constraint, against Tools/reference, which tries every token and symbol.
@Suite(.enabled(if: Reference.isThere && Program.run.exists)) struct ConstraintReferenceTests {
    private static let grammars = [
        "root ::= \"the \" (\"end\" | [a-h]{2,6} \"\u{E9}\"?)",
        "# JSON\nroot ::= \"{\\\"a\\\": \" value (\", \" value)* \"}\"\nvalue ::= [0-9]{1,3} | \"\\\"\" [^\"\\\\\\x00-\\x1F]{0,12} \"\\\"\"\n",
        "root ::= .{3,9} \"!\" | (\"th\" | [^a-z\\u00E9])+ (\n \"x\" # an end\n | [\\U0001F600-\\U0001F64F])", "root ::= ((\"a\" | \"ab\")* \"b\"){2,}",
    ]

    private func models(_ folder: TemporaryFolder) throws -> [String] {
        let merges = SyntheticSTLM { ($0.vocabularySize, $0.contextSize) = (SyntheticTokenizer.mergesVocabularySize, 24) }
        let begins = SyntheticLlama2 { $0.vocabularySize = SyntheticTokenizer.llama2VocabularySize }
        return try [
            folder.file("merges.stlm", merges.packedBytes(.int8, tokenizer: SyntheticTokenizer.merges)),
            folder.file("begins.stlm", PackedModel(checkpoint: begins.bytes(version: 1), tokenizer: SyntheticTokenizer.llama2(), width: .int8).bytes),
        ] + ByteLevelSource.pairs.prefix(2).enumerated().map { try folder.file("\($0).stlm", $1.source.packedBytes(.int8)) }
    }

    @Test(arguments: grammars) func sameText(_ grammar: String) throws {
        let folder = try TemporaryFolder(), file = try folder.file("g", Array(grammar.utf8))
        for model in try models(folder) {
            for (k, flags) in [
                ["--temp", "1", "--top-k", "0"], ["--temp", "0"], ["--temp", "0.9", "--top-k", "7", "--repeat-penalty", "1.3", "--repeat-window", "5"],
                ["--temp", "2", "--top-p", "0.7", "--ignore-eos"],
            ].enumerated() {
                let words = ["-n", "12", "--seed", "\(k)", "--slide", "--grammar", file] + flags
                let own = try Program.run.call([model, "-p", "the"] + words)
                let reference = try Reference.call(["generate", model, "--text", "the", "--print", "text"] + words)
                #expect(reference.status == 0, "\(reference.errors)")
                #expect(own.text.replacing("\u{FFFD}", with: "") == reference.text.replacing("\u{FFFD}", with: ""), "\(grammar), \(flags)")
            }
        }
    }

    @Test func sameChoice() throws {
        let folder = try TemporaryFolder(), file = try folder.file("c", Array("the\nthen\r\n\nt\u{E9}a\n \"x\"".utf8))
        for model in try models(folder) {
            for seed in 0..<4 {
                let words = ["-n", "12", "--seed", "\(seed)", "--temp", "2", "--choices", file]
                let own = try Program.run.call([model, "-p", "the"] + words)
                #expect(try own.text == Reference.call(["generate", model, "--text", "the", "--print", "text"] + words).text)
            }
        }
    }
}
