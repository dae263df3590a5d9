import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// What stlm-run says to wrong use and to files that are no models.
@Suite(.enabled(if: Program.run.exists)) struct RunRefusalTests {
    private func run(_ words: String..., environment: [String: String] = [:]) throws -> Program.Outcome {
        try Program.run.call(words, environment: environment)
    }

    @Test func helpAndVersionAreOutputAndNoError() throws {
        for words in [["--help"], ["-h"], ["help"], ["info", "--help"], ["score", "-h"], [CommandFixture.bare, "--help"]] {
            let outcome = try Program.run.call(words)
            #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.text.contains("Usage:"), "\(words)")
            #expect(outcome.text.split(separator: "\n").allSatisfy { $0.count <= 120 })
        }
        #expect(try run("--version").text.hasPrefix("stlm-run 0."))
    }

    @Test(arguments: [
        ([], "no model is given"), (["MODEL", "--colour"], "no flag --colour"), (["MODEL", "-p"], "-p needs a value"),
        (["MODEL", "-p", "a", "b"], "'b' is one word too many"), (["-n", "3"], "no model is given"),
        (["info"], "no model is given"), (["info", "MODEL", "-p", "x"], "-p has no meaning"),
        (["MODEL", "--file", "x"], "--file has no meaning"), (["score", "MODEL"], "score needs --file"),
        (["logits", "MODEL", "--ids", "1"], "logits needs --ids"), (["logits", "MODEL", "--out", "x.npy"], "logits needs --ids"),
        (["MODEL", "-n", "-1"], "-n takes a whole number"), (["MODEL", "-n", "1.5"], "not '1.5'"), (["MODEL", "-n", ""], "not ''"),
        (["MODEL", "-n", "99999999999999999999999"], "-n takes"), (["MODEL", "--temp", "hot"], "'hot'"),
        (["MODEL", "--temp", "-1"], "'-1'"), (["MODEL", "--temp", "1e3"], "'1e3'"), (["MODEL", "--temp", "100.1"], "up to 100"),
        (["MODEL", "--temp", "nan"], "'nan'"), (["MODEL", "--temp", "0,5"], "'0,5'"),
        (["MODEL", "--top-p", "1.5"], "from 0 to 1"), (["MODEL", "--top-p", "0"], "from 0 to 1"), (["MODEL", "--min-p", "2"], "from 0 to 1"),
        (["MODEL", "--top-k", "-3"], "--top-k takes"), (["MODEL", "--repeat-penalty", "0"], "--repeat-penalty takes"),
        (["MODEL", "--repeat-window", "65537"], "--repeat-window takes"), (["MODEL", "--seed", "18446744073709551616"], "--seed takes"),
        (["MODEL", "--seed", "-1"], "--seed takes"), (["MODEL", "--threads", "0"], "--threads takes"),
        (["MODEL", "--threads", "33"], "--threads takes"), (["MODEL", "--context", "0"], "--context takes"),
        (["MODEL", "--kv", "int2"], "--kv takes int16, int8 or int4, not 'int2'"), (["MODEL", "--kv", ""], "not ''"),
        (["MODEL", "--kv", "int"], "not 'int'"), (["MODEL", "--kv", "int88"], "not 'int88'"), (["MODEL", "--kv"], "--kv needs a value"),
        (["score", "MODEL", "--kv", "8"], "--kv takes"), (["bench", "MODEL", "--kv", "INT8"], "--kv takes"),
        (["MODEL", "--stop", ""], "--stop takes 1 to"), (["MODEL", "-p", "x", "--ids", "1"], "not both"),
    ]) func wrongUseIsOneSentenceAndTwo(_ words: [String], _ part: String) throws {
        expectRefusal(try Program.run.call(words.map { $0 == "MODEL" ? CommandFixture.merges : $0 }), status: 2, containing: part)
    }

    @Test func tooManyStopsAreWrongUse() throws {
        let words = [CommandFixture.merges] + (0..<9).flatMap { ["--stop", "\($0)"] }
        expectRefusal(try Program.run.call(words), status: 2, containing: "8 times")
        let long = String(repeating: "a", count: 257)
        expectRefusal(try run(CommandFixture.merges, "-p", "a", "--stop", long), status: 2, containing: "--stop takes 1 to 256 bytes")
    }

    @Test func filesThatAreNoModelsAreNamed() throws {
        let folder = try TemporaryFolder()
        let model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: CommandFixture.merges)))
        let cases = try [
            (folder.path("missing.stlm"), "No such file"), (folder.url.path, "Is a directory"),
            (folder.file("text.stlm", Array("Once upon a time there was a text.\n".utf8)), ""),
            (folder.file("empty.stlm", []), ""), (folder.file("header.stlm", model.prefix(40)), "copy it again"),
            (folder.file("cut.stlm", model.dropLast(1)), "copy it again"), (folder.file("half.stlm", model.prefix(model.count / 2)), "copy it again"),
            (folder.file("long.stlm", model + [0]), "copy it again"), (CommandFixture.checkpoint, "make one with stlm-pack"),
            ("/dev/null", ""),
        ]
        for (path, part) in cases {
            for words in [[path, "-p", "a"], ["info", path], ["score", path, "--file", CommandFixture.mergeList],
                          ["logits", path, "--ids", "1", "--out", folder.path("o.npy")]] {
                let outcome = try Program.run.call(words)
                expectRefusal(outcome, status: 1, containing: part)
                #expect(outcome.errors.contains(path))
            }
        }
        #expect(!folder.names.contains("o.npy"))
    }

    @Test func aDamagedWeightIsFoundOnDemand() throws {
        let folder = try TemporaryFolder()
        var model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: CommandFixture.merges)))
        model[model.count - 40] ^= 1
        let path = try folder.file("damaged.stlm", model)
        #expect(try run("info", path).status == 0)
        expectRefusal(try run("info", path, "--verify"), status: 1, containing: "checksum")
        #expect(try run("info", CommandFixture.merges, "--verify").text.contains("all checksums are right"))
    }

    @Test func whatDoesNotFitTheModelIsNamedWithItsNumbers() throws {
        let long = String(repeating: "a", count: 17)
        expectRefusal(try run(CommandFixture.merges, "-p", long), status: 1, containing: "takes 17 positions and the context has 16")
        expectRefusal(try run(CommandFixture.merges, "-p", "a", "--context", "33"), status: 1, containing: "1 to 32")
        expectRefusal(try run(CommandFixture.bare, "--ids", "1 96"), status: 1, containing: "id 96 is out of range; this model takes ids 0 to 95")
        expectRefusal(try run(CommandFixture.bare, "--ids", "99999999999999999999"), status: 1, containing: "out of range")
        expectRefusal(try run(CommandFixture.bare, "-p", "text"), status: 1, containing: "without a tokenizer")
        expectRefusal(try run("score", CommandFixture.bare, "--file", CommandFixture.mergeList), status: 1, containing: "without a tokenizer")
        expectRefusal(try run("score", CommandFixture.notCausal, "--file", CommandFixture.mergeList), status: 1, containing: "not causal")
        let ids = Array(repeating: "1", count: 17).joined(separator: " ")
        expectRefusal(try run(CommandFixture.bare, "--ids", ids), status: 1, containing: "16")
    }

    @Test func idsThatAreNoneAreRefused() throws {
        for ids in ["1 x", "-1", "1.5", "0x10"] {
            expectRefusal(try run(CommandFixture.bare, "--ids", ids), status: 2, containing: "whole numbers")
        }
        for ids in ["", "  "] {
            expectRefusal(try run(CommandFixture.bare, "--ids", ids), status: 2, containing: "--ids is empty")
        }
    }

    @Test func unknownKernelsAreNamed() throws {
        expectRefusal(try run(CommandFixture.bare, "--ids", "1", environment: ["STLM_CPU": "sse9"]), status: 1, containing: "STLM_CPU is 'sse9'")
        #expect(try run(CommandFixture.bare, "--ids", "1", "-n", "2", environment: ["STLM_CPU": "baseline"]).status == 0)
    }

    @Test func outputsThatCannotBeWrittenAreNamed() throws {
        let folder = try TemporaryFolder()
        let base = ["logits", CommandFixture.bare, "--ids", "1 2", "--out"]
        expectRefusal(try Program.run.call(base + [folder.url.path]), status: 1, containing: "cannot be written")
        expectRefusal(try Program.run.call(base + [folder.path("no/such/o.npy")]), status: 1, containing: "cannot be written")
        #expect(folder.names.isEmpty)
        // A full disk on standard output is no success.
        let bare = CommandFixture.bare
        for words in ["'\(bare)' --ids 1 -n 5", "--help", "--version", "info '\(bare)'", "info --json '\(bare)'", "logits '\(bare)' --ids 1 --out o.npy",
                      "score '\(CommandFixture.merges)' --file '\(CommandFixture.mergeList)'"] {
            let full = try Program.shell("\"$run\" \(words) > /dev/full", folder: folder.url.path)
            expectRefusal(full, status: 1, containing: "cannot be written")
        }
    }
}
