import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Byte-level checkpoints made by the original code, with what it computed.
@Suite struct ByteReferenceTests {
    static let variants = ["byte_level", "byte_level_ffn_sharing"].filter { SharedData.holds("data/stlm/\($0)/model.ckpt") }

    private func model(_ variant: String) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(path: SharedData.path("data/stlm/\(variant)/model.ckpt")))
    }

    private func arrays(_ variant: String) throws -> [String: NumpyArray] {
        try NumpyArray.archive(path: SharedData.path("data/stlm/\(variant)/ref.npz"))
    }

    /// The blocks of row `row` of an array (rows, S, C).
    private func blocks(_ array: NumpyArray, row: Int = 0) -> [[Int]] {
        let (count, size) = (array.shape[1], array.shape[2]), integers = array.integers
        return (row * count..<(row + 1) * count).map { Array(integers[$0 * size..<($0 + 1) * size]) }
    }

    private func worstDifference(_ own: [Double], _ reference: [Double]) -> Double {
        #expect(own.count == reference.count)
        return zip(own, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    private func logProbability(_ row: [Double], _ symbol: Int) -> Double {
        let most = row.max() ?? 0
        return row[symbol] - most - log(row.reduce(0) { $0 + exp($1 - most) })
    }

    @Test(.enabled(if: !variants.isEmpty), arguments: variants)
    func everyStageIsThatOfTheOriginal(_ variant: String) throws {
        let model = try model(variant), arrays = try arrays(variant)
        var seen: [ProbePoint: [Double]] = [:]
        let logits = try model.forward(inputs: blocks(#require(arrays["ids"]))) { seen[$0] = $1.values }
        let last = model.schedule.count - 1
        var stages = [("embed_out", seen[.embedding]), ("core_out", seen[.residual(step: last)]), ("logits", logits.values)]
        stages += model.schedule.indices.map { ("block_\($0)", seen[.residual(step: $0)]) }
        for (name, own) in stages {
            let difference = try worstDifference(#require(own), #require(arrays[name]).values)
            #expect(difference < 5e-5, "\(name)")
            print("\(variant), \(name): largest difference \(difference)")
        }
    }

    /// The auxiliary loss of byte_shell: the head reads each block back from its own embedding. Mean cross-entropy over all slots.
    @Test(.enabled(if: variants.contains("byte_level"))) func theHeadOnTheEmbedderIsThatOfTheOriginal() throws {
        var model = try model("byte_level")
        let arrays = try arrays("byte_level"), inputs = blocks(try #require(arrays["ids"]))
        model.schedule = []
        let logits = try model.forward(inputs: inputs)
        #expect(try worstDifference(logits.values, #require(arrays["recon_logits"]).values) < 5e-5)
        let symbols = Array(inputs.joined())
        let sum = symbols.indices.reduce(0) { $0 - logProbability(logits.row($1), symbols[$1]) }
        #expect(try abs(sum / Double(symbols.count) - #require(arrays["aux_recon_loss"]).values[0]) < 1e-5)
    }

    /// Five blocks of a prompt, then four that the model writes: in every slot the greatest logit after the last position.
    @Test(.enabled(if: !variants.isEmpty), arguments: variants)
    func greedyBlocksOfTheOriginal(_ variant: String) throws {
        let model = try model(variant)
        let reference = blocks(try #require(arrays(variant)["greedy_blocks"]))
        var own = Array(reference.prefix(5))
        while own.count < reference.count {
            own.append(model.likeliestBlock(after: own.count - 1, in: try model.forward(inputs: own)))
        }
        #expect(own == reference)
    }

    /// `ll` is for each text the sum of the natural log-probabilities of all 12 slots, pads included, of the blocks from the
    /// second on, each read off the logits of the position before it. `ll_mask` is 1 for real blocks and 0 for the padding of the
    /// batch, and it is the block that is scored whose mask counts.
    @Test(.enabled(if: variants.contains("byte_level"))) func logLikelihoodsOfTheOriginal() throws {
        let model = try model("byte_level"), arrays = try arrays("byte_level")
        let ids = try #require(arrays["ll_ids"]), masks = try #require(arrays["ll_mask"]), sums = try #require(arrays["ll"]).values
        for text in 0..<ids.shape[0] {
            let inputs = blocks(ids, row: text), mask = blocks(masks, row: text)
            let logits = try model.forward(inputs: inputs)
            var sum = 0.0
            for position in 1..<inputs.count {
                for slot in 0..<model.blockSize where mask[position][slot] == 1 {
                    sum += logProbability(logits.row((position - 1) * model.blockSize + slot), inputs[position][slot])
                }
            }
            #expect(abs(sum - sums[text]) < 5e-5)
            print("byte_level, text \(text): log-likelihood off by \(abs(sum - sums[text]))")
        }
    }

    @Test(.enabled(if: variants.contains("byte_level"))) func whatTheModelSaysOfItself() throws {
        let model = try model("byte_level")
        #expect((model.blockSize, model.contextDefault, model.contextMaximum, model.vocabularySize) == (12, 32, 64, 50_257))
        #expect(model.endBlock == [60, 124, 101, 110, 100, 111, 102, 116, 101, 120, 116, 124])
        #expect(model.bosId == nil && model.eosIds.isEmpty && model.padId == nil && !model.isTied)
        #expect(model.sourceDescription
            == "STLM, byte_level embedder, byte_level head, generic core, 2 layers, hidden size 64, rope positions")
    }
}
