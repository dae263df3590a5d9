import CSTLM
import Foundation
import PackedSupport
import TestSupport
import Testing

/// What comes out through C is what stlm-run writes with the same seed, however the work is cut into steps.
@Suite(.enabled(if: Program.run.exists)) struct TextTests {
    /// What stlm-run writes after a prompt, without the newline that ends it.
    private func written(_ words: [String]) throws -> [UInt8] {
        let outcome = try Program.run.call(words + ["--no-echo", "--threads", "1"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return Array(outcome.output.dropLast())
    }

    private static let long = "the end of the thesis is that they then thaw the teeth of the other"

    @Test(arguments: SmallModels.written, ["", "the", "then the é\u{301}", " the teeth"])
    func textIsThatOfStlmRun(_ path: String, _ prompt: String) throws {
        let model = try CModel(path)
        for seed in [0, 3, 8] as [UInt64] {
            let expected = try written([path, "-p", prompt, "--temp", "0.9", "--seed", "\(seed)"])
            for (quantum, threads) in [(1, 1), (3_000, 1), (50_000, 2), (1 << 24, 1)] as [(UInt64, UInt32)] {
                let session = try model.session {
                    ($0.quantum, $0.threads, $0.sampling.temperature) = (quantum, threads, 58_982)
                }
                stlm_set_seed(session.pointer, seed)
                #expect(try session.answer(prompt) == expected, "quantum \(quantum)")
                // The same again after a reset, with the seed that was given.
                stlm_reset(session.pointer)
                #expect(try session.answer(prompt) == expected, "quantum \(quantum)")
            }
        }
    }

    @Test(arguments: SmallModels.written, [UInt64(1), 40_000])
    func slidesAsStlmRun(_ path: String, _ quantum: UInt64) throws {
        let model = try CModel(path)
        for (prompt, context) in [("the", 12), (Self.long, 5), (Self.long, 16), ("", 3)] {
            let words = [path, "-p", prompt, "--slide", "--ignore-eos", "-n", "40", "--seed", "5", "--temp", "1", "--top-k", "20",
                "--top-p", "1", "--min-p", "0", "--repeat-penalty", "1.3", "--repeat-window", "9", "--context", "\(context)"]
            let session = try model.session {
                ($0.quantum, $0.context, $0.flags) = (quantum, UInt32(context), UInt32(STLM_SLIDES | STLM_IGNORES_END))
                $0.sampling = stlm_sampling(
                    temperature: 65_536, top_k: 20, top_p: 65_536, min_p: 0, repeat_penalty: 85_197, repeat_window: 9)
            }
            stlm_set_seed(session.pointer, 5)
            session.limit(40)
            #expect(try session.answer(prompt) == written(words), "\(prompt), \(context)")
            #expect(session.progress.ending == UInt32(STLM_ENDING_TOKENS) && session.progress.tokens == 40)
        }
    }

    @Test(arguments: SmallModels.written) func stopsAndLimitsAsStlmRun(_ path: String) throws {
        let model = try CModel(path)
        for seed in 1...6 as ClosedRange<UInt64> {
            let words = [path, "-p", "the", "--seed", "\(seed)", "--temp", "1", "--ignore-eos", "--slide"]
            func session() throws -> CSession {
                let session = try model.session {
                    $0.flags = UInt32(STLM_SLIDES | STLM_IGNORES_END)
                    $0.sampling.temperature = 65_536
                }
                stlm_set_seed(session.pointer, seed)
                return session
            }
            let limited = try session()
            limited.limit(bytes: 17)
            #expect(try limited.answer("the") == written(words + ["--bytes", "17"]))
            #expect(limited.progress.ending == UInt32(STLM_ENDING_BYTES))
            // Something that is sure to come: two bytes of the text.
            limited.limit(60)
            stlm_reset(limited.pointer)
            let whole = String(decoding: try limited.answer("the"), as: UTF8.self)
            let ascii = whole.utf8.split { !(0x21...0x7E).contains($0) || $0 == 0x2D }.first { $0.count > 1 }
            guard let stop = ascii.map({ String(decoding: $0.prefix(2), as: UTF8.self) }) else { continue }
            let stopped = try session()
            stopped.limit(60)
            #expect(stlm_add_stop(stopped.pointer, stop, stop.utf8.count) == STLM_OK)
            #expect(try stopped.answer("the") == written(words + ["-n", "60", "--stop", stop]), "\(stop)")
            #expect(stopped.progress.ending == UInt32(STLM_ENDING_STOP))
        }
    }

    @Test func idsAreThoseOfStlmRun() throws {
        for path in [SmallModels.bare, SmallModels.merges] {
            let model = try CModel(path)
            let expected = try written([path, "--ids", "3 1 4 1 5", "-n", "9", "--seed", "7", "--temp", "1", "--ignore-eos"])
            let other = try model.session {
                ($0.sampling.temperature, $0.flags) = (65_536, UInt32(STLM_IGNORES_END))
            }
            stlm_set_seed(other.pointer, 7)
            other.limit(9)
            try other.answer(ids: [3, 1, 4, 1, 5])
            #expect(other.ids.map(String.init).joined(separator: " ") == String(decoding: expected, as: UTF8.self))
        }
    }

    @Test func aModelThatIsNotCausalWritesAsStlmRun() throws {
        let model = try CModel(SmallModels.notCausal), session = try model.session { $0.quantum = 1 }
        #expect(try session.answer("the") == written([SmallModels.notCausal, "-p", "the", "--seed", "0"]))
    }

    /// A second prompt goes on after the first answer, as in a run that goes on with a saved session.
    @Test(arguments: SmallModels.written) func aSecondPromptGoesOn(_ path: String) throws {
        let folder = try TemporaryFolder(), file = folder.path("s"), model = try CModel(path)
        let flags = ["--temp", "1", "--ignore-eos", "--slide", "--context", "14", "--repeat-penalty", "1.2", "--repeat-window", "5"]
        for (first, second) in [(0, 6), (4, 5), (11, 20)] {
            let session = try model.session {
                ($0.context, $0.flags, $0.quantum) = (14, UInt32(STLM_SLIDES | STLM_IGNORES_END), 10_000)
                ($0.sampling.temperature, $0.sampling.repeat_penalty, $0.sampling.repeat_window) = (65_536, 78_643, 5)
            }
            stlm_set_seed(session.pointer, 2)
            session.limit(first)
            let a = try session.answer("the end")
            #expect(try a == written([path, "-p", "the end", "-n", "\(first)", "--seed", "2", "--save-session", file] + flags))
            #expect(try session.saved() == folder.bytes("s"))
            session.limit(second)
            let b = try session.answer(" then")
            #expect(try b == written([path, "-p", " then", "-n", "\(second)", "--session", file] + flags), "\(first)")
        }
    }

    /// Steps are small where the quantum is, and one step does much where it is great.
    @Test func stepsFollowTheQuantum() throws {
        let model = try CModel(SmallModels.merges)
        var counts: [Int] = []
        for quantum in [1, 5_000, 30_000, 1 << 30] as [UInt64] {
            let session = try model.session { ($0.quantum, $0.flags) = (quantum, UInt32(STLM_IGNORES_END)) }
            session.limit(5)
            try session.answer("the thesis")
            counts.append(session.stepCount)
            var bound: UInt64 = 0
            #expect(stlm_step_bound(session.pointer, &bound) == STLM_OK && bound >= quantum)
        }
        #expect(counts == counts.sorted(by: >) && counts[0] > 100 && counts[3] == 6, "\(counts)")
    }
}
