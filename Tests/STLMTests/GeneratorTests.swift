import Foundation
import Grammar
import Kernels
import PackedSupport
import STLM
import TestSupport
import Testing

/// What a generator writes is what stlm-run writes with the same seed, however the work is cut into steps.
@Suite(.enabled(if: Program.run.exists)) struct GeneratorTests {
    private static let long = "the end of the thesis is that they then thaw the teeth of the other"

    private func sampling(_ path: String, _ change: (inout SamplingSettings) -> Void) throws -> SamplingSettings {
        var sampling = try MappedModel(path).sampling
        change(&sampling)
        return sampling
    }

    @Test(arguments: SmallModels.written, ["", "the", "then the é\u{301}", " the teeth"])
    func textIsThatOfStlmRun(_ path: String, _ prompt: String) throws {
        let model = try MappedModel(path)
        let sampling = try sampling(path) { $0.temperature = SamplingSettings.fraction(9, of: 10) }
        for seed in [0, 3, 8] as [UInt64] {
            let expected = try SmallModels.written([path, "-p", prompt, "--temp", "0.9", "--seed", "\(seed)"])
            for (work, threads) in [(1, 1), (3_000, 1), (50_000, 2), (1 << 24, 1)] as [(Int64, Int)] {
                var generator = try Generator(model, GeneratorOptions(sampling: sampling, threadCount: threads, stepWork: work))
                generator.setSeed(seed)
                #expect(try generator.answer(prompt).text == expected, "work \(work)")
                // The same again after a reset, with the seed that was given, and in one call.
                generator.reset()
                #expect(try generator.text(after: prompt) == String(decoding: expected, as: UTF8.self), "work \(work)")
            }
        }
    }

    @Test(arguments: SmallModels.written, [Int64(1), 40_000])
    func slidesAsStlmRun(_ path: String, _ work: Int64) throws {
        let model = try MappedModel(path)
        let sampling = try sampling(path) {
            ($0.temperature, $0.topK, $0.topP, $0.minP, $0.repeatPenalty, $0.repeatWindow) = (65_536, 20, 65_536, 0, 85_197, 9)
        }
        for (prompt, context) in [("the", 12), (Self.long, 5), (Self.long, 16), ("", 3)] {
            let words = [path, "-p", prompt, "--slide", "--ignore-eos", "-n", "40", "--seed", "5", "--temp", "1", "--top-k", "20",
                "--top-p", "1", "--min-p", "0", "--repeat-penalty", "1.3", "--repeat-window", "9", "--context", "\(context)"]
            var generator = try Generator(
                model, GeneratorOptions(contextTokenCount: context, sampling: sampling, slides: true, ignoresEnd: true, stepWork: work))
            generator.setSeed(5)
            generator.tokenLimit = 40
            #expect(try generator.answer(prompt).text == SmallModels.written(words), "\(prompt), \(context)")
            #expect(generator.ending == .tokenLimit && generator.drawnCount == 40)
        }
    }

    /// A slide is many steps: saved or cancelled between any two of them the sequence is whole.
    @Test(arguments: [SmallModels.merges, SmallModels.learned, SmallModels.decoder]) func aSlideCanBeSavedAndCancelledAtAnyStep(_ path: String) throws {
        let model = try MappedModel(path), sampling = try sampling(path) { $0.temperature = 65_536 }
        let options = GeneratorOptions(contextTokenCount: 6, sampling: sampling, slides: true, ignoresEnd: true, stepWork: 1)
        func generator(after stepCount: Int) throws -> Generator {
            var generator = try Generator(model, options)
            generator.setSeed(3)
            generator.tokenLimit = 12
            try generator.begin(prompt: "the end")
            for _ in 0..<stepCount { _ = try generator.step() }
            return generator
        }
        func restored(_ file: [UInt8]) throws -> Generator {
            var generator = try Generator(model, options)
            try generator.restore(file)
            return generator
        }
        var stepCount = 0, cut = 0
        while true {
            var saved = try generator(after: stepCount)
            if saved.isAtRest { break }
            stepCount += 1
            if saved.drawnCount == 0 { continue }
            cut += 1
            // Saved as it works it goes on with the same bits, and so does what is restored.
            var other = try restored(saved.saved()), untouched = try generator(after: stepCount - 1)
            other.tokenLimit = 12 - saved.drawnCount
            let rest = try saved.steps().ids
            #expect(try untouched.steps().ids == rest, "saved after \(stepCount - 1) steps")
            #expect(try other.answer("").ids == rest, "restored after \(stepCount - 1) steps")
            // Cancelled it goes on as what is saved then.
            var cancelled = try generator(after: stepCount - 1), twin = try generator(after: stepCount - 1)
            cancelled.cancel()
            twin.cancel()
            other = try restored(twin.saved())
            (cancelled.tokenLimit, other.tokenLimit) = (9, 9)
            #expect(try cancelled.answer(" then").ids == other.answer(" then").ids, "cancelled after \(stepCount - 1) steps")
        }
        #expect(cut > 40)
    }

    @Test(arguments: SmallModels.written, [Int64(1), 40_000]) func keepsToAGrammarAsStlmRun(_ path: String, _ work: Int64) throws {
        let model = try MappedModel(path), sampling = try sampling(path) { $0.temperature = 65_536 }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Constraint.byteCount(model.model), alignment: 64)
        defer { memory.deallocate() }
        let choices = [" the end", " that", " then"], text = choices.joined(separator: "\n")
        var generator = try Generator(model, GeneratorOptions(sampling: sampling, slides: true, stepWork: work))
        generator.constraint = try Array(text.utf8).withUnsafeBufferPointer {
            try Constraint(model.model, .choices, $0, allowsEnd: true, memory: memory)
        }
        // A constraint says where a text ends: no stop string does.
        try generator.addStop("t")
        for seed in 1...4 as ClosedRange<UInt64> {
            let words = [path, "-p", "the", "--seed", "\(seed)", "--temp", "1", "--slide"] + choices.flatMap { ["--one-of", $0] }
            generator.reset()
            generator.setSeed(seed)
            let answer = try generator.answer("the").text
            #expect(try answer == SmallModels.written(words) && choices.contains(String(decoding: answer, as: UTF8.self)))
            #expect(generator.ending == .grammar || generator.ending == .endToken)
        }
        generator.constraint = nil
        try generator.removeStops()
        generator.tokenLimit = 3
        _ = try generator.answer("the")
        #expect(generator.drawnCount == 3 || generator.ending == .endToken)
    }

    @Test(arguments: SmallModels.written) func stopsAndLimitsAsStlmRun(_ path: String) throws {
        let model = try MappedModel(path), sampling = try sampling(path) { $0.temperature = 65_536 }
        for seed in 1...6 as ClosedRange<UInt64> {
            let words = [path, "-p", "the", "--seed", "\(seed)", "--temp", "1", "--ignore-eos", "--slide"]
            var generator = try Generator(model, GeneratorOptions(sampling: sampling, slides: true, ignoresEnd: true))
            generator.setSeed(seed)
            generator.byteLimit = 17
            #expect(try generator.answer("the").text == SmallModels.written(words + ["--bytes", "17"]))
            #expect(generator.ending == .byteLimit)
            // Something that is sure to come: two bytes of the text.
            (generator.tokenLimit, generator.byteLimit) = (60, .max)
            generator.reset()
            let whole = try generator.text(after: "the")
            let ascii = whole.utf8.split { !(0x21...0x7E).contains($0) || $0 == 0x2D }.first { $0.count > 1 }
            guard let stop = ascii.map({ String(decoding: $0.prefix(2), as: UTF8.self) }) else { continue }
            generator.reset()
            try generator.addStop(stop)
            #expect(try generator.answer("the").text == SmallModels.written(words + ["-n", "60", "--stop", stop]), "\(stop)")
            #expect(generator.ending == .stopString)
            try generator.removeStops()
            generator.reset()
            #expect(try generator.text(after: "the") == whole)
        }
    }

    @Test func idsAreThoseOfStlmRun() throws {
        for path in [SmallModels.bare, SmallModels.merges] {
            let model = try MappedModel(path), sampling = try sampling(path) { $0.temperature = 65_536 }
            let expected = try SmallModels.written([path, "--ids", "3 1 4 1 5", "-n", "9", "--seed", "7", "--temp", "1", "--ignore-eos"])
            var generator = try Generator(model, GeneratorOptions(sampling: sampling, ignoresEnd: true))
            generator.setSeed(7)
            generator.tokenLimit = 9
            let ids: [UInt32] = [3, 1, 4, 1, 5]
            let drawn = try ids.withUnsafeBufferPointer {
                try generator.begin(ids: $0)
                return try generator.steps().ids
            }
            #expect(drawn.map(String.init).joined(separator: " ") == String(decoding: expected, as: UTF8.self))
        }
    }

    @Test func aModelThatIsNotCausalWritesAsStlmRun() throws {
        var generator = try Generator(try MappedModel(SmallModels.notCausal), GeneratorOptions(stepWork: 1))
        #expect(try generator.answer("the").text == SmallModels.written([SmallModels.notCausal, "-p", "the", "--seed", "0"]))
    }

    /// A second prompt goes on after the first answer, as a run that goes on with a saved session; and a saved session is that of the run.
    @Test(arguments: SmallModels.written, [KeyValueType.int16, .int4]) func aSecondPromptGoesOn(_ path: String, _ type: KeyValueType) throws {
        let folder = try TemporaryFolder(), file = folder.path("s"), model = try MappedModel(path)
        let kv = type == .int16 ? "int16" : "int4"
        let flags = ["--temp", "1", "--ignore-eos", "--slide", "--context", "14", "--repeat-penalty", "1.2", "--repeat-window", "5", "--kv", kv]
        let sampling = try sampling(path) { ($0.temperature, $0.repeatPenalty, $0.repeatWindow) = (65_536, 78_643, 5) }
        let options = GeneratorOptions(
            contextTokenCount: 14, sampling: sampling, keyValueType: type, slides: true, ignoresEnd: true, stepWork: 10_000)
        for (first, second) in [(0, 6), (4, 5), (11, 20)] {
            var generator = try Generator(model, options)
            generator.setSeed(2)
            generator.tokenLimit = first
            let a = try generator.answer("the end").text
            #expect(try a == SmallModels.written([path, "-p", "the end", "-n", "\(first)", "--seed", "2", "--save-session", file] + flags))
            let saved = try generator.saved()
            #expect(saved == folder.bytes("s"))
            generator.tokenLimit = second
            let b = try generator.answer(" then").text
            #expect(try b == SmallModels.written([path, "-p", " then", "-n", "\(second)", "--session", file] + flags), "\(first)")
            // Another generator goes on from the file, with the same bits.
            var other = try Generator(model, options)
            try other.restore(saved)
            other.tokenLimit = second
            #expect(try other.answer(" then").text == b)
        }
    }

    @Test(arguments: SmallModels.written + [SmallModels.pooled], [Int64(1), 1 << 24])
    func costsAreThoseOfStlmRun(_ path: String, _ work: Int64) throws {
        let text = "the end of the thesis is that they then thaw the teeth"
        let folder = try TemporaryFolder(), model = try MappedModel(path), file = try folder.file("text", Array(text.utf8))
        for context in [5, 16] {
            let outcome = try Program.run.call(["score", path, "--file", file, "--json", "--context", "\(context)", "--threads", "1"])
            struct Result: Decodable { let tokens: Int?, blocks: Int?, bits: Double }
            let expected = try JSONDecoder().decode(Result.self, from: Data(outcome.output))
            var generator = try Generator(model, GeneratorOptions(contextTokenCount: context, stepWork: work))
            for _ in 0..<2 {
                let cost = try generator.cost(of: text)
                #expect(cost.count == expected.tokens ?? expected.blocks)
                #expect(abs(Double(cost.bits) / 16_777_216 - expected.bits) < 1e-6)
                #expect(generator.ending == .scored && generator.position == 0)
            }
        }
    }

    /// A text costs what its beginning costs and what the rest costs after it.
    @Test(arguments: [SmallModels.merges, SmallModels.begins, SmallModels.decoder]) func aContinuationCostsTheRest(_ path: String) throws {
        var generator = try Generator(try MappedModel(path))
        generator.tokenLimit = 0
        _ = try generator.answer("the end")
        let first = try generator.cost(of: " the bee"), second = try generator.cost(of: " at")
        generator.reset()
        _ = try generator.answer("the end")
        let both = try generator.cost(of: " the bee at")
        #expect(both.bits == first.bits + second.bits && both.count == first.count + second.count && first.count > 0)
    }

    /// More work a step, fewer steps; one step is never longer than said.
    @Test func stepsFollowTheirWork() throws {
        let model = try MappedModel(SmallModels.merges)
        var counts: [Int] = []
        for work in [1, 5_000, 30_000, 1 << 30] as [Int64] {
            var generator = try Generator(model, GeneratorOptions(ignoresEnd: true, stepWork: work))
            generator.tokenLimit = 5
            counts.append(try generator.answer("the thesis").steps)
            #expect(generator.stepBound >= work)
        }
        #expect(counts == counts.sorted(by: >) && counts[0] > 100 && counts[3] == 6, "\(counts)")
    }
}
