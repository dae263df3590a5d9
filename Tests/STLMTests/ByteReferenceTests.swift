import Checkpoints
import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Byte-level checkpoints made by the original code, packed, against what it computed.
@Suite struct ByteReferenceTests {
    static let variants = ["byte_level", "byte_level_ffn_sharing"].filter { SharedData.holds("data/stlm/\($0)/model.ckpt") }

    private func packed(_ variant: String, _ width: WeightWidth) throws -> OpenedModelFile {
        let checkpoint = try CheckpointFile.bytes(path: SharedData.path("data/stlm/\(variant)/model.ckpt"))
        return try OpenedModelFile(PackedModel(checkpoint: checkpoint, tokenizer: nil, width: width).bytes)
    }

    private func arrays(_ variant: String) throws -> [String: NumpyArray] {
        try NumpyArray.archive(path: SharedData.path("data/stlm/\(variant)/ref.npz"))
    }

    /// The blocks of row `row` of an array (rows, S, C).
    private func blocks(_ array: NumpyArray, row: Int = 0) -> [[Int]] {
        let (count, size) = (array.shape[1], array.shape[2]), integers = array.integers
        return (row * count..<(row + 1) * count).map { Array(integers[$0 * size..<($0 + 1) * size]) }
    }

    /// `%` of the deviation of the original's logits.
    @Test(.enabled(if: !variants.isEmpty), arguments: variants, [(WeightWidth.int16, 0.1), (.int8, 5)])
    func logitsOfTheOriginal(_ variant: String, _ limit: (width: WeightWidth, percent: Double)) throws {
        let packed = try packed(variant, limit.width), arrays = try arrays(variant)
        let own = try packed.logits(inputs: blocks(#require(arrays["ids"])))
        let error = try relativeError(own, unit: packed.logitUnit, #require(arrays["logits"]).values)
        #expect(error <= limit.percent)
        print("\(variant) int\(limit.width.rawValue): \(error) %")
    }

    /// Five blocks of a prompt, then four that the model writes, each fed back.
    @Test(.enabled(if: !variants.isEmpty), arguments: variants)
    func greedyBlocksOfTheOriginal(_ variant: String) throws {
        let packed = try packed(variant, .int16), reference = blocks(try #require(arrays(variant)["greedy_blocks"]))
        let own = try packed.withSession(packed.options(context: reference.count)) { session in
            var made = Array(reference.prefix(5))
            try session.feed(made.joined().map { UInt32($0) })
            while made.count < reference.count {
                let block = Array(UnsafeBufferPointer(start: session.likeliestBlock(row: made.count == 5 ? 4 : 0), count: 12))
                made.append(block.map { Int($0) })
                try session.feed(block)
            }
            return made
        }
        #expect(own == reference)
    }

    /// `ll`: for each text the sum of the natural log-probabilities of all slots of its real blocks but the first.
    @Test(.enabled(if: variants.contains("byte_level")), arguments: [(WeightWidth.int16, 0.002), (.int8, 0.02)])
    func logLikelihoodsOfTheOriginal(_ limit: (width: WeightWidth, share: Double)) throws {
        let packed = try packed("byte_level", limit.width), arrays = try arrays("byte_level")
        let ids = try #require(arrays["ll_ids"]), masks = try #require(arrays["ll_mask"]), sums = try #require(arrays["ll"]).values
        for text in 0..<ids.shape[0] {
            let inputs = blocks(ids, row: text), mask = blocks(masks, row: text)
            #expect(mask.allSatisfy { $0.allSatisfy { $0 == 0 } || $0.allSatisfy { $0 == 1 } })
            let cost = try packed.withSession(packed.options(context: inputs.count, batch: inputs.count)) { session in
                try session.feed(inputs.joined().map { UInt32($0) })
                return (1..<inputs.count).filter { mask[$0][0] == 1 }.reduce(Int64(0)) {
                    $0 + session.cost(row: $1 - 1, of: inputs[$1].map { UInt32($0) })
                }
            }
            let own = -Double(cost) / 16_777_216 * log(2)
            #expect(abs(own / sums[text] - 1) <= limit.share)
            print("byte_level int\(limit.width.rawValue), text \(text): \(own), the original \(sums[text])")
        }
    }
}
