import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// Prompts and ids that no one would write, and models that cannot do what is asked for: a text or one sentence, never a crash.
@Suite(.enabled(if: Program.run.exists)) struct ByteRefusalTests {
    static let models = [CommandFixture.slots, CommandFixture.decoder, CommandFixture.original, CommandFixture.merges, CommandFixture.begins]

    private func run(_ words: String..., input: [UInt8]? = nil) throws -> Program.Outcome {
        try Program.run.call(words, input: input)
    }

    private func expectText(_ outcome: Program.Outcome, after prompt: [UInt8]) {
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        #expect(outcome.output.starts(with: prompt))
        // What the model added is UTF-8.
        #expect(String(validating: outcome.output.dropFirst(prompt.count), as: UTF8.self) != nil)
    }

    @Test(arguments: models) func promptsOfAnyBytesAreRead(_ model: String) throws {
        let prompts: [[UInt8]] = [
            [0xFF, 0xFE, 0x61], [0x80], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC0, 0xAF], [0x1B, 0x5B, 0x41],
            [0x20], [0x0D, 0x0A, 0x0D], [0x09, 0x20, 0x20],
        ]
        for prompt in prompts {
            let octal = prompt.map { String(format: "\\%03o", $0) }.joined()
            // A word of the shell loses line feeds at its end; the x is cut off again.
            let line = "p=$(printf '\(octal)x'); exec \"$run\" '\(model)' -p \"${p%x}\" -n 3 --temp 0 --ignore-eos"
            let worded = try Program.shell(line, folder: "/", environment: ["LC_ALL": "C"])
            expectText(worded, after: prompt)
            if prompt.last != 0x0A {
                #expect(try run(model, "-n", "3", "--temp", "0", "--ignore-eos", input: prompt).output == worded.output, "\(prompt)")
            }
        }
    }

    @Test(arguments: models) func zeroBytesFromAPipeAreRead(_ model: String) throws {
        for prompt in [[0], [0, 0, 0], [0x61, 0, 0x62], [0x20, 0, 0xFF, 0]] as [[UInt8]] {
            expectText(try run(model, "-n", "2", "--temp", "0", "--ignore-eos", input: prompt), after: prompt)
        }
    }

    @Test(arguments: models, ["a", "the ", "\u{E9}", "\u{1F600}", " ", "\0"]) func aLineOfAMillionBytes(_ model: String, _ unit: String) throws {
        let unit = Array(unit.utf8)
        let line = (0..<1_000_000 / unit.count).flatMap { _ in unit }
        let refused = try run(model, "-n", "1", input: line + [0x0A])
        expectRefusal(refused, status: 1, containing: "positions and the context has 16; give --context, a shorter prompt, or --slide")
        let slid = try run(model, "-n", "2", "--slide", "--temp", "0", "--ignore-eos", "--no-echo", input: line + [0x0A])
        expectText(slid, after: [])
    }

    @Test func aRunWithoutAPlaceToCutIsASentence() throws {
        let folder = try TemporaryFolder()
        for (embedder, head) in [("byte_level", "byte_level"), ("generic", "generic")] {
            let source = SyntheticSTLM(embedder: embedder, head: head) { ($0.tokenizerType, $0.vocabularySize) = ("bpe", 259) }
            let path = try folder.file("m.stlm", source.packedBytes(.int8, tokenizer: Data("97 97\n".utf8)))
            let line = [UInt8](repeating: 0x61, count: 1_000_000)
            let refused = try run(path, "-n", "1", "--slide", input: line)
            expectRefusal(refused, status: 1, containing: "no place where it can be cut within 4096 bytes after byte 0")
            let file = try folder.file("t.txt", line)
            expectRefusal(try run("score", path, "--file", file), status: 1, containing: "no place where it can be cut")
        }
    }

    @Test(arguments: models + [CommandFixture.bareBlocks]) func emptyPromptsBeginAText(_ model: String) throws {
        let given = try run(model, "-p", "", "-n", "4", "--temp", "0", "--ignore-eos")
        expectText(given, after: [])
        for input in [[], [0x0A]] as [[UInt8]] {
            #expect(try run(model, "-n", "4", "--temp", "0", "--ignore-eos", input: input).output == given.output)
        }
    }

    @Test func anEmptyPromptIsTheEndOfTheTextBefore() throws {
        for path in [CommandFixture.slots, CommandFixture.decoder, CommandFixture.bareBlocks] {
            let ids = try CommandFixture.opened(path).end(asBlock: true).map(String.init).joined(separator: " ")
            let blocks = try run(path, "--ids", ids, "-n", "3", "--temp", "0", "--ignore-eos").text.split(whereSeparator: \.isWhitespace)
            let bytes = blocks.compactMap { Int($0) }.filter { $0 < 256 }.map { UInt8($0) }
            #expect(try run(path, "-p", "", "-n", "3", "--temp", "0", "--ignore-eos").text == String(decoding: bytes, as: UTF8.self) + "\n")
        }
    }

    @Test func idsThatAreNoBlocksAreRefused() throws {
        let twelve = Array(repeating: "97", count: 12)
        for path in [CommandFixture.slots, CommandFixture.decoder, CommandFixture.bareBlocks] {
            for count in [1, 11, 13, 23] {
                let ids = Array(repeating: "97", count: count).joined(separator: " ")
                expectRefusal(try run(path, "--ids", ids), status: 2, containing: "--ids has \(count) numbers, and this model takes blocks of 12")
                expectRefusal(try run("logits", path, "--ids", ids, "--out", "never.npy"), status: 2, containing: "blocks of 12")
            }
            for number in ["258", "4294967295", "99999999999999999999"] {
                let ids = (twelve.dropLast() + [number]).joined(separator: " ")
                expectRefusal(try run(path, "--ids", ids), status: 1, containing: "is out of range; this model takes ids 0 to 257")
                expectRefusal(try run("logits", path, "--ids", ids, "--out", "never.npy"), status: 1, containing: "ids 0 to 257")
            }
            for ids in ["", " , "] { expectRefusal(try run(path, "--ids", ids), status: 2, containing: "--ids is empty") }
            expectRefusal(try run(path, "--ids", "97 x"), status: 2, containing: "whole numbers")
            expectRefusal(try run(path, "--ids", twelve.joined(separator: " "), "--bytes", "3"), status: 2, containing: "give -n with --ids")
            #expect(try run(path, "--ids", (twelve.dropLast(2) + ["256", "257"]).joined(separator: ","), "-n", "1").status == 0)
            let long = Array(repeating: twelve, count: 17).joined().joined(separator: " ")
            expectRefusal(try run(path, "--ids", long), status: 1, containing: "takes 17 positions and the context has 16")
        }
        #expect(!FileManager.default.fileExists(atPath: "never.npy"))
    }

    @Test func modelsWhoseOutputCannotGoInWriteNothing() throws {
        for words in [["-p", "the"], ["-p", ""], ["--ids", "1"], []] {
            expectRefusal(
                try Program.run.call([CommandFixture.pooled] + words), status: 1,
                containing: "takes bytes and gives tokens, so that nothing it writes can be fed back; it can be used with score, choose and logits")
            expectRefusal(
                try Program.run.call([CommandFixture.written] + words), status: 1,
                containing: "takes tokens and gives bytes, so that nothing it writes can be fed back; it can be used with score, choose and logits")
        }
    }

    @Test func whatNeedsATokenizerSaysSo() throws {
        let path = CommandFixture.bareBlocks
        expectRefusal(try run(path, "-p", "text"), status: 1, containing: "packed without a tokenizer and cannot cut a prompt into blocks")
        expectRefusal(try run("score", path, "--file", CommandFixture.mergeList), status: 1, containing: "without a tokenizer")
        expectRefusal(try run("choose", path, "--file", CommandFixture.mergeList), status: 1, containing: "without a tokenizer")
    }

    @Test func modelsThatAreNotCausalCannotScore() throws {
        let tasks = try CommandFixture.folder.file("one.jsonl", Array("{\"prefix\": \"a\", \"options\": [\"b\"], \"answer\": 0}\n".utf8))
        for path in [CommandFixture.notCausal, CommandFixture.notCausalBlocks] {
            expectRefusal(try run("score", path, "--file", CommandFixture.mergeList), status: 1, containing: "not causal")
            expectRefusal(try run("choose", path, "--file", tasks), status: 1, containing: "not causal")
        }
    }
}
