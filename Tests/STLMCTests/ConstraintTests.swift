import CSTLM
import Foundation
import PackedSupport
import TestSupport
import Testing

/// A constraint through C gives what stlm-run writes with the same seed, however the work is cut into steps.
@Suite(.enabled(if: Program.run.exists)) struct ConstraintTests {
    private static let grammar = "root ::= ([a-t]{2,5} \" \")* (\"the\" | \"\\\"\" [^\"]{0,9} \"\\\"\" | [0-9]+)"

    private func constrain(_ session: CSession, _ kind: Int32, _ text: String) throws -> AlignedMemory {
        let byteCount = stlm_constraint_bytes(session.model.pointer), memory = AlignedMemory(byteCount)
        try session.check(stlm_set_constraint(session.pointer, UInt32(kind), text, text.utf8.count, memory.start, byteCount))
        return memory
    }

    @Test(arguments: SmallModels.written, ["", "the end"]) func textIsThatOfStlmRun(_ path: String, _ prompt: String) throws {
        let folder = try TemporaryFolder(), file = try folder.file("g", Array(Self.grammar.utf8)), model = try CModel(path)
        for seed in [1, 2, 7] as [UInt64] {
            let run = try Program.run.call([
                path, "-p", prompt, "--temp", "1", "--seed", "\(seed)", "--grammar", file, "--no-echo", "--threads", "1", "-n", "30", "--slide",
            ])
            for (quantum, threads) in [(1, 1), (30_000, 2), (1 << 24, 1)] as [(UInt64, UInt32)] {
                let session = try model.session {
                    ($0.quantum, $0.threads, $0.sampling.temperature, $0.flags) = (quantum, threads, 65_536, UInt32(STLM_SLIDES))
                }
                let memory = try constrain(session, STLM_RULES, Self.grammar)
                stlm_set_seed(session.pointer, seed)
                session.limit(30)
                for _ in 0..<2 {
                    let text = try session.answer(prompt)
                    #expect(text == Array(run.output.dropLast()), "quantum \(quantum)")
                    let isWhole = [STLM_ENDING_END, STLM_ENDING_GRAMMAR].contains(Int32(session.progress.ending))
                    #expect(isWhole == (run.status == 0) || session.progress.ending == STLM_ENDING_TOKENS, "\(run.errors)")
                    stlm_reset(session.pointer)
                }
                withExtendedLifetime(memory) {}
            }
        }
    }

    /// After each prompt a constraint begins anew, and once it is cleared all may be drawn again.
    @Test(arguments: SmallModels.written) func aConstraintHoldsForEachPrompt(_ path: String) throws {
        let model = try CModel(path), free = try model.session { $0.sampling.temperature = 65_536 }
        let session = try model.session { $0.sampling.temperature = 65_536 }
        let memory = try constrain(session, STLM_CHOICES, "the\nthen\nt\u{E9}a")
        for _ in 0..<3 {
            let text = String(decoding: try session.answer("the"), as: UTF8.self)
            #expect(["the", "then", "t\u{E9}a"].contains(text), "\(text)")
        }
        // A score is that of all tokens.
        stlm_reset(session.pointer)
        if stlm_score(session.pointer, CText.theEnd, 7) == STLM_OK {
            try session.run()
            stlm_score(free.pointer, CText.theEnd, 7)
            try free.run()
            var costs: (UInt64, UInt64) = (0, 0), count: UInt64 = 0
            stlm_get_cost(session.pointer, &costs.0, &count)
            stlm_get_cost(free.pointer, &costs.1, &count)
            #expect(costs.0 == costs.1 && count > 0)
        }
        #expect(stlm_clear_constraint(session.pointer) == STLM_OK)
        stlm_reset(session.pointer)
        stlm_reset(free.pointer)
        stlm_set_seed(session.pointer, 4)
        stlm_set_seed(free.pointer, 4)
        #expect(try session.answer("the") == free.answer("the"))
        withExtendedLifetime(memory) {}
    }

    @Test func refusalsAreCodesAndSentences() throws {
        let model = try CModel(SmallModels.merges), session = try model.session()
        let byteCount = stlm_constraint_bytes(model.pointer), memory = AlignedMemory(byteCount + 64)
        func set(_ kind: UInt32, _ text: String?, _ start: UnsafeMutableRawPointer? = nil, _ count: Int? = nil) -> Int32 {
            stlm_set_constraint(session.pointer, kind, text, text?.utf8.count ?? 0, start ?? memory.start, count ?? byteCount)
        }
        #expect(set(0, "root ::= x") == STLM_BAD_GRAMMAR)
        #expect(session.sentence == "line 1, column 10: there is no rule 'x'; write it, or correct the name")
        #expect(set(1, "") == STLM_BAD_GRAMMAR && set(2, "a") == STLM_BAD_OPTION && set(0, nil) == STLM_NULL_POINTER)
        #expect(set(1, "a", memory.start + 32) == STLM_MISALIGNED)
        #expect(set(1, "a", nil, byteCount - 1) == STLM_TOO_SMALL && session.sentence.contains("\(byteCount)"))
        #expect(stlm_set_constraint(session.pointer, 1, "a", 1, nil, byteCount) == STLM_NULL_POINTER)
        #expect(set(1, "the") == STLM_OK && set(1, "then") == STLM_OK)
        // An error leaves none: all may be drawn again.
        #expect(set(0, "root") == STLM_BAD_GRAMMAR && stlm_clear_constraint(session.pointer) == STLM_OK)
        #expect(stlm_prompt(session.pointer, CText.the, 3) == STLM_OK)
        #expect(set(1, "the") == STLM_WRONG_ORDER && stlm_clear_constraint(session.pointer) == STLM_WRONG_ORDER)
        let bare = try CModel(SmallModels.bare)
        #expect(stlm_constraint_bytes(bare.pointer) == 0 && bare.sentence.contains("without a tokenizer"))
        #expect(stlm_constraint_bytes(nil) == 0 && stlm_set_constraint(nil, 0, "a", 1, memory.start, byteCount) == STLM_NULL_POINTER)
    }
}
