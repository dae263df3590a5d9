import FloatModel
import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// `stlm-run choose`: multiple choice as SuperTinyLanguageModels scores it.
@Suite(.enabled(if: Program.run.exists)) struct ChooseTests {
    private struct Task { var prefix: String, options: [String], answer: Int }

    static let kinds = ByteScoreTests.models

    private func line(_ task: Task) -> String {
        let object: [String: Any] = ["prefix": task.prefix, "options": task.options, "answer": task.answer]
        return String(decoding: try! JSONSerialization.data(withJSONObject: object), as: UTF8.self)
    }

    private struct Result { var logLikelihoods: [[Double]], choices: [Int], answers: [Int], count: Int, right: Int, accuracy: Double }

    private func choose(_ path: String, _ lines: String, _ words: [String] = []) throws -> Result {
        let outcome = try Program.run.call(["choose", path, "--file", "-", "--json"] + words, input: Array(lines.utf8))
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let object = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        let tasks = try #require(object["tasks"] as? [[String: Any]])
        return try Result(
            logLikelihoods: tasks.map { try #require($0["log_likelihoods"] as? [NSNumber]).map(\.doubleValue) },
            choices: tasks.map { try #require($0["choice"] as? Int) }, answers: tasks.map { try #require($0["answer"] as? Int) },
            count: #require(object["count"] as? Int), right: #require(object["right"] as? Int),
            accuracy: #require(object["accuracy"] as? NSNumber).doubleValue)
    }

    private static let tasks = [
        Task(prefix: "The cat sat on the", options: ["mat", "moon", "other one"], answer: 0),
        Task(prefix: "the", options: ["end", ""], answer: 1),
        Task(prefix: "", options: ["he", "bathe \u{E9}\u{1F600}"], answer: 0),
        Task(prefix: "one, two, three, four, five, six, seven, eight, nine", options: ["ten", "eleven, twelve"], answer: 1),
    ]

    /// The text is the prefix, a space and the option, then the end; all but the first piece count, of the last pieces that fit.
    @Test(arguments: kinds.indices, [16, 7]) func logLikelihoodsAreThoseOfTheFloatModel(_ index: Int, _ context: Int) throws {
        let (_, source, tokenizer) = Self.kinds[index], folder = try TemporaryFolder()
        let path = try folder.file("m.stlm", source.packedBytes(.int16, tokenizer: tokenizer)), packed = try CommandFixture.opened(path)
        let float = try source.floatModel()
        let result = try choose(path, Self.tasks.map(line).joined(separator: "\n"), ["--context", "\(context)"])
        #expect(result.count == 4 && result.answers == Self.tasks.map(\.answer))
        for (task, own) in zip(Self.tasks, result.logLikelihoods) {
            #expect(own.count == task.options.count)
            for (option, value) in zip(task.options, own) {
                let (inputs, outputs) = try packed.pieces("\(task.prefix) \(option)".utf8)
                let takes = inputs + [packed.end(asBlock: source.takesBlocks)], gives = outputs + [packed.end(asBlock: source.writesBlocks)]
                let first = max(0, takes.count - context)
                let truth = -log(2) * (try float.bits(Array(takes[first...].dropLast()), Array(gives[first...].dropFirst())))
                #expect(abs(value / truth - 1) < 1e-3, "\(task.prefix) \(option)")
            }
        }
        // The likeliest is chosen, and the accuracy says how often it was right.
        #expect(result.choices == result.logLikelihoods.map { $0.firstIndex(of: $0.max()!)! })
        #expect(result.right == zip(result.choices, result.answers).filter { $0 == $1 }.count)
        #expect(abs(result.accuracy - Double(result.right) / 4) < 1e-6)
    }

    @Test func aBeginTokenStandsBeforeTheTextAndIsNotScored() throws {
        let packed = try CommandFixture.opened(CommandFixture.begins)
        let (inputs, _) = try packed.pieces("the ab".utf8), all = [1] + inputs.map { $0[0] } + [Int(packed.model.record.endTokens[0])]
        let cost = try packed.withSession(packed.options(context: 16)) { session in
            zip(try session.allLogits(Array(all.dropLast())), all.dropFirst()).reduce(Int64(0)) { $0 + session.cost($1.0, of: UInt32($1.1)) }
        }
        let own = try choose(CommandFixture.begins, line(Task(prefix: "the", options: ["ab"], answer: 0))).logLikelihoods[0][0]
        #expect(abs(own + log(2) * Double(cost) / 16_777_216) < 2e-6)
    }

    @Test func theAccuracyIsPrinted() throws {
        let lines = (0..<3).map { line(Task(prefix: "the", options: ["same", "same"], answer: $0 % 2)) }.joined(separator: "\n")
        // Of equals the first is chosen.
        let outcome = try Program.run("choose", CommandFixture.slots, "--file", "-", input: Array(lines.utf8))
        #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.text == "accuracy       0.6667 (2 of 3)\n", "\(outcome.text)")
        let folder = try TemporaryFolder(), file = try folder.file("t.jsonl", lines.utf8)
        #expect(try Program.run("choose", CommandFixture.slots, "--file", file, "--threads", "2").output == outcome.output)
    }

    @Test(arguments: [CommandFixture.slots, CommandFixture.merges]) func aLineMayBeWrittenInManyWays(_ path: String) throws {
        let plain = "{\"prefix\": \"the \u{E9}\u{1F600}\", \"options\": [\"a\\\\b\", \"c/d\"], \"answer\": 1}"
        let truth = try choose(path, plain)
        let others = [
            "{\"answer\":1,\"options\":[\"a\\u005cb\",\"c\\/d\"],\"prefix\":\"the \\u00e9\\ud83d\\ude00\"}",
            " \t{ \"options\" : [ \"a\\\\b\" , \"c/d\" ] , \"prefix\" : \"\\u0074\\u0068\\u0065 \\u00E9\\uD83D\\uDE00\" , \"answer\" : 1 } \r",
            "{\"id\": 7, \"prefix\": \"the \u{E9}\u{1F600}\", \"why\": {\"deep\": [1, -2.5e3, true, null, {\"x\": []}]}, "
                + "\"options\": [\"a\\\\b\", \"c/d\"], \"none\": {}, \"answer\": 1, \"note\": \"\\\"answer\\\": 0\"}",
            // Of a key that comes twice the last counts.
            "{\"answer\": 0, \"prefix\": \"x\", \"options\": [], \"prefix\": \"the \u{E9}\u{1F600}\", \"options\": [\"a\\\\b\", \"c/d\"], \"answer\": 1}"
                .replacingOccurrences(of: "[], ", with: "[\"y\"], "),
        ]
        for other in others {
            let result = try choose(path, other)
            #expect(result.logLikelihoods == truth.logLikelihoods && result.choices == truth.choices && result.answers == [1], "\(other)")
        }
        // Empty lines between, no newline at the end.
        let many = try choose(path, "\n\n" + others.joined(separator: "\n  \n"))
        #expect(many.logLikelihoods == Array(repeating: truth.logLikelihoods[0], count: 4))
    }

    @Test func escapesThatAreNoCharacters() throws {
        // A lone surrogate is U+FFFD, and so is each of two in the wrong order.
        func logLikelihoods(_ prefix: String) throws -> [[Double]] {
            try choose(CommandFixture.slots, "{\"prefix\": \"\(prefix)\", \"options\": [\"a\"], \"answer\": 0}").logLikelihoods
        }
        for (escaped, plain) in [("\\ud83dx", "\u{FFFD}x"), ("\\ude00\\ud83d", "\u{FFFD}\u{FFFD}"), ("\\ud83d\\u0041", "\u{FFFD}A"), ("\\ud83d", "\u{FFFD}")] {
            #expect(try logLikelihoods(escaped) == logLikelihoods(plain), "\(escaped)")
        }
        #expect(try logLikelihoods("\\u0000").count == 1)
        #expect(try logLikelihoods("\\b\\f\\n\\r\\t\\\"").count == 1)
    }

    static let badLines = [
        "{", "}", "[]", "\"prefix\"", "7", "null", "{}", "{\"prefix\"}", "{\"prefix\":}", "{\"prefix\": \"a\"}", "the cat",
        "{\"prefix\": \"a\", \"options\": [\"b\"]}", "{\"options\": [\"b\"], \"answer\": 0}", "{\"prefix\": \"a\", \"answer\": 0}",
        "{\"prefix\": 1, \"options\": [\"b\"], \"answer\": 0}", "{\"prefix\": null, \"options\": [\"b\"], \"answer\": 0}",
        "{\"prefix\": \"a\", \"options\": [], \"answer\": 0}", "{\"prefix\": \"a\", \"options\": \"b\", \"answer\": 0}",
        "{\"prefix\": \"a\", \"options\": [\"b\", 3], \"answer\": 0}", "{\"prefix\": \"a\", \"options\": [\"b\",], \"answer\": 0}",
        "{\"prefix\": \"a\", \"options\": [\"b\" \"c\"], \"answer\": 0}", "{\"prefix\": \"a\", \"options\": {\"b\": 0}, \"answer\": 0}",
        "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": -1}", "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0.5}",
        "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": \"0\"}", "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 99999999999999999999}",
        "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0", "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}}",
        "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0} {\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}",
        "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0,}", "{\"prefix\": \"a, \"options\": [\"b\"], \"answer\": 0}",
        "{\"prefix\": \"\\x\", \"options\": [\"b\"], \"answer\": 0}", "{\"prefix\": \"\\u12\", \"options\": [\"b\"], \"answer\": 0}",
        "{\"prefix\": \"\\u12g4\", \"options\": [\"b\"], \"answer\": 0}", "{\"prefix\": \"a\tb\", \"options\": [\"b\"], \"answer\": 0}",
        "{\"prefix\": \"a\\", "{\"prefix\": \"a\\u", "{'prefix': 'a', 'options': ['b'], 'answer': 0}",
        "{\"x\": tru, \"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}", "{\"x\": -, \"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}",
        "{\"x\": \(String(repeating: "[", count: 100_000)), \"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}",
        "{\"x\": \(String(repeating: "[", count: 70))\(String(repeating: "]", count: 70)), \"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}",
    ]

    @Test(arguments: badLines.indices) func aLineThatIsNoTaskIsNamedByItsNumber(_ index: Int) throws {
        let good = "{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}"
        for (lines, number) in [([Self.badLines[index]], 1), ([good, "", good, Self.badLines[index], good], 4)] {
            let outcome = try Program.run("choose", CommandFixture.slots, "--file", "-", input: Array(lines.joined(separator: "\n").utf8))
            expectRefusal(outcome, status: 1, containing: "line \(number) is no task; a line is {\"prefix\": ")
        }
    }

    @Test func answersThatAreNoOptionAreNamedWithTheirNumber() throws {
        for (answer, options) in [(1, "[\"b\"]"), (2_147_483_648, "[\"b\", \"c\"]")] {
            let line = "{\"prefix\": \"a\", \"options\": \(options), \"answer\": \(answer)}"
            let outcome = try Program.run("choose", CommandFixture.slots, "--file", "-", input: Array(("\n" + line).utf8))
            expectRefusal(outcome, status: 1, containing: "line 2 has the answer \(answer), which is none of its options; they are counted from 0")
        }
    }

    @Test func bytesOfAnyKindAreATextOrASentence() throws {
        let folder = try TemporaryFolder()
        let frame = (Array("{\"prefix\": \"".utf8), Array("\", \"options\": [\"b\"], \"answer\": 0}".utf8))
        // No UTF-8 between the quotes is text like any other.
        for middle in [[0xFF], [0xC3], [0xE2, 0x82], [0x7F]] as [[UInt8]] {
            let outcome = try Program.run("choose", CommandFixture.slots, "--file", folder.file("t", frame.0 + middle + frame.1))
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        }
        for middle in [[0], [0x1F], [0x22]] as [[UInt8]] {
            let file = try folder.file("t", frame.0 + middle + frame.1)
            expectRefusal(try Program.run("choose", CommandFixture.slots, "--file", file), status: 1, containing: "line 1")
        }
        var numbers = SeededNumbers(seed: 15)
        for _ in 0..<20 {
            let noise = (0..<200).map { _ in UInt8(truncatingIfNeeded: numbers.next()) } + [1]
            expectRefusal(try Program.run("choose", CommandFixture.slots, "--file", folder.file("t", noise)), status: 1, containing: "line ")
        }
        // A million bytes in one option, of which the last words count.
        let long = frame.0 + [UInt8](repeating: 0x61, count: 1_000_000) + frame.1
        #expect(try Program.run("choose", CommandFixture.slots, "--file", folder.file("t", long)).text.hasPrefix("accuracy"))
    }

    @Test func filesWithoutATaskAreRefused() throws {
        let folder = try TemporaryFolder()
        for text in ["\n", "  \n\t\r\n"] {
            expectRefusal(try Program.run("choose", CommandFixture.slots, "--file", folder.file("t", text.utf8)), status: 1, containing: "the file has no task")
        }
        expectRefusal(try Program.run("choose", CommandFixture.slots, "--file", "-", input: []), status: 1, containing: "the file has no task")
        expectRefusal(try Program.run("choose", CommandFixture.slots, "--file", folder.path("none")), status: 1, containing: "No such file")
        expectRefusal(try Program.run("choose", CommandFixture.slots), status: 2, containing: "choose needs --file")
        expectRefusal(try Program.run("choose", "--file", "x"), status: 2, containing: "no model is given")
        expectRefusal(try Program.run("choose", CommandFixture.slots, "--file", "x", "--split", "y"), status: 2, containing: "--split has no meaning")
        expectRefusal(try Program.run("choose", CommandFixture.bare, "--file", "x"), status: 1, containing: "without a tokenizer")
    }
}
