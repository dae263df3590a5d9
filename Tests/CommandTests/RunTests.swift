import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// stlm-run as a process: what it writes where.
@Suite(.enabled(if: Program.run.exists)) struct RunTests {
    private let merges = CommandFixture.merges

    private func run(_ words: String..., input: [UInt8]? = nil) throws -> Program.Outcome {
        try Program.run.call(words, input: input)
    }

    @Test func standardOutputIsTheTextAlone() throws {
        let outcome = try run(merges, "-p", "the", "-n", "8", "--seed", "1")
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.text.hasPrefix("the") && outcome.text.hasSuffix("\n"))
        let stats = try run(merges, "-p", "the", "-n", "8", "--seed", "1", "--stats")
        #expect(stats.output == outcome.output)
        for word in ["prompt ", "decode ", "first token", "arena", "mapped", "resident", "kernels", "seed           1\n", "ended by"] {
            #expect(stats.errors.contains(word), "\(word)")
        }
        let quiet = try run(merges, "-p", "the", "-n", "8", "--seed", "1", "--no-echo")
        #expect(Array("the".utf8) + quiet.output == outcome.output)
    }

    @Test func oneSeedGivesOneTextEverywhere() throws {
        let words = [merges, "-p", "th", "-n", "12", "--seed", "7", "--temp", "1", "--top-k", "0", "--ignore-eos"]
        let first = try Program.run.call(words)
        #expect(try Program.run.call(words).output == first.output)
        #expect(try Program.run.call(words + ["--threads", "3"]).output == first.output)
        #expect(try Program.run.call(words, environment: ["STLM_CPU": "baseline"]).output == first.output)
        #expect(try Program.run.call(words + ["--seed", "8"]).output != first.output)
    }

    @Test func aSeedThatWasDrawnIsToldAndRepeats() throws {
        let words = [merges, "-p", "th", "-n", "12", "--temp", "1", "--top-k", "0", "--stats"]
        let first = try Program.run.call(words)
        let line = try #require(first.errors.split(separator: "\n").first { $0.hasPrefix("seed") })
        let seed = String(line.split(separator: " ").last!)
        #expect(try Program.run.call(words + ["--seed", seed]).output == first.output)
    }

    @Test func aPromptFromAPipeIsAPrompt() throws {
        let words = ["-n", "6", "--temp", "0"]
        let given = try Program.run.call([merges, "-p", "the he"] + words)
        #expect(try Program.run.call([merges] + words, input: Array("the he\n".utf8)).output == given.output)
        #expect(try Program.run.call([merges] + words, input: Array("the he".utf8)).output == given.output)
        let piped = try Program.shell("printf 'the he' | \"$run\" '\(merges)' -n 6 --temp 0 | cat", folder: "/")
        #expect(piped.output == given.output && piped.errors.isEmpty)
    }

    @Test func anEmptyPromptBeginsAText() throws {
        // After the end of a text, or after the begin token.
        for model in [merges, CommandFixture.begins] {
            let outcome = try run(model, "-p", "", "-n", "4", "--temp", "0")
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(try run(model, "-n", "4", "--temp", "0", input: []).output == outcome.output)
        }
    }

    @Test func idsGiveIds() throws {
        let outcome = try run(CommandFixture.bare, "--ids", "1 5,9", "-n", "7", "--temp", "0")
        let ids = outcome.text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        #expect(outcome.status == 0 && ids.count == 7 && ids.allSatisfy { $0 < 96 })
        #expect(outcome.text == ids.map(String.init).joined(separator: " ") + "\n")
        // The same as the logits say.
        let model = try CommandFixture.opened(CommandFixture.bare)
        let rows = try model.logits([1, 5, 9] + ids.dropLast())
        for k in ids.indices { #expect(ids[k] == rows[2 + k].firstIndex(of: rows[2 + k].max()!)) }
        #expect(try run(CommandFixture.bare, "--ids", "1", "-n", "0").text == "\n")
    }

    @Test func aFullContextEndsTheTextAndSlideGoesOn() throws {
        let words = [CommandFixture.bare, "--ids", "1 2 3", "--temp", "0", "--stats"]
        let full = try Program.run.call(words)
        // 16 positions: 3 ids, 13 drawn and fed, and one more drawn.
        #expect(full.text.split(separator: " ").count == 14 && full.errors.contains("a full context"))
        let slid = try Program.run.call(words + ["--slide", "-n", "100"])
        #expect(slid.status == 0 && slid.text.split(separator: " ").count == 100)
        #expect(slid.text.hasPrefix(full.text.dropLast()))
        let wide = try Program.run.call(words + ["--context", "32"])
        #expect(wide.text.split(separator: " ").count == 30)
        // A context of one position slides too.
        #expect(try run(CommandFixture.bare, "--ids", "1", "--context", "1", "--slide", "-n", "9").text.split(separator: " ").count == 9)
        // A prompt longer than the context is cut to its first ids and its last.
        let long = (0..<40).map { "\($0)" }
        for kept in [0, 1, 5] {
            let flags = ["--slide", "-n", "3", "--temp", "0", "--keep", "\(kept)"]
            let cut = try Program.run.call([CommandFixture.bare, "--ids", long.joined(separator: " ")] + flags)
            let ends = try Program.run.call([CommandFixture.bare, "--ids", (long.prefix(kept) + long.suffix(16 - kept)).joined(separator: ",")] + flags)
            #expect(cut.status == 0 && cut.output == ends.output && cut.text.split(separator: " ").count == 3, "\(cut.errors)")
            let plain = try Program.run.call([CommandFixture.bare, "--ids", long.joined(separator: " ")] + flags.dropLast(2))
            #expect((plain.output == cut.output) == (kept == 1))
        }
        expectRefusal(try run(CommandFixture.bare, "--ids", "1", "--keep", "2"), status: 2, containing: "--keep says what --slide keeps")
        expectRefusal(try run(CommandFixture.bare, "--ids", "1", "--slide", "--keep", "x"), status: 2, containing: "--keep takes a whole number")
        expectRefusal(
            try run(CommandFixture.bare, "--ids", "1", "--slide", "--keep", "16"), status: 1, containing: "leaves no room in a context of 16 positions")
    }

    @Test func stopStringsEndTheTextBeforeThem() throws {
        let words = [merges, "-p", "the", "--temp", "1", "--top-k", "0", "--seed", "5", "--ignore-eos", "--slide", "-n", "60", "--no-echo"]
        let whole = try Program.run.call(words).text.dropLast()
        // Any plain part of the text, from its middle.
        let letters = Array(whole)
        let start = try #require((letters.count / 4..<letters.count - 2).first { k in letters[k..<k + 2].allSatisfy { $0.isASCII && !$0.isNewline } })
        let stop = String(letters[start..<start + 2])
        let cut = try Program.run.call(words + ["--stop", stop, "--stop", "never to be seen", "--stats"])
        let end = try #require(whole.range(of: stop)).lowerBound
        #expect(cut.text == whole[..<end] + "\n")
        #expect(cut.errors.contains("a stop string"))
    }

    @Test func logitsAreANumpyFile() throws {
        let folder = try TemporaryFolder()
        let outcome = try run("logits", CommandFixture.bare, "--ids", "1 5 9 90", "--out", folder.path("o.npy"))
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        let facts = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        #expect(facts["shape"] as? [Int] == [4, 96])
        let bytes = try #require(folder.bytes("o.npy"))
        #expect(folder.names == ["o.npy"])
        #expect(Array(bytes[..<8]) == [0x93] + Array("NUMPY".utf8) + [1, 0])
        let start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
        #expect(start % 64 == 0 && bytes[start - 1] == 0x0A && bytes.count == start + 4 * 4 * 96)
        let header = String(decoding: bytes[10..<start], as: UTF8.self)
        #expect(header.hasPrefix("{'descr': '<i4', 'fortran_order': False, 'shape': (4, 96), }"))
        let values = bytes[start...].withUnsafeBytes { raw in (0..<384).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) } }
        let model = try CommandFixture.opened(CommandFixture.bare)
        #expect(try model.logits([1, 5, 9, 90]).flatMap { $0 } == values)
        #expect(facts["fraction_bits"] as? Int == Int(model.model.record.head.logitFractionBits))
        // Beyond the default context, up to the greatest; also where the model is not causal.
        let long = (0..<32).map { "\($0)" }.joined(separator: " ")
        #expect(try run("logits", CommandFixture.bare, "--ids", long, "--out", folder.path("o.npy")).status == 0)
        #expect(try run("logits", CommandFixture.notCausal, "--ids", "1 2 3", "--out", folder.path("n.npy")).status == 0)
    }

    @Test func infoSaysWhatIsInTheFile() throws {
        for model in [merges, CommandFixture.begins, CommandFixture.bare, CommandFixture.notCausal] {
            let text = try run("info", model), json = try run("info", model, "--json")
            #expect(text.status == 0 && text.errors.isEmpty && text.text.contains("padding"))
            let object = try #require(JSONSerialization.jsonObject(with: Data(json.output)) as? [String: Any])
            #expect(object.values.contains { ($0 as? Int) == (try? CommandFixture.opened(model).bytes.count) })
        }
    }

    @Test func aReaderThatHasSeenEnoughIsNoError() throws {
        // The shell gives the status of the last program of a pipe; that of the first goes to standard error.
        let line = "{ \"$run\" '\(merges)' -p the --ignore-eos --slide -n 100000; echo \"status $?\" >&2; } | head -c 10"
        let outcome = try Program.shell(line, folder: "/")
        #expect(outcome.output.count == 10 && outcome.errors == "status 0\n", "\(outcome.errors)")
    }

    @Test func anInterruptEndsCleanly() throws {
        // The signal comes once some text is there, which the reader tells.
        let line = """
            mkfifo pipe; "$run" '\(merges)' -p the --ignore-eos --slide > pipe & id=$!
            exec 3< pipe; head -c 200 <&3 > some; kill -INT $id; cat <&3 > rest; wait $id; echo "status $?"
            """
        let folder = try TemporaryFolder()
        // A shell's background programs ignore SIGINT unless job control is on.
        let outcome = try Program.shell("set -m; " + line, folder: folder.url.path)
        #expect(outcome.text.hasSuffix("status 130\n") && !outcome.errors.contains("stlm-run:"), "\(outcome.text) \(outcome.errors)")
        let all = try #require(folder.bytes("some")) + #require(folder.bytes("rest"))
        #expect(all.last == 0x0A && String(validating: all, as: UTF8.self) != nil)
    }
}
