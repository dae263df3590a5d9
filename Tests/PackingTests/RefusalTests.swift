import Checkpoints
import FloatModel
import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// Checkpoints that cannot be packed: one plain sentence each.
@Suite struct RefusalTests {
    private func sentence(_ checkpoint: Data) -> String {
        do {
            _ = try PackedModel(checkpoint: checkpoint, tokenizer: nil, width: .int8)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    private func expectOneSentence(_ words: String, containing part: String) {
        #expect(part.isEmpty || words.contains(part), "\(words)")
        #expect(!words.contains("\n") && words.hasSuffix(".") && words.count < 400, "\(words)")
    }

    @Test func numbersThatAreNotFiniteAreNamed() {
        for (value, name) in [(Float.nan, "NaN"), (.infinity, "infinity"), (-.infinity, "infinity")] {
            var file = SyntheticSTLM().file()
            file.storages[3].content.replaceSubrange(8..<12, with: TorchFile.content([value]))
            expectOneSentence(sentence(file.bytes()), containing: name)
        }
        var bytes = [UInt8](SyntheticLlama2().bytes(version: 0))
        bytes.replaceSubrange(28..<32, with: TorchFile.content([.nan]))
        expectOneSentence(sentence(Data(bytes)), containing: "NaN")
    }

    @Test func unsupportedModelsAreNamed() {
        var byteLevel = SyntheticSTLM().file()
        byteLevel.config = .dictionary([])
        expectOneSentence(sentence(byteLevel.bytes()), containing: "model")
        for positions in ["alibi", "ROPE2"] {
            expectOneSentence(sentence(SyntheticSTLM { $0.positions = positions }.checkpointBytes()), containing: positions)
        }
        expectOneSentence(sentence(SyntheticSTLM { $0.activation = "swish"; $0.feedForwardType = "generic" }.checkpointBytes()), containing: "swish")
    }

    @Test func whatIsNoCheckpointIsRefused() {
        for bytes in [Data(), Data("hello, this is a text".utf8), Data([0x50, 0x4B, 3, 4]), Data(count: 100), Data(count: 5000)] {
            expectOneSentence(sentence(bytes), containing: "")
        }
        expectOneSentence(sentence(SyntheticSTLM().checkpointBytes().dropLast(40)), containing: "")
        expectOneSentence(sentence(SyntheticLlama2().bytes(version: 1).dropLast(4)), containing: "")
        // A model file is no checkpoint.
        expectOneSentence((try? sentence(Data(SyntheticSTLM().packedBytes(.int8)))) ?? "", containing: "")
    }

    @Test func limitsOfTheFormatAreNamedWithBothNumbers() throws {
        var model = try SyntheticSTLM().floatModel()
        func words(_ model: FloatModel) -> String {
            do {
                _ = try PackedModel(model, tokenizer: nil, width: .int8)
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        #expect(words(model) == "no error")
        model.contextMaximum = 65_537
        expectOneSentence(words(model), containing: "a context of 65537 and the format allows 65536")
        model.contextMaximum = 32
        model.schedule = Array(repeating: model.schedule[0], count: 4097)
        expectOneSentence(words(model), containing: "a number of steps of 4097 and the format allows 4096")
    }

    @Test func weightsBeyondEveryScaleAreRefused() {
        for value in [Float(1e30), -.greatestFiniteMagnitude] {
            var file = SyntheticSTLM().file()
            file.storages[0].content.replaceSubrange(8..<12, with: TorchFile.content([value]))
            expectOneSentence(sentence(file.bytes()), containing: "embedding_model.token_embedder.weight holds")
        }
    }

    @Test func modelsOfConstantsPack() throws {
        // All zeros, and all one huge number: nothing divides by nothing, nothing overflows.
        for value in [Float(0), 1e6, 1e-30] {
            var file = SyntheticSTLM { $0.hasOptimizer = false }.file()
            for index in file.storages.indices {
                file.storages[index].content = TorchFile.content([Float](repeating: value, count: file.storages[index].content.count / 4))
            }
            let packed = try OpenedModelFile(PackedModel(checkpoint: file.bytes(), tokenizer: nil, width: .int8).bytes)
            let logits = try packed.logits([1, 2, 3])
            #expect(logits.allSatisfy { row in row.allSatisfy { $0 == row[0] } })
        }
    }
}
