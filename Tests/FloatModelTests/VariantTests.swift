import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Variants for which there is no checkpoint of the original.
@Suite struct VariantTests {
    private func model(_ change: (inout SyntheticSTLM) -> Void) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(change).checkpointBytes()))
    }

    @Test(arguments: ["rms_norm", "layer_norm", "none"], ["rope", "learned", "sincos", "none"])
    func everyNormWithEveryPosition(_ norm: String, _ positions: String) throws {
        for hasBias in [false, true] {
            let model = try model {
                ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm, $0.positions) = (norm, norm, norm, positions)
                ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (hasBias, hasBias, hasBias)
            }
            #expect(model.norms.count == (norm == "none" ? 0 : 4))
            #expect((model.tokenPositions == nil) == (positions == "rope" || positions == "none"))
            #expect(model.contextMaximum == (model.tokenPositions == nil ? 32 : 16))
            #expect((model.linearHead?.norm.bias != nil) == (norm == "layer_norm" && hasBias))
            #expect((model.blockSize, model.endBlock.count) == (0, 0))
            #expect(try model.forward(ids: [1, 2, 3, 95]).values.allSatisfy(\.isFinite))
        }
    }

    @Test(arguments: ["gelu", "relu", "leakyrelu", "tanh", "sigmoid", "silu", "learned", "none", "GELU", "LeakyReLU"], [false, true])
    func everyActivation(_ name: String, isShared: Bool) throws {
        let model = try model {
            ($0.feedForwardType, $0.activation, $0.isFeedForwardShared) = ("generic", name, isShared)
            $0.layerCount = 3
        }
        #expect(model.feedForwards.count == (isShared ? 1 : 3))
        #expect(model.feedForwards[0].gate == nil)
        if name == "learned" {
            // One global object of the original, whether layers share their parts or not.
            let first = try #require(model.feedForwards.first?.activation.learned)
            #expect(model.feedForwards.allSatisfy { $0.activation.learned?.w1 === first.w1 && $0.activation.learned?.b2 === first.b2 })
            #expect(first.w1.names.count == 3)
        }
        #expect(try model.forward(ids: [1, 2, 3, 95]).values.allSatisfy(\.isFinite))
    }

    @Test func activationsAtKnownPoints() {
        let expected: [(ActivationKind, Double)] = [
            (.gelu, -0.15865525393145707), (.relu, 0), (.leakyRelu, -0.01), (.tanh, -0.7615941559557649),
            (.sigmoid, 0.2689414213699951), (.silu, -0.2689414213699951), (.identity, -1),
        ]
        for (kind, value) in expected { #expect(abs(FloatActivation(kind: kind).value(at: -1) - value) < 1e-15) }
    }

    @Test(arguments: [1, 2, 4]) func everyGroupSize(_ groupSize: Int) throws {
        let model = try model { $0.groupSize = groupSize }
        #expect(model.attentions[0].kvHeadCount == 4 / groupSize)
        #expect(model.attentions[0].qkv.weight.rows == 32 + 2 * 32 / groupSize)
        #expect(try model.forward(ids: [4, 4, 4]).values.allSatisfy(\.isFinite))
    }

    @Test func aCausalModelDoesNotSeeTheFutureAndAnotherDoes() throws {
        for isCausal in [true, false] {
            let model = try model { $0.isCausal = isCausal }
            let first = try model.logits(ids: [1, 2, 3, 4]), second = try model.logits(ids: [1, 2, 3, 90])
            #expect((first[2] == second[2]) == isCausal)
            #expect(first[3] != second[3])
        }
    }

    @Test func tiesAreOneObject() throws {
        let tied = try model { $0.isFeedForwardShared = true }
        let table = try #require(tied.tokenTable)
        #expect(tied.isTied && tied.linearHead?.output.weight === table)
        #expect(table.names.map(\.name) == ["embedding_model.token_embedder.weight", "model_head.linear.weight"])
        #expect(tied.feedForwards.count == 1 && tied.attentions.count == 2)
        #expect(tied.schedule.map(\.feedForward) == [0, 0] && tied.schedule.map(\.attention) == [0, 1])
        #expect(tied.feedForwards[0].down.weight.names.count == 2)
        let free = try model { $0.isTied = false }
        #expect(!free.isTied && free.feedForwards.count == 2)
        #expect(free.parameterCount - tied.parameterCount == 96 * 32 + 3 * 48 * 32)
        #expect(free.matrices.count == 2 * 7 + 3)
    }

    @Test func theLastOfDifferingTiedCopiesWins() throws {
        // A file that was saved untied, with a config that says tied.
        var file = SyntheticSTLM { $0.isTied = false }.file()
        file.config = SyntheticSTLM().config()
        let checkpoint = try TorchCheckpoint(file.bytes())
        let model = try FloatModel(stlm: checkpoint)
        #expect(model.isTied)
        #expect(try model.tokenTable?.values == #require(checkpoint.tensor(named: "model_head.linear.weight")).floats())
        #expect(model.tokenTable?.names.count == 2)
    }

    @Test func weightsThatShareAStorageAreOneObjectWhateverTheConfigSays() throws {
        var file = SyntheticSTLM { $0.isFeedForwardShared = true }.file()
        file.config = SyntheticSTLM { ($0.isTied, $0.isFeedForwardShared) = (false, false) }.config()
        let model = try FloatModel(stlm: TorchCheckpoint(file.bytes()))
        #expect(model.isTied)
        #expect(model.feedForwards.count == 1)
    }

    @Test func specialIdsFollowTheTokenizer() throws {
        let bytes = try model { $0.vocabularySize = 300 }
        #expect(bytes.eosIds == [299] && bytes.padId == 298 && bytes.bosId == nil)
        let toy = try model { $0.tokenizerType = "gpt2" }
        #expect(toy.eosIds == [] && toy.padId == nil && toy.tokenizerName == "gpt2")
    }

    @Test func probesSeeEveryPoint() throws {
        let model = try model { _ in }
        var report = ProbeReport()
        try model.probe(ids: [1, 2, 3], into: &report)
        try model.probe(ids: [4], into: &report)
        #expect(report.entries.count == 3 + 11 * 2)
        let logits = try #require(report[.logits])
        #expect(logits.count == 4 * 96)
        #expect(logits.maximum >= logits.rms && logits.rms > 0)
        #expect(report[.attentionVectors(step: 1)]?.count == 4 * 64)
    }

    @Test func idsThatDoNotFitAreSentences() throws {
        let model = try model { _ in }
        #expect { try model.logits(ids: []) } throws: { "\($0)".contains("no ids") }
        #expect { try model.logits(ids: [1, 96]) } throws: { "\($0)".contains("Id 1 of 2 is 96 and the vocabulary has 96") }
        #expect { try model.logits(ids: [-1]) } throws: { "\($0)".contains("is -1") }
        #expect(try model.logits(ids: Array(repeating: 1, count: 32)).count == 32)
        #expect { try model.logits(ids: Array(repeating: 1, count: 33)) } throws: { "\($0)".contains("33 ids and the model has 32") }
    }
}
