import PackedSupport
import Testing

/// --memory-limit is kept by every verb: what the system counts of the process is never above it, though the weights alone are.
@Suite(.enabled(if: Program.run.exists && PeakMemory.isMeasured), .serialized) struct PeakTests {
    private static let trial = Result { try PeakMemory.Trial() }

    @Test(arguments: ["1", "2"], 0..<7) func noVerbTakesMoreThanItsLimit(_ threads: String, _ verb: Int) throws {
        let trial = try Self.trial.get(), words = trial.verbs[verb] + ["--threads", threads]
        let free = try PeakMemory.call(Program.run.path, words)
        #expect(free.outcome.status == 0 && free.byteCount > trial.byteCount, "\(free.outcome.errors)")
        // What the system libraries take differs a little from run to run.
        let limit = try #require(try trial.least(Program.run.path, words)) + 300_000
        #expect(limit < trial.byteCount)
        let kept = try PeakMemory.call(Program.run.path, words + ["--memory-limit", "\(limit)"])
        #expect(kept.outcome.status == 0 && kept.byteCount <= limit && kept.byteCount > limit / 3, "\(kept.byteCount) of \(limit) \(kept.outcome.errors)")
        if words[0] != "bench", words.contains("--ids") == false || words[0] == "logits" { #expect(kept.outcome.output == free.outcome.output) }
        if verb == 0 { try aDamagedWeightIsStillFound(trial, words, limit) }
        print("resident at most, \(words[0] == trial.model ? "generate" : words[0]), threads \(threads): \(kept.byteCount) of \(limit)")
    }

    private func aDamagedWeightIsStillFound(_ trial: PeakMemory.Trial, _ words: [String], _ limit: Int) throws {
        var bytes = try #require(trial.folder.bytes("model.stlm"))
        bytes[bytes.count - 1] ^= 1
        let damaged = try trial.folder.file("damaged.stlm", bytes)
        let outcome = try Program.run.call(words.map { $0 == trial.model ? damaged : $0 } + ["--memory-limit", "\(limit)"])
        expectRefusal(outcome, status: 1, containing: "checksum")
    }
}
