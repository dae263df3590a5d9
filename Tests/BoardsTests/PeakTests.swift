import PackedSupport
import STLM
import Testing

/// --memory-limit is kept to the byte by the static program: the least that it says it needs is enough, for every verb and all kernels.
@Suite(.serialized, .enabled(if: PeakMemory.isMeasured && Board.x86.isAvailable)) struct PeakTests {
    private static let trial = Result { try PeakMemory.Trial() }

    @Test(arguments: 0..<7, ["", "baseline", "avx2", "avx512"]) func theLeastIsEnough(_ verb: Int, _ kernels: String) throws {
        let trial = try Self.trial.get(), program = Board.x86.folder + "/stlm-run", environment = kernels.isEmpty ? [:] : ["STLM_CPU": kernels]
        for threads in kernels.isEmpty ? ["1", "2"] : ["1"] {
            let words = trial.verbs[verb] + ["--threads", threads]
            let refusal = try Program.call(program, words + ["--memory-limit", "1MB"], environment: environment)
            if refusal.errors.contains("does not have") { return }
            let limit = try #require(try trial.least(program, words, environment: environment))
            #expect(limit < trial.byteCount / 2)
            let kept = try PeakMemory.call(program, words + ["--memory-limit", "\(limit)"], environment: environment)
            #expect(kept.outcome.status == 0 && kept.byteCount <= limit, "\(kept.byteCount) of \(limit) \(kept.outcome.errors)")
            print("resident at most, \(words[0] == trial.model ? "generate" : words[0]), \(kernels) threads \(threads): \(kept.byteCount) of \(limit)")
        }
    }
}
