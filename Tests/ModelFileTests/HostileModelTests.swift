import Kernels
import ModelFile
import TestSupport
import Testing

/// A file that is accepted runs, whatever its numbers: no trap, nothing outside its memory, and the same bits in every way of running.
@Suite(.serialized) struct HostileModelTests {
    private static let files = (Samples.variants + [Samples.rich, Samples.characters] + Samples.blocks).map(EvilFile.init) + Samples.recoded
    private static let tokens: [UInt32] = [1, 7, 39, 7, 0]

    /// - Returns: true if the file was accepted.
    private func runs(_ evil: EvilFile, _ run: ModelRun, seed: UInt64) throws -> Bool {
        let bytes = evil.bytes()
        var numbers = SeededNumbers(seed: seed)
        do {
            let first = try run.run(bytes, tokens: Self.tokens, batch: 1, threads: 1, kernels: .baseline, fill: 0)
            let threads = seed % 64 == 0 ? 2 : 1
            let second = try run.run(
                bytes, tokens: Self.tokens, batch: numbers.int(2...6), threads: threads, kernels: .detected, fill: 0xFF)
            #expect(first == second && first.isSlackIntact, "seed \(seed)")
            return true
        } catch let error as ModelFileError {
            #expect(sentence(error).count > 20)
            return false
        }
    }

    @Test func packedModelsRun() throws {
        let run = ModelRun()
        for file in Self.files { #expect(try runs(file, run, seed: 64)) }
    }

    @Test(arguments: 0..<8 as Range<UInt64>) func runsOnEveryNumberThatTheFormatAllows(_ part: UInt64) throws {
        let run = ModelRun()
        for seed in part * 1_000..<part * 1_000 + 1_000 {
            var mutation = Mutation(seed: seed)
            var file = Self.files[Int(seed) % Self.files.count]
            mutation.legal(&file)
            #expect(try runs(file, run, seed: seed), "seed \(seed)")
        }
    }

    @Test(arguments: 8..<12 as Range<UInt64>) func refusesOrRunsWhateverStandsInTheTables(_ part: UInt64) throws {
        let run = ModelRun()
        var accepted = 0
        for seed in part * 1_000..<part * 1_000 + 1_000 {
            var mutation = Mutation(seed: seed)
            var file = Self.files[Int(seed) % Self.files.count]
            if seed % 2 == 0 { mutation.legal(&file) }
            mutation.blind(&file)
            if try runs(file, run, seed: seed) { accepted += 1 }
        }
        // Both happen: words of weights are free.
        #expect(accepted > 10 && accepted < 1_000)
    }
}
