import FloatModel
import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// Bits per byte and logits of models with blocks, against the same models in double precision.
@Suite(.enabled(if: Program.run.exists)) struct ByteScoreTests {
    /// Each with int16 weights, so that what is left is the rounding of 16 bits.
    static let models: [(name: String, source: SyntheticSTLM, tokenizer: Data?)] = [
        ("slots", CommandFixture.slotsSource, nil), ("decoder", CommandFixture.decoderSource, nil),
        ("original", CommandFixture.originalSource, SyntheticTokenizer.merges), ("pooled", CommandFixture.pooledSource, SyntheticTokenizer.merges),
        ("written", CommandFixture.writtenSource, SyntheticTokenizer.merges),
        ("tokens", SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }, SyntheticTokenizer.merges),
    ]
    static let text = "Lily and Tom bathe the \u{E9}clair.\n\u{201C}The end\u{201D}, said the cat"

    private struct Score { var count: Int, bytes: Int, bits: Double, perByte: Double }

    private func score(_ words: [String], writesBlocks: Bool) throws -> Score {
        let outcome = try Program.run.call(["score"] + words + ["--json"])
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let object = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        func number(_ key: String) throws -> Double { try #require(object[key] as? NSNumber, "\(key)").doubleValue }
        let count = try Int(number(writesBlocks ? "blocks" : "tokens"))
        // A perplexity of 2^33 or more, as random models have for a block, is no number that is printed.
        let mean = try number("bits") / Double(count)
        #expect(try mean >= 33 ? object["perplexity"] is NSNull : abs(number("perplexity") / exp2(mean) - 1) < 1e-4)
        return try Score(count: count, bytes: Int(number("bytes")), bits: number("bits"), perByte: number("bits_per_byte"))
    }

    @Test(arguments: models.indices, [16, 5, 1]) func bitsPerByteAreThoseOfTheFloatModel(_ index: Int, _ context: Int) throws {
        let (_, source, tokenizer) = Self.models[index], folder = try TemporaryFolder()
        let path = try folder.file("m.stlm", source.packedBytes(.int16, tokenizer: tokenizer))
        let packed = try CommandFixture.opened(path), (inputs, outputs) = try packed.pieces(Self.text.utf8)
        let score = try score([path, "--file", folder.file("t.txt", Self.text.utf8), "--context", "\(context)"], writesBlocks: source.writesBlocks)
        // Only the text's first piece is not scored.
        let bits = try source.floatModel().bits(Array(inputs.dropLast()), Array(outputs.dropFirst()), window: context)
        #expect(score.count == outputs.count - 1 && score.bytes == Self.text.utf8.count)
        #expect(abs(score.bits / bits - 1) < 1e-3)
        #expect(abs(score.perByte - score.bits / Double(score.bytes)) < 2e-6)
    }

    @Test(arguments: models.indices) func partsAreScoredFromTheEndOfTheTextBefore(_ index: Int) throws {
        let (_, source, tokenizer) = Self.models[index], folder = try TemporaryFolder()
        let path = try folder.file("m.stlm", source.packedBytes(.int16, tokenizer: tokenizer)), packed = try CommandFixture.opened(path)
        let file = try folder.file("t.txt", Array("<e>\n the cat sat \n<e>\n\n<e>the end".utf8)), float = try source.floatModel()
        var bits = 0.0, count = 0
        for part in ["the cat sat", "the end"] {
            let (inputs, outputs) = try packed.pieces(part.utf8)
            bits += try float.bits([packed.end(asBlock: source.takesBlocks)] + inputs.dropLast(), outputs)
            count += outputs.count
        }
        let score = try score([path, "--file", file, "--split", "<e>"], writesBlocks: source.writesBlocks)
        #expect(score.count == count && score.bytes == 18)
        #expect(abs(score.bits / bits - 1) < 1e-3)
    }

    @Test func theSameTextHasTheSameBytesInEveryModel() throws {
        // So that bits per byte compare: the bytes are those of the text, whatever the pieces are.
        let folder = try TemporaryFolder(), file = try folder.file("t.txt", Self.text.utf8)
        for (path, isBlocks) in [(CommandFixture.slots, true), (CommandFixture.merges, false), (CommandFixture.written, true), (CommandFixture.begins, false)] {
            #expect(try score([path, "--file", file], writesBlocks: isBlocks).bytes == Self.text.utf8.count)
        }
        let outcome = try Program.run("score", CommandFixture.decoder, "--file", file)
        #expect(outcome.text.contains(" a block\n") && outcome.text.contains("bits per byte") && outcome.text.contains(" blocks, "))
    }

    @Test(arguments: [CommandFixture.slots, CommandFixture.decoder, CommandFixture.written]) func textsOfAnyBytesAreScored(_ path: String) throws {
        let folder = try TemporaryFolder()
        var numbers = SeededNumbers(seed: 8)
        let noise = (0..<5_000).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
        for text in [noise, [UInt8](repeating: 0, count: 300), [UInt8](repeating: 0xFF, count: 300), [UInt8](repeating: 0x20, count: 300)] {
            let score = try score([path, "--file", folder.file("t.bin", text), "--threads", "2"], writesBlocks: true)
            #expect(score.bytes == text.count && score.count > 10 && score.perByte > 0)
        }
        let one = try folder.file("one.txt", [0x61])
        expectRefusal(try Program.run("score", path, "--file", one), status: 1, containing: "no token to score")
    }

    // MARK: Logits

    /// The words of `--ids`.
    private func ids(_ inputs: [[Int]]) -> String { inputs.joined().map(String.init).joined(separator: " ") }

    @Test(arguments: models.indices) func logitsHaveAPlaceForEverySlot(_ index: Int) throws {
        let (name, source, tokenizer) = Self.models[index], folder = try TemporaryFolder()
        let path = try folder.file("m.stlm", source.packedBytes(.int16, tokenizer: tokenizer)), packed = try CommandFixture.opened(path)
        var pieces = SeededPieces(seed: 12)
        // More than the default context and than a batch.
        let inputs = pieces.inputs(packed.model, 21)
        let outcome = try Program.run("logits", path, "--ids", ids(inputs), "--out", folder.path("o.npy"), "--threads", "2")
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let facts = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        let shape = source.writesBlocks ? [21, 12, 258] : [21, 262]
        #expect(facts["shape"] as? [Int] == shape && facts["fraction_bits"] as? Int == packed.model.logitFractionBits)
        let bytes = try #require(folder.bytes("o.npy")), start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
        #expect(start % 64 == 0 && bytes.count == start + 4 * shape.reduce(1, *))
        let header = String(decoding: bytes[10..<start], as: UTF8.self)
        #expect(header.contains("'shape': (\(shape.map(String.init).joined(separator: ", "))), }") && header.hasSuffix("\n"))
        let values = bytes[start...].withUnsafeBytes { raw in
            (0..<shape.reduce(1, *)).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
        }
        #expect(try packed.logits(inputs: inputs, packed.options(context: 21)).joined().elementsEqual(values))
        if name == "written" { return }
        // A decoder sees the block that follows, and after the last its own likeliest.
        let truth = try source.floatModel().forward(inputs: inputs)
        let live = 20 * packed.model.outputSize * packed.model.logitCount
        #expect(relativeError([Array(values.prefix(live))], unit: packed.logitUnit, Array(truth.values.prefix(live))) < 0.1)
    }

    @Test func logitsOfAModelThatIsNotCausal() throws {
        let folder = try TemporaryFolder(), inputs = [[Int]](repeating: Array(97..<109), count: 3)
        let outcome = try Program.run("logits", CommandFixture.notCausalBlocks, "--ids", ids(inputs), "--out", folder.path("o.npy"))
        #expect(outcome.status == 0 && outcome.text.contains("[3, 12, 258]"), "\(outcome.errors)")
    }
}
