import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// The fast pass in single precision against the plain one in double precision.
@Suite struct FloatPassTests {
    private func model(_ change: (inout SyntheticSTLM) -> Void) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(change).checkpointBytes()))
    }

    private func model(_ embedder: String, _ head: String, _ change: (inout SyntheticSTLM) -> Void = { _ in }) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(embedder: embedder, head: head, change).checkpointBytes()))
    }

    /// Largest difference of a logit from that of the pass in double precision, as a share of the greatest logit.
    private func difference(_ model: FloatModel, _ inputs: [[Int]], _ targets: [[Int]]? = nil) throws -> Double {
        let truth = try model.forward(inputs: inputs, targets: model.writesBlocks ? targets : nil)
        let own = try FloatPass(model, threadCount: 2).forward(inputs: inputs, targets: targets)
        #expect((own.rows, own.columns) == (truth.rows, truth.columns))
        // Slots without a meaning are exactly 0 in both.
        for row in 0..<truth.rows where truth.row(row).allSatisfy({ $0 == 0 }) {
            #expect(own.values[row * own.columns..<(row + 1) * own.columns].allSatisfy { $0 == 0 })
        }
        let most = zip(own.values, truth.values).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
        return most / truth.maximumMagnitude
    }

    @Test(arguments: ["rms_norm", "layer_norm", "none"], ["rope", "learned", "sincos", "none"])
    func everyNormWithEveryPosition(_ norm: String, _ positions: String) throws {
        for (hasBias, isCausal) in [(false, true), (true, true), (true, false)] {
            let model = try model {
                ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm, $0.positions) = (norm, norm, norm, positions)
                ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (hasBias, hasBias, hasBias)
                ($0.isCausal, $0.isTied) = (isCausal, !hasBias)
            }
            #expect(try difference(model, model.sampleInputs(13)) < 1e-5)
        }
    }

    @Test(arguments: ["gelu", "relu", "leakyrelu", "tanh", "sigmoid", "silu", "learned", "none"], [false, true])
    func everyActivation(_ name: String, isShared: Bool) throws {
        let model = try model {
            ($0.feedForwardType, $0.activation, $0.isFeedForwardShared) = ("generic", name, isShared)
            $0.layerCount = 3
        }
        #expect(try difference(model, model.sampleInputs(9)) < 1e-5)
    }

    /// Sizes that are no multiples of what the loops do at once, down to single rows.
    @Test(arguments: [1, 2, 4], [1, 3, 8, 17]) func everyGroupSizeAndSmallLengths(_ groupSize: Int, _ length: Int) throws {
        let model = try model {
            ($0.hiddenSize, $0.headCount, $0.groupSize, $0.feedForwardSize) = (40, 4, groupSize, 27)
            $0.vocabularySize = 101
        }
        #expect(try difference(model, model.sampleInputs(length)) < 1e-5)
    }

    @Test(arguments: SyntheticSTLM.byteLevelPairs, ["rope", "learned", "sincos", "none"])
    func everyPairOfBytePartsWithEveryCore(_ pair: (embedder: String, head: String), _ positions: String) throws {
        for (isShared, isCausal) in [(false, true), (true, true), (false, false)] {
            let model = try model(pair.embedder, pair.head) {
                ($0.positions, $0.isFeedForwardShared, $0.layerCount, $0.isCausal) = (positions, isShared, 3, isCausal)
            }
            #expect(try difference(model, model.sampleInputs(7)) < 1e-5)
            #expect(try difference(model, model.sampleInputs(7), model.sampleTargets(8)) < 1e-5)
        }
    }

    @Test(arguments: [1, 2, 31, 32]) func everyBlockSize(_ size: Int) throws {
        for pair in SyntheticSTLM.byteLevelPairs {
            let model = try model(pair.embedder, pair.head) { $0.blockSize = size }
            #expect(try difference(model, model.sampleInputs(3), model.sampleTargets(4)) < 1e-5)
        }
    }

    @Test(arguments: ByteDecoderTests.variants, ["rms_norm", "layer_norm", "none"])
    func everyByteDecoder(_ decoder: SyntheticByteDecoder, _ norm: String) throws {
        // Without any norm the stream grows until logits are in the ten thousands, and its roundings with it.
        let limit = norm == "none" ? 1e-4 : 1e-5
        for hasBias in [false, true] {
            let model = try model("byte_level", "byte_decoder") {
                ($0.decoder, $0.headNorm, $0.hasHeadBias, $0.blockSize) = (decoder, norm, hasBias, 5)
            }
            #expect(try difference(model, model.sampleInputs(5), model.sampleTargets(6)) < limit)
            // The last position writes a block of its own; then all do.
            #expect(try difference(model, model.sampleInputs(5)) < limit)
            #expect(try difference(model, model.sampleInputs(5), []) < limit)
        }
    }

    /// Sizes beyond those of one task and of one sum of products, on both sides.
    static let large = SyntheticLlama2 {
        ($0.hiddenSize, $0.headCount, $0.kvHeadCount, $0.feedForwardSize) = (296, 4, 2, 523)
        ($0.vocabularySize, $0.contextSize, $0.layerCount) = (203, 300, 2)
    }

    @Test func largeMatricesAndLongWindows() throws {
        let model = try FloatModel(llama2: Llama2Checkpoint(Self.large.bytes(version: 0)))
        #expect(try difference(model, model.sampleInputs(300)) < 1e-5)
    }

    @Test func sameBitsOnOneTwoAndThreeThreads() throws {
        let models = try [
            FloatModel(llama2: Llama2Checkpoint(Self.large.bytes(version: 0))),
            model("byte_level", "byte_decoder"), model("byte_level", "byte_level") { $0.activation = "tanh" },
        ]
        for model in models {
            let inputs = model.sampleInputs(model.takesBlocks ? 32 : 300), targets = model.sampleTargets(inputs.count + 1)
            let results = try [1, 2, 3].map { threads in
                let statistics = InputStatistics(model, threadCount: threads)
                let logits = try FloatPass(model, threadCount: threads).forward(inputs: inputs, targets: targets, observer: statistics)
                return (logits, model.matrices.compactMap { statistics.moments(of: $0)?.secondMoments() })
            }
            for other in results.dropFirst() {
                #expect(other.0 == results[0].0)
                #expect(other.1 == results[0].1 && !other.1.isEmpty)
            }
        }
    }

    @Test(.enabled(if: SharedData.holds(Llama2ModelTests.stories))) func storiesOfARealModel() throws {
        let model = try FloatModel(llama2: Llama2Checkpoint(path: SharedData.path(Llama2ModelTests.stories)))
        let difference = try difference(model, model.sampleInputs(256))
        #expect(difference < 1e-5)
        print("stories260K: largest difference of a logit \(difference) of the greatest")
    }

    @Test func inputsThatDoNotFitAreRefused() throws {
        let tokens = try model { _ in }, bytes = try model("byte_level", "byte_decoder")
        #expect(throws: FloatModelError.self) { try FloatPass(tokens, threadCount: 1).forward(inputs: [[96]]) }
        #expect(throws: FloatModelError.self) { try FloatPass(bytes, threadCount: 1).forward(inputs: [[1]]) }
        let block = bytes.sampleInputs(1)
        #expect(throws: FloatModelError.self) { try FloatPass(bytes, threadCount: 1).forward(inputs: block, targets: [[1]]) }
    }
}

extension FloatModel {
    /// Seeded ids, or blocks of seeded symbols, pads anywhere.
    func sampleInputs(_ count: Int, seed: UInt64 = 7) -> [[Int]] { sample(count, areBlocks: takesBlocks, seed) }

    /// The same of what the model writes.
    func sampleTargets(_ count: Int, seed: UInt64 = 8) -> [[Int]] { sample(count, areBlocks: writesBlocks, seed) }

    private func sample(_ count: Int, areBlocks: Bool, _ seed: UInt64) -> [[Int]] {
        var numbers = SeededNumbers(seed: seed)
        guard areBlocks else { return (0..<count).map { _ in [Int.random(in: 0..<vocabularySize, using: &numbers)] } }
        return (0..<count).map { _ in
            (0..<blockSize).map { _ in
                Int.random(in: 0..<8, using: &numbers) == 0 ? Self.padSymbol : Int.random(in: 0...257, using: &numbers)
            }
        }
    }
}
