import FloatModel
import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Every kind of model with blocks against the same model in double precision, in % of the logits' deviation.
@Suite struct ByteVariantTests {
    static let int16Limit = 0.1
    /// The widest of random blocks, 32 slots, lose 6.2 with scales of least error, where those of the greatest weight lost less than 5.
    static let int8Limit = 7.0

    private func check(_ named: ByteLevelSource, int8Limit: Double = int8Limit) throws {
        let source = named.source, float = try source.floatModel()
        var line = named.description
        for (width, limit) in [(WeightWidth.int16, Self.int16Limit), (.int8, int8Limit)] {
            let packed = try source.packed(width)
            var pieces = SeededPieces(seed: 7)
            let inputs = pieces.inputs(packed.model, min(16, source.contextSize)), targets = pieces.targets(packed.model, inputs.count)
            let truth = try float.forward(inputs: inputs, targets: targets)
            let own = try packed.logits(inputs: inputs, targets: targets)
            // Where the decoder's last block is its own likeliest, both must have chosen the same for its logits to mean the same.
            let live = named.source.head == "byte_decoder" ? own.count - source.blockSize : own.count
            let error = relativeError(Array(own.prefix(live)), unit: packed.logitUnit, Array(truth.values.prefix(live * truth.columns)))
            #expect(error <= limit, "\(named), int\(width.rawValue)")
            line += String(format: "  int%d %.4f %%", width.rawValue, error)
        }
        print(line)
    }

    @Test(arguments: ByteLevelSource.pairs) func everyPairOfEmbedderAndHead(_ pair: ByteLevelSource) throws { try check(pair) }

    @Test(arguments: ByteLevelSource.pairs, ["rope", "learned", "sincos", "none"])
    func everyPositionOfTheCore(_ pair: ByteLevelSource, _ positions: String) throws {
        try check(pair.changed(positions) { $0.positions = positions })
    }

    @Test(arguments: ByteLevelSource.pairs) func sharedFeedForwards(_ pair: ByteLevelSource) throws {
        try check(pair.changed("shared") { ($0.isFeedForwardShared, $0.layerCount, $0.decoder.isFeedForwardShared) = (true, 4, true) })
    }

    @Test(arguments: ByteLevelSource.pairs) func notCausal(_ pair: ByteLevelSource) throws {
        try check(pair.changed("not causal") { $0.isCausal = false })
    }

    @Test(arguments: ByteLevelSource.pairs, ["rms_norm", "layer_norm", "none"])
    func everyNormWithBiases(_ pair: ByteLevelSource, _ norm: String) throws {
        // Without norms nothing brings a stream back to its size, and a random model amplifies what 8 bits lose.
        let int8Limit = norm == "none" ? 2 * Self.int8Limit : Self.int8Limit
        try check(pair.changed("\(norm) and biases") {
            ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = (norm, norm, norm)
            ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (true, true, true)
            // Seven random blocks without a residual amplify what int8 loses, the narrower the more.
            $0.byteSize = 32
        }, int8Limit: int8Limit)
    }

    @Test(arguments: ByteLevelSource.pairs.filter { $0.source.head == "byte_decoder" }, ["gelu", "relu", "silu", "learned"])
    func everyKindOfDecoder(_ pair: ByteLevelSource, _ activation: String) throws {
        try check(pair.changed("decoder of \(activation)") {
            ($0.decoder.feedForwardType, $0.decoder.activation, $0.decoder.isTied) = ("generic", activation, activation == "relu")
            ($0.decoder.layerCount, $0.decoder.groupSize) = (activation == "silu" ? 1 : 3, activation == "gelu" ? 4 : 1)
        })
    }

    /// Blocks of one and of the most slots, and sizes that are no multiple of what the kernels take at once.
    @Test(arguments: ByteLevelSource.pairs, [1, 5, 32]) func everySizeOfBlock(_ pair: ByteLevelSource, _ size: Int) throws {
        try check(pair.changed("blocks of \(size)") {
            ($0.blockSize, $0.byteSize) = (size, 24)
            ($0.hiddenSize, $0.headCount, $0.groupSize, $0.feedForwardSize, $0.vocabularySize) = (30, 3, 3, 37, 101)
            ($0.decoder.width, $0.decoder.headCount, $0.decoder.groupSize, $0.decoder.feedForwardSize) = (22, 2, 1, 31)
        })
    }
}
