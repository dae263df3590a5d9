import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// stlm-run --session and --save-session: what is written in two runs is what is written in one.
@Suite(.enabled(if: Program.run.exists)) struct SessionCommandTests {
    private static let warm = ["--temp", "1", "--top-k", "0", "--ignore-eos", "--slide", "--repeat-penalty", "1.4", "--repeat-window", "9"]
    private static let models = [CommandFixture.bare, CommandFixture.bareBlocks]

    private func ids(_ model: String, _ count: Int) throws -> String {
        var pieces = SeededPieces(seed: 5)
        return try pieces.inputs(CommandFixture.opened(model).model, count).joined().map(String.init).joined(separator: " ")
    }

    /// The ids that a run prints.
    private func printed(_ words: [String], _ environment: [String: String] = [:]) throws -> [String] {
        let outcome = try Program.run.call(words, environment: environment)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        return outcome.text.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    @Test(arguments: models, ["int16", "int8", "int4"]) func twoRunsWriteWhatOneWrites(_ model: String, _ type: String) throws {
        let folder = try TemporaryFolder(), file = folder.path("s"), words = [model, "--kv", type] + Self.warm
        let size = try CommandFixture.opened(model).model.inputSize
        let whole = try printed(words + ["--seed", "3", "-n", "40", "--ids", ids(model, 3)])
        for cut in [0, 1, 12, 13, 14, 15, 30] {
            let first = try printed(words + ["--seed", "3", "-n", "\(cut)", "--ids", ids(model, 3), "--save-session", file, "--threads", "2"])
            let rest = try printed(
                words + ["-n", "\(40 - cut)", "--ids", "", "--session", file], ["STLM_CPU": cut % 2 == 0 ? "baseline" : ""])
            #expect(first.count == cut * size && first + rest == whole, "after \(cut)")
        }
        #expect(folder.names == ["s"])
    }

    /// A file that is replaced by the run that reads it, step by step.
    @Test func aSessionGoesOnInItsOwnFile() throws {
        let folder = try TemporaryFolder(), file = folder.path("s"), words = [CommandFixture.merges, "-p", "", "--no-echo"] + Self.warm
        let whole = try Program.run.call([CommandFixture.merges, "-p", "the end", "--no-echo", "-n", "20", "--seed", "1"] + Self.warm).output
        var all = try Program.run.call(
            [CommandFixture.merges, "-p", "the end", "--no-echo", "-n", "0", "--seed", "1", "--save-session", file] + Self.warm).output.dropLast()
        for _ in 0..<20 {
            let outcome = try Program.run.call(words + ["-n", "1", "--session", file, "--save-session", file])
            #expect(outcome.status == 0)
            all += outcome.output.dropLast()
        }
        // Characters that lie across two runs are U+FFFD in each.
        #expect(ascii(all) == ascii(whole.dropLast()))
        #expect(folder.names == ["s"])
    }

    private func ascii(_ bytes: some Sequence<UInt8>) -> [UInt8] { bytes.filter { $0 < 0x80 } }

    /// A prompt computed once, and a text added to it: no begin token, and no space that a tokenizer puts before a text.
    @Test(arguments: [CommandFixture.merges, CommandFixture.begins, CommandFixture.slots, CommandFixture.decoder])
    func aPromptIsAddedToTheSession(_ model: String) throws {
        let folder = try TemporaryFolder(), file = folder.path("s"), rest = ["-n", "6", "--temp", "0", "--ignore-eos"]
        let opened = try CommandFixture.opened(model)
        // Cut where no token crosses.
        let whole = try Program.run.call([model, "-p", "the abe"] + rest)
        #expect(try Program.run.call([model, "-p", "the", "-n", "0", "--save-session", file]).text == "the\n")
        let added = try Program.run.call([model, "-p", " abe", "--session", file, "--stats"] + rest)
        #expect(added.status == 0 && "the" + added.text == whole.text, "\(added.errors)")
        let first = try opened.pieces("the".utf8).inputs.count + (opened.model.bosToken == nil ? 0 : 1)
        // The last of them is fed with what is added.
        let unit = opened.model.takesBlocks ? "blocks" : "tokens", all = try opened.pieces("the abe".utf8).inputs.count + (opened.model.bosToken == nil ? 0 : 1)
        #expect(added.errors.contains("restored       \(first - 1) \(unit) in "), "\(added.errors)")
        #expect(added.errors.contains("(\(all - first + 1) \(unit) in "), "\(added.errors)")
    }

    @Test func seedsAreTheSessionsUnlessGiven() throws {
        let folder = try TemporaryFolder(), file = folder.path("s"), words = [CommandFixture.bare, "--ids", "", "--session", file] + Self.warm
        _ = try printed([CommandFixture.bare, "--ids", "1 2", "-n", "4", "--seed", "3", "--save-session", file] + Self.warm)
        let kept = try Program.run.call(words + ["-n", "9", "--stats"])
        #expect(kept.errors.contains("seed           that of the session"))
        #expect(try Program.run.call(words + ["-n", "9"]).output == kept.output)
        #expect(try Program.run.call(words + ["-n", "9", "--seed", "4"]).output != kept.output)
        // After a prompt alone numbers begin with the run.
        let saved = try Program.run.call([CommandFixture.bare, "--ids", "1 2", "-n", "0", "--save-session", file, "--stats"])
        #expect(saved.errors.contains("saved ") && saved.errors.contains(" bytes in "))
        #expect(try !Program.run.call(words + ["-n", "1", "--stats"]).errors.contains("that of the session"))
    }

    @Test func whatCannotBeGoneOnFromIsNamed() throws {
        let folder = try TemporaryFolder(), file = folder.path("s"), bare = CommandFixture.bare
        _ = try printed([bare, "--ids", "1 2 3 4", "-n", "0", "--save-session", file])
        func refused(_ words: [String], _ part: String, status: Int32 = 1) throws {
            expectRefusal(try Program.run.call(words + ["-n", "2"]), status: status, containing: part)
        }
        try refused([bare, "--ids", "1", "--session", folder.path("missing")], "No such file")
        try refused([bare, "--ids", "1", "--session", folder.url.path], "Is a directory")
        try refused([bare, "--ids", "1", "--session", bare], "no session file")
        try refused([bare, "--ids", "1", "--session", file, "--kv", "int8"], "saved with --kv int16")
        try refused([bare, "--ids", "1", "--session", file, "--context", "3"], "takes 4 positions and the context has 3")
        try refused([bare, "--ids", "1 2 3", "--session", file, "--context", "6"], "takes 7 positions and the context has 6")
        try refused([CommandFixture.merges, "-p", "a", "--session", file], "saved with another model file")
        try refused([CommandFixture.notCausal, "-p", "a", "--session", file], "not causal")
        try refused([CommandFixture.notCausal, "-p", "a", "--save-session", file], "not causal")
        try refused([bare, "--ids", "", "--save-session", file], "--ids is empty", status: 2)
        try refused(["score", bare, "--session", file], "no meaning for this verb", status: 2)
        var bytes = try #require(folder.bytes("s"))
        try refused([bare, "--ids", "1", "--session", folder.file("cut", bytes.dropLast(9))], "should have")
        try refused([bare, "--ids", "1", "--session", folder.file("head", bytes.prefix(40))], "ends early")
        bytes[200] ^= 4
        try refused([bare, "--ids", "1", "--session", folder.file("flipped", bytes)], "damaged")
        bytes[8] = 2
        try refused([bare, "--ids", "1", "--session", folder.file("later", bytes)], "version 2")
    }

    @Test func aFileThatCannotBeWrittenIsLeftAsItWas() throws {
        let folder = try TemporaryFolder(), bare = CommandFixture.bare
        let before = try Data(contentsOf: URL(fileURLWithPath: folder.file("s", Array("before".utf8))))
        func check(_ outcome: Program.Outcome, _ part: String) {
            #expect(outcome.status == 1 && outcome.errors.contains(part) && outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
            #expect(folder.names == ["s"] && folder.bytes("s").map { Data($0) } == before)
        }
        let words = [bare, "--ids", "1 2", "-n", "3", "--save-session"]
        check(try Program.run.call(words + [folder.path("no/such/s")]), "cannot be written")
        check(try Program.run.call(words + [folder.url.path]), "cannot be written")
        // A limit on the size of files stands for a full disk.
        let ids = Array(repeating: "5", count: 30).joined(separator: " ")
        let line = "(ulimit -f 2; exec \"$run\" '\(bare)' --ids '\(ids)' --context 32 -n 1 --save-session s)"
        check(try Program.shell(line, folder: folder.url.path), "the file is left as it was")
        // A device is no place for a file.
        let device = try Program.run.call(words + ["/dev/null"])
        #expect(device.status == 1 && device.errors.contains("cannot be written"))
    }

    @Test(.enabled(if: NoAllocationTests.counter != nil)) func aSessionAllocatesNothingByItsLength() throws {
        let folder = try TemporaryFolder()
        for model in Self.models {
            var counts: [[Int]] = []
            for length in [2, 30] {
                let file = folder.path("s\(length)"), base = [model, "--context", "32", "-n", "1", "--temp", "0"]
                func count(_ words: [String]) throws -> Int {
                    let outcome = try Program.run.call(
                        base + words, environment: ["LD_PRELOAD": NoAllocationTests.counter!, "STLM_ALLOCATIONS": folder.path("count")])
                    #expect(outcome.status == 0, "\(outcome.errors)")
                    let digits = try #require(folder.bytes("count"))
                    return try #require(Int(String(decoding: digits, as: UTF8.self).dropLast()))
                }
                let saving = try count(["--ids", ids(model, length), "--save-session", file])
                counts.append([saving, try count(["--ids", "", "--session", file])])
            }
            #expect(counts[0] == counts[1], "\(counts)")
        }
    }
}
