import PackedSupport
import Packing
import TestSupport
import Testing

/// Between its beginning and its end a session calls neither the heap nor, but to wait for work, the system.
@Suite(.enabled(if: Program(name: "allocation-check").exists), .serialized) struct AllocationTests {
    private static let check = Program(name: "allocation-check")

    private func models(_ folder: TemporaryFolder) throws -> [String] {
        let merges = SyntheticSTLM { ($0.vocabularySize, $0.contextSize, $0.layerCount) = (SyntheticTokenizer.mergesVocabularySize, 64, 2) }
        return try [folder.file("tokens.stlm", merges.packedBytes(.int4, tokenizer: SyntheticTokenizer.merges))]
            + ByteLevelSource.pairs.prefix(2).enumerated().map { try folder.file("\($0).stlm", $1.source.packed(.int8).bytes) }
    }

    /// 7 samplers, 300 tokens each, over a context of 48 that slides.
    @Test(arguments: ["1", "2"], ["int16", "int8", "int4"]) func aSessionNeverCallsTheHeap(_ threads: String, _ type: String) throws {
        let folder = try TemporaryFolder()
        for model in try models(folder) {
            let run = try Self.check.call([model, model.contains("tokens") ? "300" : "60", threads, type])
            #expect(run.status == 0 && run.text == "0\n", "\(model), \(run.status), \(run.text)\(run.errors)")
        }
    }

    /// The same where any system call but write and futex would end the process.
    @Test(arguments: ["1", "2"]) func aSessionNeverCallsTheSystem(_ threads: String) throws {
        let folder = try TemporaryFolder()
        for model in try models(folder) {
            let run = try Self.check.call([model, "300", threads, "int8", "jail"])
            #expect(run.status == 0 && run.text == "0\n", "\(model), \(run.status), \(run.text)\(run.errors)")
        }
    }
}
