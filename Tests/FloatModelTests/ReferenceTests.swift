import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Checkpoints made by the original code, with the logits it computed.
@Suite struct ReferenceTests {
    static let variants = [
        "act_learned", "baseline", "baseline_cuda_loc", "bpe_tokenizer", "ffn_sharing", "ffn_sharing_generic_bias",
        "generic_gelu_ln_bias_learned", "generic_relu_sincos_mixed",
    ].filter { SharedData.holds("data/stlm/\($0)/model.ckpt") }

    private func model(_ variant: String) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(path: SharedData.path("data/stlm/\(variant)/model.ckpt")))
    }

    private func arrays(_ variant: String) throws -> [String: NumpyArray] {
        try NumpyArray.archive(path: SharedData.path("data/stlm/\(variant)/ref.npz"))
    }

    private func worstDifference(_ own: [Double], _ reference: some Collection<Double>) -> Double {
        #expect(own.count == reference.count)
        return zip(own, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    @Test(.enabled(if: !variants.isEmpty), arguments: variants)
    func logitsOfTheOriginal(_ variant: String) throws {
        let model = try model(variant), arrays = try arrays(variant)
        var seen: [ProbePoint: [Double]] = [:]
        let logits = try model.forward(ids: #require(arrays["ids"]).integers) { seen[$0] = $1.values }
        var worst = try worstDifference(logits.values, #require(arrays["logits"]).values)
        #expect(worst < 5e-5)
        #expect(try worstDifference(#require(seen[.embedding]), #require(arrays["embed_out"]).values) < 5e-6)
        for step in model.schedule.indices {
            let reference = try #require(arrays["block_\(step)"]).values
            #expect(try worstDifference(#require(seen[.residual(step: step)]), reference) < 5e-5)
        }
        // Two texts longer than the context window, which rope allows.
        if let ids = arrays["ids_long"], let reference = arrays["logits_long"] {
            let length = ids.shape[1], size = length * model.vocabularySize
            for row in 0..<ids.shape[0] {
                let own = try model.forward(ids: Array(ids.integers[row * length..<(row + 1) * length]))
                let difference = worstDifference(own.values, reference.values[row * size..<(row + 1) * size])
                #expect(difference < 5e-5)
                worst = max(worst, difference)
            }
        }
        print("\(variant): largest difference of a logit \(worst)")
    }

    @Test(.enabled(if: !variants.isEmpty), arguments: variants)
    func greedyIdsOfTheOriginal(_ variant: String) throws {
        let model = try model(variant)
        let reference = try #require(arrays(variant)["greedy_ids"]).integers
        var ids = Array(reference.prefix(6))
        while ids.count < reference.count {
            let last = try #require(model.logits(ids: ids).last)
            ids.append(try #require(last.indices.max { last[$0] < last[$1] }))
        }
        #expect(ids == reference)
    }

    @Test(.enabled(if: SharedData.holds("data/weights/slm4096_ckpt.pt")))
    func checkpointWithoutConfigIsRefused() throws {
        let checkpoint = try TorchCheckpoint(path: SharedData.path("data/weights/slm4096_ckpt.pt"))
        #expect(checkpoint.modelKey == "model_state")
        #expect(checkpoint.tensors.count > 40)
        for tensor in checkpoint.tensors { _ = try tensor.floats() }
        #expect { try FloatModel(stlm: checkpoint) } throws: {
            "\($0)".contains("no section 'model'")
        }
    }
}
