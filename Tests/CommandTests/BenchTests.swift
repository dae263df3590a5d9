import Foundation
import Kernels
import PackedSupport
import STLM
import TestSupport
import Testing

/// What `stlm-run bench` counts and prints; never how fast it is.
@Suite(.enabled(if: Program.run.exists)) struct BenchTests {
    private func bench(_ words: String..., environment: [String: String] = [:]) throws -> [String: Any] {
        let outcome = try Program.run.call(["bench"] + words + ["--json", "--rounds", "2"], environment: environment)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
    }

    private func number(_ object: [String: Any], _ keys: String...) throws -> Double {
        var value: Any? = object
        for key in keys { value = (value as? [String: Any])?[key] }
        return try #require(value as? NSNumber, "\(keys)").doubleValue
    }

    @Test(arguments: [CommandFixture.merges, CommandFixture.bare, CommandFixture.slots, CommandFixture.decoder, CommandFixture.notCausal])
    func everyFigureIsThere(_ path: String) throws {
        let result = try bench(path, "-p", "6", "-n", "5", "--threads", "2")
        let model = try CommandFixture.opened(path).model
        #expect(try number(result, "threads") == 2 && number(result, "rounds") == 2)
        #expect(try number(result, "prompt", "count") == 6 && number(result, "decode", "count") == 5)
        #expect(try number(result, "file_bytes") == Double(Data(contentsOf: URL(fileURLWithPath: path)).count))
        #expect(try number(result, "weight_bytes_per_position") == Double(model.weightByteCountPerPosition))
        #expect(result["unit"] as? String == (model.takesBlocks ? "blocks" : "tokens"))
        #expect(result["kernels"] as? String == "\(KernelSet.detected.name)")
        for phase in ["prompt", "decode"] {
            let least = try number(result, phase, "per_second", "least"), most = try number(result, phase, "per_second", "most")
            let median = try number(result, phase, "per_second", "median")
            #expect(0 < least && least <= median && median <= most)
            let shares = try #require((result[phase] as? [String: Any])?["share"] as? [String: NSNumber])
            #expect(shares.count == Operation.count)
            #expect(abs(shares.values.reduce(0) { $0 + $1.doubleValue } - 1) < 0.001)
            #expect(shares["linear"]!.doubleValue > 0 && shares["attention"]!.doubleValue > 0)
        }
        for key in ["first_token_ms", "open_ms", "weight_bytes_per_second", "read_bytes_per_second"] { #expect(try number(result, key) > 0) }
        #expect((result["text_bytes_per_second"] != nil) == model.writesBlocks)
    }

    /// What is measured has the type and the arena that `info` says.
    @Test(arguments: [KeyValueType.int16, .int8, .int4]) func typesOfKeysAndValuesAreNamed(_ type: KeyValueType) throws {
        let name = "\(type)", path = CommandFixture.merges
        let result = try bench(path, "-p", "6", "-n", "5", "--threads", "1", "--context", "20", "--kv", name)
        let info = try Program.run("info", path, "--json", "--threads", "1", "--context", "20", "--kv", name)
        let object = try #require(JSONSerialization.jsonObject(with: Data(info.output)) as? [String: Any])
        #expect(result["kv"] as? String == name && object["kv"] as? String == name)
        let model = try CommandFixture.opened(path).model
        var options = SessionOptions(model)
        (options.contextTokenCount, options.keyValueType) = (20, type)
        let plan = try MemoryPlan(model, options)
        #expect(try number(object, "arena_bytes") == Double(plan.arenaByteCount) && number(object, "kv_bytes") == Double(plan.keyValueByteCount))
        #expect(try Program.run("info", path, "--kv", name).text.contains("keys and values \(name)"))
        #expect(try Program.run("bench", path, "-p", "4", "-n", "4", "--rounds", "1", "--kv", name).text.contains("keys and values \(name)"))
    }

    /// Counted by hand: rows are padded to 16, columns to 4, and 16 rows have 32 bytes of scales; of the table one row and its scale.
    @Test func weightsOfATokenAreCountedAsOftenAsTheyAreRead() throws {
        func bytes(_ rows: Int, _ columns: Int) -> Int { (rows + 15) / 16 * ((columns + 3) / 4 * 64 + 32) }
        for isShared in [false, true] {
            let source = SyntheticSTLM { ($0.isFeedForwardShared, $0.positions) = (isShared, "rope") }
            let model = try source.packed(.int8).model
            let width = source.hiddenSize, size = width / source.headCount
            let attention = bytes((source.headCount + 2 * source.headCount / source.groupSize) * size, width) + bytes(width, width)
            let feedForward = 2 * bytes(source.feedForwardSize, width) + bytes(width, source.feedForwardSize)
            let expected = source.layerCount * (attention + feedForward) + bytes(source.vocabularySize, width) + (width + 3) / 4 * 4 + 2
            #expect(model.weightByteCountPerPosition == expected)
        }
    }

    @Test func theTextSaysTheSame() throws {
        let outcome = try Program.run("bench", CommandFixture.merges, "-p", "4", "-n", "4", "--rounds", "1")
        #expect(outcome.status == 0)
        for word in ["kernels ", "prompt ", "decode ", "first token ", "opening ", "weights read ", "share of time", "attention ", "sampling "] {
            #expect(outcome.text.contains("\n" + word) || outcome.text.hasPrefix(word), "\(word)")
        }
    }

    @Test func kernelsCanBeForced() throws {
        let forced = try bench(CommandFixture.merges, "-p", "2", "-n", "2", environment: ["STLM_CPU": "baseline"])
        #expect(forced["kernels"] as? String == "baseline")
    }

    @Test func wrongUseIsRefused() throws {
        for (words, sentence) in [
            (["-p", "0"], "-p takes"), (["-p", "x"], "-p takes"), (["-n", "0"], "-n takes"), (["--rounds", "0"], "--rounds takes"),
            (["--rounds", "100"], "--rounds takes"), (["--temp", "1"], "has no meaning"), (["-p", "30", "-n", "30"], "give a smaller -p or -n"),
        ] {
            expectRefusal(try Program.run.call(["bench", CommandFixture.merges] + words), status: 2, containing: sentence)
        }
        expectRefusal(try Program.run("bench"), status: 2, containing: "no model is given")
    }

    /// More threads than CPUs are not refused, but said to be of no use.
    @Test func moreThreadsThanCPUsAreWarnedOf() throws {
        let words = [CommandFixture.bare, "--ids", "1 2", "-n", "3", "--temp", "0"]
        let plain = try Program.run.call(words), crowded = try Program.run.call(words + ["--threads", "32"])
        #expect(crowded.status == 0 && crowded.output == plain.output)
        #expect(crowded.errors.contains("warning: --threads 32 is more than the") == (ProcessInfo.processInfo.activeProcessorCount < 32))
    }
}
