import Foundation
import PackedSupport
import STLM
import TestSupport
import Testing

/// Small models as files.
enum GeneratorFixture {
    static let folder = try! TemporaryFolder()
    /// No begin token, four merges; context 16.
    static let merges = file("merges.stlm", merging { _ in })
    /// Begin token 1, a tokenizer of characters that puts a space first; context 16.
    static let begins = file("begins.stlm", try! SyntheticLlama2 { $0.vocabularySize = SyntheticTokenizer.llama2VocabularySize }
        .packed(.int8, tokenizer: SyntheticTokenizer.llama2()).bytes)
    static let bare = file("bare.stlm", try! SyntheticSTLM().packedBytes(.int8))
    static let notCausal = file("notcausal.stlm", merging { $0.isCausal = false })
    static let slots = file("slots.stlm", try! SyntheticSTLM(embedder: "byte_level", head: "byte_level").packedBytes(.int8))
    static let decoder = file("decoder.stlm", try! SyntheticSTLM(embedder: "byte_level", head: "byte_decoder").packedBytes(.int8))
    /// Blocks in, tokens out.
    static let pooled = file("pooled.stlm", try! SyntheticSTLM(embedder: "byte_level", head: "generic") {
        ($0.tokenizerType, $0.vocabularySize) = ("bpe", SyntheticTokenizer.mergesVocabularySize)
    }.packedBytes(.int8, tokenizer: SyntheticTokenizer.merges))
    /// As `merges`, with a context of 128.
    static let roomy = file("roomy.stlm", merging { $0.contextSize = 128 })
    /// Two a are one token, so that a run of them is never cut.
    static let sticky = file("sticky.stlm", try! SyntheticSTLM { $0.vocabularySize = 259 }.packedBytes(.int8, tokenizer: Data("97 97\n".utf8)))
    static let written = [merges, begins, slots, decoder]

    private static func merging(_ change: (inout SyntheticSTLM) -> Void) -> [UInt8] {
        try! SyntheticSTLM {
            $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize
            change(&$0)
        }.packedBytes(.int8, tokenizer: SyntheticTokenizer.merges)
    }

    private static func file(_ name: String, _ bytes: [UInt8]) -> String { try! folder.file(name, bytes) }

    /// What stlm-run writes, without the newline that ends it.
    static func written(_ words: [String]) throws -> [UInt8] {
        let outcome = try Program.run.call(words + ["--no-echo", "--threads", "1"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return Array(outcome.output.dropLast())
    }
}

extension Generator {
    /// All bytes after a prompt, step by step; what was drawn, and the steps it took.
    mutating func answer(_ prompt: String) throws -> (text: [UInt8], ids: [UInt32], steps: Int) {
        try begin(prompt: prompt)
        return try steps()
    }

    mutating func steps() throws -> (text: [UInt8], ids: [UInt32], steps: Int) {
        var text: [UInt8] = [], all: [UInt32] = [], count = 0
        while true {
            let step = try step()
            count += 1
            text += textBytes
            all += ids
            #expect((step == .drawn) == !ids.isEmpty)
            if case .ended = step { return (text, all, count) }
        }
    }

    mutating func saved() throws -> [UInt8] {
        var bytes: [UInt8] = []
        try save {
            bytes += $0
            return true
        }
        return bytes
    }

    mutating func restore(_ file: [UInt8]) throws {
        var rest = file[...]
        try restore { buffer in
            if rest.count < buffer.count { return false }
            buffer.copyBytes(from: rest.prefix(buffer.count))
            rest = rest.dropFirst(buffer.count)
            return true
        }
    }
}
