import Foundation
import TestSupport

/// Small models as files.
public enum SmallModels {
    public static let folder = try! TemporaryFolder()
    /// No begin token, four merges; context 16, at most 32.
    public static let merges = file("merges.stlm", merging { _ in })
    /// Begin token 1, a tokenizer of characters that puts a space first; context 16.
    public static let begins = file("begins.stlm", try! SyntheticLlama2 { $0.vocabularySize = SyntheticTokenizer.llama2VocabularySize }
        .packed(.int8, tokenizer: SyntheticTokenizer.llama2()).bytes)
    public static let bare = file("bare.stlm", try! SyntheticSTLM().packedBytes(.int8))
    /// As `merges`, with a table of positions: what stays of a full context is read anew.
    public static let learned = file("learned.stlm", merging { $0.positions = "learned" })
    public static let notCausal = file("notcausal.stlm", merging { $0.isCausal = false })
    public static let slots = file("slots.stlm", try! SyntheticSTLM(embedder: "byte_level", head: "byte_level").packedBytes(.int8))
    public static let decoder = file("decoder.stlm", try! SyntheticSTLM(embedder: "byte_level", head: "byte_decoder").packedBytes(.int8))
    /// Blocks in, tokens out.
    public static let pooled = file("pooled.stlm", try! SyntheticSTLM(embedder: "byte_level", head: "generic") {
        ($0.tokenizerType, $0.vocabularySize) = ("bpe", SyntheticTokenizer.mergesVocabularySize)
    }.packedBytes(.int8, tokenizer: SyntheticTokenizer.merges))
    /// As `merges`, with a context of 128.
    public static let roomy = file("roomy.stlm", merging { $0.contextSize = 128 })
    /// Two a are one token, so that a run of them is never cut.
    public static let sticky = file("sticky.stlm", try! SyntheticSTLM { $0.vocabularySize = 259 }.packedBytes(.int8, tokenizer: Data("97 97\n".utf8)))
    public static let written = [merges, begins, slots, decoder]

    private static func merging(_ change: (inout SyntheticSTLM) -> Void) -> [UInt8] {
        try! SyntheticSTLM {
            $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize
            change(&$0)
        }.packedBytes(.int8, tokenizer: SyntheticTokenizer.merges)
    }

    private static func file(_ name: String, _ bytes: [UInt8]) -> String { try! folder.file(name, bytes) }
}
