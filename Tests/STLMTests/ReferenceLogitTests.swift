import Checkpoints
import FloatModel
import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Checkpoints made by the original code, packed, against the logits that it computed.
@Suite struct ReferenceLogitTests {
    static let variants = [
        "act_learned", "baseline", "baseline_cuda_loc", "bpe_tokenizer", "ffn_sharing", "ffn_sharing_generic_bias",
        "generic_gelu_ln_bias_learned", "generic_relu_sincos_mixed",
    ].filter { SharedData.holds("data/stlm/\($0)/model.ckpt") }

    private func packed(_ variant: String, _ width: WeightWidth) throws -> OpenedModelFile {
        let checkpoint = try CheckpointFile.bytes(path: SharedData.path("data/stlm/\(variant)/model.ckpt"))
        return try OpenedModelFile(PackedModel(checkpoint: checkpoint, tokenizer: nil, width: width).bytes)
    }

    private func arrays(_ variant: String) throws -> [String: NumpyArray] {
        try NumpyArray.archive(path: SharedData.path("data/stlm/\(variant)/ref.npz"))
    }

    /// `%` of the deviation of the original's logits.
    @Test(.enabled(if: !variants.isEmpty), arguments: variants, [(WeightWidth.int16, 0.05), (.int8, 3)])
    func logitsOfTheOriginal(_ variant: String, _ limit: (width: WeightWidth, percent: Double)) throws {
        let packed = try packed(variant, limit.width), arrays = try arrays(variant)
        let own = try packed.logits(#require(arrays["ids"]).integers)
        let error = try relativeError(own, unit: packed.logitUnit, #require(arrays["logits"]).values)
        #expect(error <= limit.percent)
        var line = "\(variant) int\(limit.width.rawValue): \(error) %"
        // Texts longer than the context window, which rope allows.
        if let ids = arrays["ids_long"], let reference = arrays["logits_long"] {
            let length = ids.shape[1], size = length * packed.model.vocabularySize
            for row in 0..<ids.shape[0] {
                let own = try packed.logits(Array(ids.integers[row * length..<(row + 1) * length]))
                let error = relativeError(own, unit: packed.logitUnit, Array(reference.values[row * size..<(row + 1) * size]))
                // Three times as long: 8 bits drift a little further.
                #expect(error <= (limit.width == .int8 ? 4.5 : limit.percent))
                line += ", \(error) %"
            }
        }
        print(line)
    }

    @Test(.enabled(if: !variants.isEmpty), arguments: variants)
    func greedyIdsOfTheOriginal(_ variant: String) throws {
        let packed = try packed(variant, .int16)
        let reference = try #require(arrays(variant)["greedy_ids"]).integers.map { UInt32($0) }
        let made = try packed.withSession(packed.options(context: reference.count, batch: 6) { $0.temperature = 0 }) { session in
            var made = Array(reference.prefix(6))
            try session.feed(made)
            while made.count < reference.count {
                let logits = session.lastLogits()
                made.append(UInt32(try #require(logits.indices.max { logits[$0] < logits[$1] })))
                if made.count < reference.count { try session.feed([made.last!]) }
            }
            return made
        }
        #expect(made == reference)
    }
}
