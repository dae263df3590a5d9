import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// After start-up nothing is allocated: a run of many tokens allocates as often as one of few.
@Suite struct NoAllocationTests {
    /// Tools/no-allocation/count.c as a library that is loaded before the program's own; nil without a compiler.
    static let counter: String? = {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let source = package.appendingPathComponent("Tools/no-allocation/count.c").path
        let library = CommandFixture.folder.path("libcount.so")
        let made = try? Program.shell("cc -shared -fPIC -O1 -o '\(library)' '\(source)' || clang -shared -fPIC -O1 -o '\(library)' '\(source)'", folder: "/")
        return made?.status == 0 ? library : nil
    }()

    private func allocationCount(_ words: [String], folder: TemporaryFolder) throws -> Int {
        let outcome = try Program.run.call(words, environment: ["LD_PRELOAD": Self.counter!, "STLM_ALLOCATIONS": folder.path("count")])
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let count = try #require(folder.bytes("count"))
        return try #require(Int(String(decoding: count, as: UTF8.self).dropLast()))
    }

    private static let long = ["--ignore-eos", "--slide", "--seed", "3"]

    @Test(.enabled(if: counter != nil && Program.run.exists), arguments: [
        ["--temp", "0"], ["--temp", "1", "--top-k", "0"], ["--temp", "0.8", "--top-k", "10"],
        ["--temp", "1", "--top-k", "0", "--top-p", "0.9"], ["--temp", "1", "--top-k", "0", "--min-p", "0.05"],
        ["--temp", "1", "--repeat-penalty", "1.3", "--repeat-window", "20"],
        ["--temp", "1", "--stop", "never seen", "--stop", "<|endoftext|>", "--threads", "2"],
        ["--temp", "1", "--top-k", "0", "--grammar", "GRAMMAR"], ["--temp", "0.8", "--top-k", "10", "--grammar", "GRAMMAR", "--threads", "2"],
    ]) func aTokenAllocatesNothing(_ settings: [String]) throws {
        let folder = try TemporaryFolder(), grammar = try folder.file("g", Array("root ::= [a-z \"]*".utf8))
        let settings = settings.map { $0 == "GRAMMAR" ? grammar : $0 }
        for model in [CommandFixture.merges, CommandFixture.begins] {
            let words = [model, "-p", "the"] + Self.long + settings
            let few = try allocationCount(words + ["-n", "10"], folder: folder)
            let many = try allocationCount(words + ["-n", "400"], folder: folder)
            #expect(few == many)
            print("allocations \(settings.joined(separator: " ")): \(few) for 10 tokens, \(many) for 400")
        }
    }

    @Test(.enabled(if: counter != nil && Program.run.exists), arguments: [
        ["--temp", "0"], ["--temp", "1", "--top-k", "0"], ["--temp", "0.8", "--top-k", "10", "--repeat-penalty", "1.3"],
        ["--temp", "1", "--top-k", "0", "--top-p", "0.9", "--stop", "never seen", "--threads", "2"],
        ["--temp", "1", "--grammar", "GRAMMAR"],
    ]) func aBlockAllocatesNothing(_ settings: [String]) throws {
        let folder = try TemporaryFolder(), grammar = try folder.file("g", Array("root ::= [a-z \"]*".utf8))
        let settings = settings.map { $0 == "GRAMMAR" ? grammar : $0 }
        for model in [CommandFixture.slots, CommandFixture.decoder, CommandFixture.original] {
            for prompt in [["-p", "the"], ["--ids", Array(repeating: "97", count: 12).joined(separator: " ")]] {
                let words = [model] + prompt + Self.long + settings
                let few = try allocationCount(words + ["-n", "5"], folder: folder)
                #expect(try allocationCount(words + ["-n", "60"], folder: folder) == few)
            }
        }
    }

    @Test(.enabled(if: counter != nil && Program.run.exists), arguments: [
        CommandFixture.slots, CommandFixture.decoder, CommandFixture.original, CommandFixture.pooled, CommandFixture.written,
    ]) func aBlockThatIsScoredAllocatesNothing(_ model: String) throws {
        let folder = try TemporaryFolder()
        var scores: [Int] = [], choices: [Int] = [], logits: [Int] = []
        for length in [2, 60] {
            let text = try folder.file("t.txt", (0..<length).flatMap { _ in Array("the \u{E9}nd. ".utf8) })
            scores.append(try allocationCount(["score", model, "--file", text], folder: folder))
            let line = "{\"prefix\": \"the \\u00e9\", \"options\": [\"end\", \"bathe\"], \"answer\": 1, \"other\": [{}]}\n"
            let tasks = try folder.file("t.jsonl", Array(String(repeating: line, count: length).utf8))
            choices.append(try allocationCount(["choose", model, "--file", tasks, "--json"], folder: folder))
            let size = try CommandFixture.opened(model).model.inputSize
            let ids = Array(repeating: "5", count: size * min(length, 20)).joined(separator: " ")
            logits.append(try allocationCount(["logits", model, "--ids", ids, "--out", folder.path("o.npy"), "--context", "20"], folder: folder))
        }
        #expect(scores[0] == scores[1] && choices[0] == choices[1] && logits[0] == logits[1], "\(scores) \(choices) \(logits)")
    }

    @Test(.enabled(if: counter != nil && Program.run.exists)) func aPromptAndAScoreAllocateNothingByTheirLength() throws {
        let folder = try TemporaryFolder()
        var counts: [Int] = []
        for length in [100, 20_000] {
            let path = try folder.file("t.txt", (0..<length).map { UInt8(97 + $0 % 26) })
            counts.append(try allocationCount(["score", CommandFixture.merges, "--file", path], folder: folder))
        }
        #expect(counts[0] == counts[1])
        let short = try allocationCount([CommandFixture.bare, "--ids", "1", "-n", "4"], folder: folder)
        let ids = Array(repeating: "5", count: 16).joined(separator: " ")
        #expect(try allocationCount([CommandFixture.bare, "--ids", ids, "-n", "1"], folder: folder) == short)
    }
}
