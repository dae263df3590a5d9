import CSTLM
import Foundation
import PackedSupport
import TestSupport
import Testing

/// What a text costs through C.
@Suite struct ScoreTests {
    private static let text = "the end of the thesis is that they then thaw the teeth"

    @Test(.enabled(if: Program.run.exists), arguments: SmallModels.written + [SmallModels.pooled], [UInt64(1), 1 << 24])
    func costsAreThoseOfStlmRun(_ path: String, _ quantum: UInt64) throws {
        let folder = try TemporaryFolder(), model = try CModel(path)
        for context in [5, 16] {
            let file = try folder.file("text", Array(Self.text.utf8))
            let outcome = try Program.run.call(["score", path, "--file", file, "--json", "--context", "\(context)", "--threads", "1"])
            struct Result: Decodable { let tokens: UInt64?, blocks: UInt64?, bits: Double }
            let expected = try JSONDecoder().decode(Result.self, from: Data(outcome.output))
            let session = try model.session { ($0.context, $0.quantum) = (UInt32(context), quantum) }
            for _ in 0..<2 {
                let result = try session.score(Self.text)
                #expect(result.count == expected.tokens ?? expected.blocks)
                #expect(abs(Double(result.cost) / 16_777_216 - expected.bits) < 1e-6)
                #expect(session.progress.ending == UInt32(STLM_ENDING_SCORED) && session.progress.position == 0)
            }
        }
    }

    /// A text costs what its beginning costs and what the rest costs after it.
    @Test(arguments: [SmallModels.merges, SmallModels.begins, SmallModels.slots, SmallModels.decoder])
    func aContinuationCostsTheRest(_ path: String) throws {
        let model = try CModel(path)
        let session = try model.session()
        session.limit(0)
        try session.answer("the end")
        let second = try session.score(" the bee"), third = try session.score(" at")
        stlm_reset(session.pointer)
        try session.answer("the end")
        let both = try session.score(" the bee at")
        #expect(both.cost == second.cost + third.cost && both.count == second.count + third.count)
        #expect(second.count > 0 && third.count > 0)
        if path == SmallModels.begins || path == SmallModels.merges {
            stlm_reset(session.pointer)
            let all = try session.score("the end the bee at"), first = try { stlm_reset(session.pointer); return try session.score("the end") }()
            #expect(all.cost == first.cost + both.cost && all.count == first.count + both.count)
        }
        // What was scored is part of the sequence.
        let other = try model.session()
        other.limit(6)
        session.limit(6)
        stlm_reset(session.pointer)
        session.limit(0)
        try session.answer("the end")
        _ = try session.score(" the bee at")
        session.limit(6)
        #expect(try session.answer("") == other.answer("the end the bee at"))
    }

    @Test func aContinuationThatDoesNotFitIsRefused() throws {
        let session = try CModel(SmallModels.merges).session { $0.context = 10 }
        session.limit(0)
        try session.answer("the end")
        #expect { _ = try session.score(String(repeating: " the end", count: 9)) } throws: { ($0 as? Failure)?.status == STLM_CONTEXT_FULL }
    }
}
