import Foundation
import PackedSupport
import TestSupport
import Testing

/// --grammar, --choices and --one-of.
@Suite(.enabled(if: Program.run.exists)) struct ConstraintTests {
    /// The example models, packed as their folder says; small ones beside them.
    static let models: [String] = {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Examples/models").path
        let folder = CommandFixture.folder
        let (tokens, bytes) = (folder.path("example.stlm"), folder.path("example-bytes.stlm"))
        _ = try! Program.pack.call([
            "\(source)/tinystories-2m/model.ckpt", "--tokenizer", "\(source)/tinystories-2m/bpe_tinystories_2048.model", "-o", tokens,
        ])
        _ = try! Program.pack.call(["\(source)/tinystories-bytes-3m/model.ckpt", "-o", bytes])
        return [tokens, bytes, CommandFixture.begins, CommandFixture.slots]
    }()
    private static let samplers = [
        ["--temp", "0"], ["--temp", "1", "--top-k", "0", "--top-p", "1"], ["--temp", "1.4", "--top-k", "10"], ["--temp", "1", "--top-p", "0.8"],
        ["--temp", "2", "--min-p", "0.02", "--repeat-penalty", "1.4"],
    ]

    /// What is written is a text of the grammar, or where it was cut the beginning of one: by a matcher that tries everything.
    @Test(arguments: models) func everyTextIsOneOfTheGrammar(_ model: String) throws {
        let folder = try TemporaryFolder()
        var numbers = SeededNumbers(seed: 11), counts = [0, 0]
        for round in 0..<40 {
            let grammar = NaiveGrammar.random(&numbers), file = try folder.file("g", Array("root ::= \(grammar.text)\n".utf8))
            let outcome = try Program.run.call(
                [model, "-p", "the", "--grammar", file, "-n", "14", "--seed", "\(round)", "--no-echo"] + Self.samplers[round % Self.samplers.count])
            let text = Array(outcome.output.dropLast()), match = grammar.match(text)
            if outcome.status == 0 {
                #expect(match.isWhole && outcome.errors.isEmpty, "\(grammar.text): \(outcome.text)")
                counts[0] += 1
            } else {
                // Half a character is written as U+FFFD.
                #expect(match.goesOn || outcome.text.hasSuffix("\u{FFFD}\n"), "\(grammar.text): \(outcome.text)\(outcome.errors)")
                #expect(outcome.status == 1 && outcome.errors.contains("the text is not all that the grammar asks for"))
                counts[1] += 1
            }
        }
        #expect(counts[0] > 20, "\(counts)")
    }

    @Test(arguments: models) func oneOfSomeTextsIsWritten(_ model: String) throws {
        let folder = try TemporaryFolder(), choices = ["on", "off", "\u{E9}t\u{E9} the 7", "once and for all"]
        let file = try folder.file("c", Array(choices.joined(separator: "\r\n").utf8))
        var seen: Set<String> = []
        for seed in 0..<12 {
            let flags = ["-p", "the", "--temp", "3", "--top-p", "1", "--top-k", "0", "--seed", "\(seed)", "--no-echo"]
            let outcome = try Program.run.call([model] + flags + choices.flatMap { ["--one-of", $0] })
            #expect(outcome.status == 0 && choices.contains(String(outcome.text.dropLast())), "\(outcome.text)\(outcome.errors)")
            #expect(try Program.run.call([model, "--choices", file] + flags).text == outcome.text)
            seen.insert(outcome.text)
        }
        #expect(seen.count > 1)
    }

    /// With an empty prompt, a context that slides, a saved session and little memory too.
    @Test(arguments: models) func otherFlagsGoWithAGrammar(_ model: String) throws {
        let folder = try TemporaryFolder(), file = try folder.file("g", Array("root ::= [a-z ]{60,80}".utf8)), session = folder.path("s")
        let words = [model, "--grammar", file, "--seed", "5", "--temp", "1", "--context", "12", "--slide", "--no-echo"]
        let whole = try Program.run.call(words + ["-p", ""])
        #expect(whole.status == 0 && (60...80).contains(whole.output.count - 1), "\(whole.text)\(whole.errors)")
        #expect(try Program.run.call(words + ["-p", "", "--threads", "1", "--memory-limit", "16MiB"]).text == whole.text)
        #expect(try Program.run.call([model, "-p", "the", "-n", "0", "--save-session", session, "--context", "12"]).status == 0)
        let (one, two) = try (Program.run.call(words + ["-p", "the"]), Program.run.call(words + ["-p", "", "--session", session]))
        #expect(one.status == 0 && one.text == two.text)
    }

    @Test func whatDoesNotGoTogetherIsRefused() throws {
        let folder = try TemporaryFolder(), good = try folder.file("g", Array("root ::= \"a\"".utf8)), bad = try folder.file("b", Array("root ::= \"a".utf8))
        let model = CommandFixture.merges
        for (words, part) in [
            (["--grammar", good, "--one-of", "a"], "give one of them"), (["--choices", good, "--grammar", good], "give one of them"),
            (["--one-of", "a", "--stop", "b"], "--stop and --bytes would cut"), (["--grammar", good, "--bytes", "3"], "--stop and --bytes would cut"),
            (["--one-of", ""], "not empty"), (["--one-of", "a\nb"], "no newline"), (["--grammar"], "needs a value"),
            ((0..<33).flatMap { ["--one-of", "\($0)"] }, "32 times"),
        ] {
            expectRefusal(try Program.run.call([model, "-p", "the"] + words), status: 2, containing: part)
        }
        expectRefusal(try Program.run.call([model, "-p", "the", "--grammar", bad]), status: 1, containing: "\(bad): line 1, column 10: the text in quotes")
        expectRefusal(try Program.run.call([model, "-p", "the", "--grammar", "/nowhere"]), status: 1, containing: "/nowhere")
        expectRefusal(try Program.run.call([CommandFixture.bare, "--ids", "1", "--one-of", "a"]), status: 1, containing: "without a tokenizer")
        expectRefusal(try Program.run.call(["score", model, "--file", good, "--grammar", good]), status: 2, containing: "--grammar has no meaning")
    }
}
