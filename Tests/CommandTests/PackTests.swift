import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// stlm-pack as a process.
@Suite(.enabled(if: Program.pack.exists)) struct PackTests {
    private let folder: TemporaryFolder
    private let input: String

    init() throws {
        folder = try TemporaryFolder()
        input = try folder.file("model.ckpt", Data(contentsOf: URL(fileURLWithPath: CommandFixture.checkpoint)))
    }

    private func pack(_ words: String...) throws -> Program.Outcome { try Program.pack.call(words, folder: folder.url.path) }

    @Test func helpAndVersionAreOutputAndNoError() throws {
        for word in ["--help", "-h"] {
            let outcome = try pack(word)
            #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.text.contains("Usage:"))
        }
        #expect(try pack("--version").text.hasPrefix("stlm-pack 0."))
    }

    @Test(arguments: [
        ([], "no checkpoint is given"), (["a", "b"], "'b' is one file too many"), (["--colour"], "no flag --colour"),
        (["a", "-o"], "-o needs a value"), (["a", "--weights", "int7"], "not 'int7'"), (["a", "--weights"], "needs a value"),
        (["a", "--weights", "auto"], "--weights auto tries encodings on a text"), (["a", "--max-loss", "1%"], "--calibrate FILE"),
        (["a", "--weights", "int4", "--budget", "1MB", "--calibrate", "t"], "--weights int4 gives all matrices one type"),
        (["a", "--budget", "1MB", "--max-loss", "1%", "--calibrate", "t"], "give one of them"),
        (["a", "--report", "x.pdf"], ".html, .json or .txt"), (["a", "--tokenizer", "x", "--tokenizer", "y", "--tokenizer", "z"], "given three times"),
    ]) func wrongUseIsOneSentenceAndTwo(_ words: [String], _ part: String) throws {
        expectRefusal(try Program.pack.call(words, folder: folder.url.path), status: 2, containing: part)
        #expect(folder.names == ["model.ckpt"])
    }

    @Test func whatCannotBePackedIsOneSentenceAndOne() throws {
        let text = try folder.file("text.ckpt", Array("no checkpoint at all, but a text\n".utf8))
        let cut = try folder.file("cut.ckpt", Data(contentsOf: URL(fileURLWithPath: input)).dropLast(100))
        for path in [folder.path("missing.ckpt"), folder.url.path, text, cut, CommandFixture.merges] {
            expectRefusal(try pack(path, "-o", folder.path("x.stlm")), status: 1)
        }
        expectRefusal(try pack(input, "--tokenizer", folder.path("missing")), status: 1, containing: "missing")
        expectRefusal(try pack(input, "--tokenizer", text), status: 1, containing: "Line 1")
        expectRefusal(try pack(input, "-o", folder.url.path), status: 1, containing: "is a folder")
        expectRefusal(try pack(input, "-o", input, "--force"), status: 1, containing: "the input itself")
        expectRefusal(try pack(input, "-o", folder.path("no/such/x.stlm")), status: 1, containing: "cannot be written")
        #expect(folder.names == ["cut.ckpt", "model.ckpt", "text.ckpt"])
        #expect(folder.bytes("model.ckpt") == CommandFixture.folder.bytes("model.ckpt"))
    }

    @Test func aLinkToTheInputIsTheInput() throws {
        try FileManager.default.createSymbolicLink(atPath: folder.path("link.stlm"), withDestinationPath: input)
        expectRefusal(try pack(input, "-o", "link.stlm", "--force"), status: 1, containing: "the input itself")
        expectRefusal(try pack(input, "-o", "./sub/../model.ckpt", "--force"), status: 1)
        #expect(folder.bytes("model.ckpt") == CommandFixture.folder.bytes("model.ckpt"))
    }

    @Test func theOutputHasTheNameOfTheInput() throws {
        #expect(try pack("model.ckpt", "--tokenizer", CommandFixture.mergeList).status == 0)
        #expect(folder.names == ["model.ckpt", "model.stlm"])
        let expected = try [UInt8](Data(contentsOf: URL(fileURLWithPath: CommandFixture.merges)))
        #expect(folder.bytes("model.stlm") == expected)
        _ = try folder.file("plain", Data(contentsOf: URL(fileURLWithPath: input)))
        #expect(try pack(folder.path("plain")).status == 0)
        #expect(folder.names.contains("plain.stlm"))
        // It runs.
        #expect(try Program.run("info", folder.path("plain.stlm"), "--verify").status == 0)
    }

    @Test func anOutputThatExistsIsKeptUnlessForced() throws {
        let old = Array("old".utf8)
        _ = try folder.file("model.stlm", old)
        expectRefusal(try pack("model.ckpt"), status: 1, containing: "--force")
        #expect(folder.bytes("model.stlm") == old)
        #expect(try pack("model.ckpt", "--force").status == 0)
        #expect(try #require(folder.bytes("model.stlm")).count > 1000)
        #expect(folder.names == ["model.ckpt", "model.stlm"])
    }

    @Test func aDryRunWritesNothing() throws {
        let outcome = try pack("model.ckpt", "--dry-run")
        #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.text.contains("dry run"))
        #expect(folder.names == ["model.ckpt"])
        let json = try pack("model.ckpt", "--dry-run", "--json")
        #expect(try JSONSerialization.jsonObject(with: Data(json.output)) is [String: Any])
        #expect(folder.names == ["model.ckpt"])
    }

    @Test func reportsAreWrittenByTheKindOfTheirNames() throws {
        for name in ["r.json", "r.html", "r.txt"] {
            #expect(try pack("model.ckpt", "--force", "--report", name).status == 0)
        }
        #expect(folder.names == ["model.ckpt", "model.stlm", "r.html", "r.json", "r.txt"])
        #expect(try JSONSerialization.jsonObject(with: Data(folder.bytes("r.json") ?? [])) is [String: Any])
        #expect(String(decoding: folder.bytes("r.html") ?? [], as: UTF8.self).hasPrefix("<!doctype html>"))
        let json = try pack("model.ckpt", "--force", "--json")
        #expect(json.output == folder.bytes("r.json"))
    }

    @Test func widthsAreWhatWasAskedFor() throws {
        #expect(try pack("model.ckpt").status == 0)
        #expect(try pack("model.ckpt", "--weights", "int16", "-o", "wide.stlm").status == 0)
        #expect(try #require(folder.bytes("wide.stlm")).count > #require(folder.bytes("model.stlm")).count * 3 / 2)
    }

    /// `--weights auto` chooses as the flag beside it asks, and alone as --max-loss 0.5%.
    @Test func automaticWeightsAreChosenByTheGoal() throws {
        let text = try folder.file("train.txt", LedgerFixture.calibration.bytes)
        func encodings(_ words: String...) throws -> [String] {
            let packing = [input, "--tokenizer", CommandFixture.mergeList, "--calibrate", text, "-o", folder.path("x.stlm"), "--force", "--json"]
            let outcome = try Program.pack.call(packing + words, folder: folder.url.path)
            #expect(outcome.status == 0)
            let report = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
            return try #require(report["tensors"] as? [[String: Any]]).map { try #require($0["encoding"] as? String) }
        }
        let usual = try encodings("--weights", "auto")
        #expect(Set(usual).count > 1)
        #expect(try encodings("--max-loss", "0.5%") == usual)
        let looser = try encodings("--max-loss", "40%")
        #expect(looser != usual)
        #expect(try encodings("--weights", "auto", "--max-loss", "40%") == looser)
        #expect(try encodings("--budget", "40KB", "--weights", "auto") == encodings("--budget", "40KB"))
    }

    @Test func aTokenizerOfTwoFilesIsGivenTwice() throws {
        let source = SyntheticSTLM(embedder: "byte_level", head: "byte_level") {
            ($0.tokenizerType, $0.vocabularySize) = ("gpt2", SyntheticTokenizer.gpt2VocabularySize)
        }
        let model = try folder.file("bytes.ckpt", source.checkpointBytes())
        let vocabulary = try folder.file("vocab.json", SyntheticTokenizer.gpt2.vocabulary)
        let merges = try folder.file("merges.txt", SyntheticTokenizer.gpt2.merges)
        for (first, second) in [(vocabulary, merges), (merges, vocabulary)] {
            #expect(try pack(model, "--tokenizer", first, "--tokenizer", second, "-o", "\(first == merges ? "a" : "b").stlm").status == 0)
        }
        #expect(folder.bytes("a.stlm") != nil && folder.bytes("a.stlm") == folder.bytes("b.stlm"))
        let info = try Program.run("info", folder.path("a.stlm"), "--verify")
        #expect(info.status == 0 && info.text.contains("261 pieces"))
        let text = try Program.run(folder.path("a.stlm"), "-p", "I'm the end", "-n", "2", "--temp", "0", "--ignore-eos")
        #expect(text.status == 0 && text.text.hasPrefix("I'm the end"))
        // One of the two, twice the same, another model's, and one that does not read as what it is.
        expectRefusal(try pack(model, "--tokenizer", vocabulary, "-o", "c.stlm"), status: 1, containing: "its merges.txt is missing")
        expectRefusal(try pack(model, "--tokenizer", merges, "-o", "c.stlm"), status: 1, containing: "its vocab.json is missing")
        expectRefusal(try pack(model, "--tokenizer", merges, "--tokenizer", merges, "-o", "c.stlm"), status: 1, containing: "do not make a pair")
        expectRefusal(
            try pack(input, "--tokenizer", vocabulary, "--tokenizer", merges, "-o", "c.stlm"), status: 1, containing: "261 tokens and the model 262")
        let cut = try folder.file("cut.json", SyntheticTokenizer.gpt2.vocabulary.dropLast(9))
        expectRefusal(try pack(model, "--tokenizer", cut, "--tokenizer", merges, "-o", "c.stlm"), status: 1)
        #expect(!folder.names.contains("c.stlm"))
    }

    @Test func wordsNeedNoTokenizerFile() throws {
        let model = try folder.file("words.ckpt", SyntheticSTLM(embedder: "byte_level", head: "byte_decoder").checkpointBytes())
        let outcome = try pack(model)
        #expect(outcome.status == 0 && outcome.text.contains("  tokenizer           1,024 bytes"), "\(outcome.text)")
        expectRefusal(try pack(model, "--force", "--tokenizer", CommandFixture.mergeList), status: 1, containing: "need no tokenizer file")
        #expect(try Program.run(folder.path("words.stlm"), "-p", "It runs", "-n", "1").status == 0)
        let tokens = try folder.file("tokens.ckpt", SyntheticSTLM { $0.tokenizerType = "words" }.checkpointBytes())
        expectRefusal(try pack(tokens), status: 1, containing: "the tokenizer words, which has no token ids")
    }

    // MARK: Nothing is half done

    @Test func aFullDiskLeavesTheOldOutputAndNoRest() throws {
        let old = Array("old".utf8)
        _ = try folder.file("model.stlm", old)
        // Files of at most 8 blocks of 512 bytes; the signal of the system is ignored, so that writing fails.
        let outcome = try Program.shell("trap '' XFSZ; ulimit -f 8; exec \"$pack\" model.ckpt --force > /dev/null", folder: folder.url.path)
        #expect(outcome.status == 1 && outcome.errors.contains("cannot be written (File too large)"), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(folder.bytes("model.stlm") == old)
        #expect(folder.names == ["model.ckpt", "model.stlm"])
        // The same, ended by the signal.
        let killed = try Program.shell("ulimit -f 8; \"$pack\" model.ckpt --force > /dev/null 2>&1; echo $?", folder: folder.url.path)
        #expect(killed.text != "0\n" && folder.bytes("model.stlm") == old)
    }

    @Test(.enabled(if: geteuid() != 0)) func aFolderThatCannotBeWrittenIsNamed() throws {
        try FileManager.default.createDirectory(atPath: folder.path("closed"), withIntermediateDirectories: true)
        chmod(folder.path("closed"), 0o555)
        defer { chmod(folder.path("closed"), 0o755) }
        expectRefusal(try pack("model.ckpt", "-o", "closed/x.stlm"), status: 1, containing: "Permission denied")
    }

    @Test func aReportThatCannotBeWrittenIsNamedAndOneThatNobodyReadsIsNot() throws {
        expectRefusal(try Program.shell("\"$pack\" model.ckpt > /dev/full", folder: folder.url.path), status: 1, containing: "cannot be written")
        let line = "{ \"$pack\" model.ckpt --force; echo \"status $?\" >&2; } | true"
        #expect(try Program.shell(line, folder: folder.url.path).errors == "status 0\n")
        #expect(folder.names == ["model.ckpt", "model.stlm"])
    }

    @Test(arguments: ["INT", "TERM", "KILL"]) func aPackThatIsEndedLeavesTheOldOutput(_ signal: String) throws {
        let old = Array("old".utf8)
        _ = try folder.file("model.stlm", old)
        // The input is a pipe that nobody writes to, so that the program is surely at work when the signal comes: it reads
        // a tokenizer, which is looked for before the output is begun.
        let line = """
            set -m; mkfifo pipe; "$pack" model.ckpt --tokenizer pipe --force > log 2>&1 & id=$!
            (exec 3> pipe; kill -\(signal) $id) & wait $id; echo "status $?"; exec 4<> pipe; wait
            """
        let outcome = try Program.shell(line, folder: folder.url.path)
        #expect(outcome.text != "status 0\n")
        #expect(folder.bytes("model.stlm") == old)
        #expect(folder.names.allSatisfy { !$0.contains(".tmp") }, "\(folder.names)")
    }

    @Test func aPickleThatCallsTheSystemIsInert() throws {
        var writer = PickleWriter()
        writer.global("os", "system")
        writer.text("touch \(folder.path("pwned"))")
        writer.raw([0x85])  // TUPLE1
        writer.reduce()
        writer.stop()
        var file = SyntheticSTLM().file()
        file.pickle = writer.bytes
        _ = try folder.file("evil.ckpt", file.bytes())
        expectRefusal(try pack("evil.ckpt"), status: 1)
        #expect(folder.names == ["evil.ckpt", "model.ckpt"])
    }
}
