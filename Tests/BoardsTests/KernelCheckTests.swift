import PackedSupport
import Testing

/// The kernels as a board's build has them: each set that a CPU runs against the Swift reference, on that CPU.
@Suite(.serialized) struct KernelCheckTests {
    /// The sets named in lines like "neon: 12345 checks, all equal".
    private func equalSets(_ outcome: Program.Outcome) -> [String] {
        outcome.text.split(separator: "\n").compactMap { line in
            guard let found = line.wholeMatch(of: /([a-z0-9]+): ([0-9]+) checks, all equal/), let count = Int(found.2) else { return nil }
            return count > 1_000 ? String(found.1) : nil
        }
    }

    @Test(.enabled(if: Board.x86.isAvailable)) func everySetOfThisCPU() throws {
        let outcome = try Board.x86.run([], program: "kernel-check")
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
        // Every line is one of those: what a CPU lacks is not named.
        let sets = equalSets(outcome)
        #expect(sets.count == outcome.text.split(separator: "\n").count || outcome.text.hasPrefix("baseline: "), "\(outcome.text)")
        #expect(sets == ["avx2", "avxvnni", "avx512"].filter(sets.contains), "\(outcome.text)")
    }

    /// Boards of the Raspberry Pi 3, 4 and 5, and a CPU with all that there is.
    @Test(.enabled(if: Board.aarch64.isAvailable), arguments: [
        ("cortex-a53", ["neon"]), ("cortex-a72", ["neon"]), ("cortex-a76", ["neon", "dotprod"]), ("max", ["neon", "dotprod", "i8mm"]),
    ])
    func everySetOfEveryARM(_ cpu: String, _ sets: [String]) throws {
        let outcome = try Board.aarch64.run([], program: "kernel-check", cpu: cpu)
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
        #expect(equalSets(outcome) == sets, "\(outcome.text)")
    }

    @Test(.enabled(if: Board.armv7.isAvailable)) func theSetOfARMv7() throws {
        let outcome = try Board.armv7.run([], program: "kernel-check")
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
        #expect(equalSets(outcome) == ["neon"], "\(outcome.text)")
    }

    @Test(arguments: [Board.armv6, .riscv64].filter(\.isAvailable)) func runsTheReferenceAlone(_ board: Board) throws {
        let outcome = try board.run([], program: "kernel-check")
        #expect(outcome.status == 0 && outcome.text.hasPrefix("baseline: "), "\(outcome.text)\(outcome.errors)")
    }

    @Test(arguments: Board.every.filter(\.isAvailable)) func refusesOtherWords(_ board: Board) throws {
        for words in [["--rounds"], ["--rounds", "0"], ["--rounds", "x"], ["--round", "1"], ["1"], ["--rounds", "1", "2"]] {
            let outcome = try board.run(words, program: "kernel-check")
            #expect(outcome.status == 2 && outcome.output.isEmpty && outcome.errors.hasPrefix("usage: "), "\(words)")
        }
    }
}
