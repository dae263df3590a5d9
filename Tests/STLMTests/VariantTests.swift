import FloatModel
import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Every kind of model against the same model in double precision, in % of the logits' deviation.
@Suite struct VariantTests {
    static let int16Limit = 0.05
    static let int8Limit = 4.0

    private func check(_ name: String, _ change: (inout SyntheticSTLM) -> Void) throws {
        let source = SyntheticSTLM(change)
        let float = try source.floatModel()
        var numbers = SeededNumbers(seed: 7)
        let ids = (0..<min(16, source.contextSize)).map { _ in Int(numbers.next() % UInt64(source.vocabularySize)) }
        let truth = try float.logits(ids: ids).flatMap { $0 }
        var line = name
        for (width, limit) in [(WeightWidth.int16, Self.int16Limit), (.int8, Self.int8Limit)] {
            let packed = try source.packed(width)
            let error = try relativeError(packed.logits(ids), unit: packed.logitUnit, truth)
            #expect(error <= limit, "\(name), int\(width.rawValue)")
            line += String(format: "  int%d %.4f %%", width.rawValue, error)
        }
        print(line)
    }

    @Test(arguments: ["gelu", "relu", "leakyrelu", "tanh", "sigmoid", "silu", "learned", "none"], [false, true])
    func everyActivation(_ activation: String, hasBias: Bool) throws {
        try check("\(activation), bias \(hasBias)") {
            ($0.feedForwardType, $0.activation, $0.hasFeedForwardBias) = ("generic", activation, hasBias)
        }
    }

    @Test(arguments: ["rms_norm", "layer_norm", "none"], ["rope", "learned", "sincos", "none"])
    func everyNormWithEveryPosition(_ norm: String, _ positions: String) throws {
        try check("\(norm), \(positions)") {
            ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm, $0.positions) = (norm, norm, norm, positions)
        }
    }

    @Test(arguments: [1, 2, 4], [false, true])
    func everyGroupSizeWithAndWithoutBiases(_ groupSize: Int, hasBias: Bool) throws {
        try check("groups of \(groupSize), bias \(hasBias)") {
            $0.groupSize = groupSize
            ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (hasBias, hasBias, hasBias)
            ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = ("layer_norm", "layer_norm", "layer_norm")
        }
    }

    @Test(arguments: [false, true], [false, true])
    func tiedOrNotSharedOrNot(_ isTied: Bool, _ isShared: Bool) throws {
        try check("tied \(isTied), shared \(isShared)") { ($0.isTied, $0.isFeedForwardShared, $0.layerCount) = (isTied, isShared, 4) }
    }

    @Test(arguments: ["rope", "learned"]) func notCausal(_ positions: String) throws {
        try check("not causal, \(positions)") { ($0.isCausal, $0.positions) = (false, positions) }
    }

    /// Sizes that are no multiple of the rows and columns that the kernels take at once.
    @Test func oddSizes() throws {
        try check("odd sizes") {
            ($0.hiddenSize, $0.headCount, $0.groupSize, $0.feedForwardSize, $0.vocabularySize) = (30, 3, 3, 37, 101)
        }
    }
}
