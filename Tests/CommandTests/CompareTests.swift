import Foundation
import PackedSupport
import TestSupport
import Testing

/// `stlm-pack compare` as a process.
@Suite(.enabled(if: Program.pack.exists)) struct CompareTests {
    private let folder = try! TemporaryFolder()
    private let text: String, a: String, b: String

    init() throws {
        text = try folder.file("text.txt", LedgerFixture.text(seed: 3, byteCount: 700))
        a = try folder.file("a.stlm", LedgerFixture.plain.bytes)
        b = try folder.file("b.stlm", LedgerFixture.verified.bytes)
    }

    private func compare(_ words: String...) throws -> Program.Outcome { try Program.pack.call(["compare"] + words, folder: folder.url.path) }

    @Test func bothPayWhatScoreSays() throws {
        let outcome = try compare("a.stlm", "b.stlm", "--file", "text.txt", "--json", "--threads", "1")
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        let object = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        for (side, path) in [("a", a), ("b", b)] {
            let own = try #require(object[side] as? [String: Any])
            let scored = try #require(JSONSerialization.jsonObject(
                with: Data(Program.run("score", path, "--file", text, "--json").output)) as? [String: Any])
            #expect(own["count"] as? Int == scored["tokens"] as? Int && own["context"] as? Int == scored["context"] as? Int)
            let (bits, expected) = try (#require(own["bits_per_byte"] as? Double), #require(scored["bits_per_byte"] as? Double))
            #expect(abs(bits - expected) < 1e-6 && own["file"] as? String == side + ".stlm")
        }
        #expect(try #require(object["divergence_bits"] as? Double) > 0)
    }

    @Test func partsAndContextAreAsked() throws {
        let scored = try Program.run("score", a, "--file", text, "--split", "the ", "--context", "8", "--json").text
        let outcome = try compare(a, b, "--file", text, "--split", "the ", "--context", "8", "--json")
        let object = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        let own = try #require(object["a"] as? [String: Any])
        #expect(scored.contains("\"tokens\": \(own["count"] as? Int ?? -1), \"bytes\": \(object["text_bytes"] as? Int ?? -1), \"context\": 8"))
    }

    @Test func peopleReadATable() throws {
        let outcome = try compare(a, b, "--file", text)
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        for part in ["a.stlm", "b.stlm", "bits per byte", "perplexity", "divergence", "Tensors that differ: ", "int4", "On text.txt: 700 bytes"] {
            #expect(outcome.text.contains(part), "\(part)")
        }
        let help = try compare("--help")
        #expect(help.status == 0 && help.text.contains("Usage:") && help.text.contains("Example:") && help.errors.isEmpty)
    }

    @Test(arguments: [
        ([], "two packed files are needed"), (["a.stlm"], "two packed files"), (["a.stlm", "b.stlm", "c.stlm"], "'c.stlm' is one file too many"),
        (["a.stlm", "b.stlm"], "give one with --file"), (["a.stlm", "b.stlm", "--file"], "--file needs a value"), (["--colour"], "no flag --colour"),
        (["a.stlm", "b.stlm", "--context", "0"], "from 1 to 65536"), (["a.stlm", "b.stlm", "--threads", "x"], "--threads needs a number"),
        (["a.stlm", "b.stlm", "--split", ""], "not empty"),
    ]) func wrongUseIsOneSentenceAndTwo(_ words: [String], _ part: String) throws {
        expectRefusal(try Program.pack.call(["compare"] + words, folder: folder.url.path), status: 2, containing: part)
    }

    @Test func whatCannotBeComparedIsOneSentenceAndOne() throws {
        _ = try folder.file("cut.stlm", LedgerFixture.plain.bytes.dropLast(1))
        _ = try folder.file("empty.txt", [])
        let bare = try folder.file("bare.stlm", Data(contentsOf: URL(fileURLWithPath: CommandFixture.bare)))
        expectRefusal(try compare(a, "missing.stlm", "--file", text), status: 1, containing: "missing.stlm")
        expectRefusal(try compare(a, b, "--file", "missing.txt"), status: 1, containing: "missing.txt")
        expectRefusal(try compare(a, folder.url.path, "--file", text), status: 1, containing: "is a folder")
        expectRefusal(try compare(a, "cut.stlm", "--file", text), status: 1, containing: "cut.stlm: ")
        expectRefusal(try compare(text, b, "--file", text), status: 1, containing: "text.txt: ")
        expectRefusal(try compare(a, bare, "--file", text), status: 1, containing: "bare.stlm has no tokenizer")
        expectRefusal(try compare(a, b, "--file", "empty.txt"), status: 1, containing: "empty.txt")
        expectRefusal(try compare(a, b, "--file", text, "--context", "33"), status: 1, containing: "positions for 1 to 32")
    }
}
