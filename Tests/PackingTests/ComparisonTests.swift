import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// Two packed files side by side.
@Suite struct ComparisonTests {
    private static let tokens = SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }
    private static let decoder = SyntheticSTLM(embedder: "byte_level", head: "byte_decoder")
    private static let text = PackText(name: "text.txt", bytes: Array(String(repeating: "the hen ate in the other bath, ", count: 12).utf8))

    private func input(_ source: SyntheticSTLM, _ width: WeightWidth, _ tokenizer: Data? = SyntheticTokenizer.merges) throws -> PackedInput {
        PackedInput(name: "\(width.rawValue).stlm", bytes: try source.packedBytes(width, tokenizer: tokenizer))
    }

    private func object(_ comparison: Comparison) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(comparison.json.utf8)) as? [String: Any])
    }

    @Test(arguments: [(tokens, SyntheticTokenizer.merges), (decoder, nil)] as [(SyntheticSTLM, Data?)])
    func aFileDoesNotDifferFromItself(_ source: SyntheticSTLM, _ tokenizer: Data?) throws {
        let file = try input(source, .int8, tokenizer), comparison = try Comparison(file, file, Self.text)
        #expect(comparison.costChange == 0 && comparison.perplexityChange == 0 && comparison.meanDivergence == 0 && comparison.agreement == 1)
        #expect(comparison.first.cost == comparison.second.cost && comparison.first.cost > 0 && comparison.obstacle == nil)
        #expect(comparison.tensors.differences.isEmpty && comparison.tensors.tensorCount > 5)
        #expect(comparison.text.contains("All \(comparison.tensors.tensorCount) tensors are the same, bit for bit.\n"))
        #expect(!comparison.text.contains("-0.000"))
        let json = try object(comparison)
        #expect(json["divergence_bits"] as? Double == 0 && json["bits_per_byte_change_percent"] as? Double == 0 && json["agreement_percent"] as? Double == 100)
        #expect((json["differences"] as? [Any])?.isEmpty == true && json["obstacle"] is NSNull)
    }

    @Test(arguments: [(tokens, SyntheticTokenizer.merges), (decoder, nil)] as [(SyntheticSTLM, Data?)])
    func fewerBitsAreFewerBytesAndFurtherAway(_ source: SyntheticSTLM, _ tokenizer: Data?) throws {
        let (int16, int8, int4) = try (input(source, .int16, tokenizer), input(source, .int8, tokenizer), input(source, .int4, tokenizer))
        let near = try Comparison(int16, int8, Self.text), far = try Comparison(int8, int4, Self.text)
        #expect(far.second.fileByteCount < far.first.fileByteCount && far.first.fileByteCount < near.first.fileByteCount)
        let (small, large) = try (#require(near.meanDivergence), #require(far.meanDivergence))
        #expect(small > 0 && large > 4 * small, "\(small) \(large)")
        #expect(try #require(far.agreement) <= 1 && far.costChange != 0)
        #expect(far.text.contains(" %\n") && far.text.contains("bytes") && far.text.contains("same greatest logit in"))
        // The other way round.
        let back = try Comparison(int4, int8, Self.text)
        #expect(abs((1 + back.costChange) * (1 + far.costChange) - 1) < 1e-12 && back.agreement == far.agreement)
        #expect(back.first.cost == far.second.cost && back.divergence?.rowCount == far.divergence?.rowCount)
    }

    @Test func theTensorsThatDifferAreNamed() throws {
        let comparison = try Comparison(input(Self.tokens, .int8), input(Self.tokens, .int4), Self.text)
        let report = try PackedModel(checkpoint: Self.tokens.checkpointBytes(), tokenizer: SyntheticTokenizer.merges, width: .int4).report
        let differences = comparison.tensors.differences
        #expect(differences.map(\.name) == report.matrices.map(\.name))
        for (item, matrix) in zip(differences, report.matrices) {
            #expect(item.first?.encoding == "int8" && item.second?.encoding == "int4" && item.second?.byteCount == matrix.byteCount && !item.isOfNumbersOnly)
            #expect(comparison.text.contains(matrix.name))
        }
        let count = comparison.tensors.tensorCount
        #expect(comparison.text.contains("Tensors that differ: \(differences.count) of \(count), the first \(report.matrices[0].name)\n"))
        // Other weights of the same shape, and other tensors.
        let other = try Comparison(input(Self.tokens, .int8), input(SyntheticSTLM { ($0.vocabularySize, $0.seed) = (262, 2) }, .int8), Self.text)
        #expect(!other.tensors.differences.isEmpty && other.tensors.differences.allSatisfy(\.isOfNumbersOnly) && other.text.contains("(other numbers)"))
        let more = try Comparison(input(Self.tokens, .int8), input(SyntheticSTLM { ($0.vocabularySize, $0.layerCount) = (262, 3) }, .int8), Self.text)
        let added = more.tensors.differences.filter { $0.first == nil }
        #expect(!added.isEmpty && added.allSatisfy { $0.name.contains(".h.2.") && $0.second != nil })
    }

    @Test func filesThatReadATextDifferentlyAreComparedByItsBytes() throws {
        let tokens = try input(Self.tokens, .int8), blocks = try input(Self.decoder, .int8, nil)
        let slots = try input(SyntheticSTLM(embedder: "byte_level", head: "byte_level"), .int8, nil)
        let characters = try PackedInput(
            name: "c.stlm", bytes: PackedModel(
                checkpoint: SyntheticLlama2 { $0.vocabularySize = SyntheticTokenizer.llama2VocabularySize }.bytes(version: 1),
                tokenizer: SyntheticTokenizer.llama2(), width: .int8).bytes)
        let pairs = [
            (tokens, blocks, "the other blocks of bytes"), (blocks, slots, "in different ways"), (tokens, characters, "vocabularies of 262 and 271"),
        ]
        for (a, b, part) in pairs {
            let comparison = try Comparison(a, b, Self.text)
            let obstacle = try #require(comparison.obstacle)
            #expect(obstacle.contains(part) && obstacle.hasSuffix("."), "\(obstacle)")
            #expect(comparison.divergence == nil && comparison.agreement == nil && comparison.perplexityChange == nil)
            #expect(comparison.bitsPerByte(comparison.first) > 0 && comparison.bitsPerByte(comparison.second) > 0)
            #expect(comparison.text.contains("bits per byte") && comparison.text.contains(obstacle) && !comparison.text.contains("divergence "))
            #expect(try object(comparison)["divergence_bits"] is NSNull)
        }
        // The same vocabulary, other merges.
        let merges = Data("116 104\n104 101\n97 32\n32 258\n".utf8)
        let other = try Comparison(tokens, input(Self.tokens, .int8, merges), Self.text)
        #expect(try #require(other.obstacle).contains("cut the text into different pieces"))
    }

    @Test func whatCannotBeComparedIsRefused() throws {
        let file = try input(Self.tokens, .int8), bare = try input(Self.tokens, .int8, nil)
        func sentence(_ a: PackedInput, _ b: PackedInput, _ text: PackText = Self.text, context: Int? = nil) -> String {
            do throws(PackError) {
                _ = try Comparison(a, b, text, context: context)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(sentence(file, bare).contains("int8.stlm has no tokenizer to read a text with"))
        #expect(sentence(file, file, PackText(name: "none.txt", bytes: [])).contains("none.txt has nothing that can be scored"))
        #expect(sentence(file, file, context: 33).contains("int8.stlm has positions for 1 to 32"))
        #expect(sentence(file, file, context: 32).isEmpty)
        var damaged = file
        damaged.name = "damaged.stlm"
        damaged.bytes[damaged.bytes.count - 1] ^= 1
        #expect(sentence(file, damaged).hasPrefix("damaged.stlm: ") && sentence(damaged, file).hasPrefix("damaged.stlm: "))
        damaged.bytes = []
        #expect(sentence(file, damaged).hasPrefix("damaged.stlm: "))
    }
}
