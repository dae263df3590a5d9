import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// Small models as files, packed once for all tests.
enum CommandFixture {
    static let folder = try! TemporaryFolder()

    /// No begin token, four merges; context 16, at most 32.
    static let merges = file("merges.stlm", packed(SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }, SyntheticTokenizer.merges))
    /// Begin token 1, a tokenizer of characters; context 16.
    static let begins = file("begins.stlm", packed(
        SyntheticLlama2 { $0.vocabularySize = SyntheticTokenizer.llama2VocabularySize }, SyntheticTokenizer.llama2()))
    /// No tokenizer.
    static let bare = file("bare.stlm", packed(SyntheticSTLM(), nil))
    static let notCausal = file("notcausal.stlm", packed(
        SyntheticSTLM { ($0.vocabularySize, $0.isCausal) = (SyntheticTokenizer.mergesVocabularySize, false) }, SyntheticTokenizer.merges))
    // Models with blocks of 12 bytes; context 16, at most 32. Words, but for the mixed ones and `original`.
    static let slotsSource = SyntheticSTLM(embedder: "byte_level", head: "byte_level")
    static let decoderSource = SyntheticSTLM(embedder: "byte_level", head: "byte_decoder")
    static let originalSource = SyntheticSTLM(embedder: "byte_level", head: "byte_level", withMerges)
    static let pooledSource = SyntheticSTLM(embedder: "byte_level", head: "generic", withMerges)
    static let writtenSource = SyntheticSTLM(embedder: "generic", head: "byte_decoder", withMerges)
    static let slots = file("slots.stlm", packed(slotsSource, nil))
    static let decoder = file("decoder.stlm", packed(decoderSource, nil))
    /// Blocks that STLM's own tokenizer cuts.
    static let original = file("original.stlm", packed(originalSource, SyntheticTokenizer.merges))
    /// Blocks in, tokens out.
    static let pooled = file("pooled.stlm", packed(pooledSource, SyntheticTokenizer.merges))
    /// Tokens in, blocks out.
    static let written = file("written.stlm", packed(writtenSource, SyntheticTokenizer.merges))
    /// Blocks, and no tokenizer.
    static let bareBlocks = file("bareblocks.stlm", packed(originalSource, nil))
    static let notCausalBlocks = file("notcausalblocks.stlm", packed(SyntheticSTLM(embedder: "byte_level", head: "byte_level") { $0.isCausal = false }, nil))
    static let checkpoint = file("model.ckpt", [UInt8](SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }.checkpointBytes()))
    static let mergeList = file("merges.model", [UInt8](SyntheticTokenizer.merges))

    private static func withMerges(_ source: inout SyntheticSTLM) {
        (source.tokenizerType, source.vocabularySize) = ("bpe", SyntheticTokenizer.mergesVocabularySize)
    }

    private static func file(_ name: String, _ bytes: [UInt8]) -> String { try! folder.file(name, bytes) }

    private static func packed(_ source: SyntheticSTLM, _ tokenizer: Data?) -> [UInt8] {
        try! source.packedBytes(.int8, tokenizer: tokenizer)
    }

    private static func packed(_ source: SyntheticLlama2, _ tokenizer: Data?) -> [UInt8] {
        try! source.packed(.int8, tokenizer: tokenizer).bytes
    }

    static func opened(_ path: String) throws -> OpenedModelFile {
        try OpenedModelFile([UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
    }
}

/// One plain sentence on standard error, nothing on standard output.
func expectRefusal(
    _ outcome: Program.Outcome, status: Int32, containing part: String = "", location: SourceLocation = #_sourceLocation
) {
    #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: location)
    #expect(outcome.output.isEmpty, "\(outcome.text)", sourceLocation: location)
    #expect(outcome.errors.hasPrefix("stlm-"), "\(outcome.errors)", sourceLocation: location)
    #expect(part.isEmpty || outcome.errors.contains(part), "\(outcome.errors)", sourceLocation: location)
    let lines = outcome.errors.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 2 && lines[1].isEmpty && lines[0].count < 500, "\(outcome.errors)", sourceLocation: location)
}
