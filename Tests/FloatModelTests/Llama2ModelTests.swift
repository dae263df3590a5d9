import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

@Suite struct Llama2ModelTests {
    static let stories = "data/weights/stories260K.bin"

    /// The numbers are those of an independent float64 implementation in numpy over the same file.
    @Test(.enabled(if: SharedData.holds(stories))) func storiesOfARealModel() throws {
        let model = try FloatModel(llama2: Llama2Checkpoint(path: SharedData.path(Self.stories)))
        let story = [1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410,
                     408, 419, 292]
        let logits = try model.logits(ids: story)
        for (position, id) in story.enumerated().dropFirst() {
            let row = logits[position - 1]
            #expect(row.indices.max { row[$0] < row[$1] } == id)
        }
        #expect(abs(logits[0].reduce(0, +) + 1070.172228901546) < 1e-6)
        #expect(abs(logits[24].reduce(0, +) + 3608.3587908689124) < 1e-6)
        #expect(abs(logits[24][story[3]] - 1.9187770017656791) < 1e-9)
        #expect(model.isTied)
        #expect(model.parameterCount == 260_032)
        #expect((model.bosId, model.eosIds.count, model.contextMaximum) == (1, 2, 512))
    }

    @Test func wqWkAndWvAreRowsOfOneMatrix() throws {
        let source = SyntheticLlama2(), weights = source.weights()
        let model = try FloatModel(llama2: Llama2Checkpoint(source.bytes(version: 1)))
        let qkv = model.attentions[1].qkv.weight
        #expect(qkv.rows == 64 && qkv.columns == 32)
        #expect(qkv.names == [
            TensorName(name: "layers.1.attention.wq.weight", firstRow: 0, rowCount: 32),
            TensorName(name: "layers.1.attention.wk.weight", firstRow: 32, rowCount: 16),
            TensorName(name: "layers.1.attention.wv.weight", firstRow: 48, rowCount: 16),
        ])
        #expect(Array(qkv.values.suffix(16 * 32)) == Array(weights["wv"]!.suffix(16 * 32)))
    }

    @Test func sameLogitsFromVersionZeroAndOne() throws {
        for isHeadShared in [true, false] {
            let source = SyntheticLlama2 { $0.isHeadShared = isHeadShared }
            let ids = [1, 5, 90, 7]
            let first = try FloatModel(llama2: Llama2Checkpoint(source.bytes(version: 0)))
            let second = try FloatModel(llama2: Llama2Checkpoint(source.bytes(version: 1)))
            let third = try FloatModel(llama2: Llama2Checkpoint(source.bytes(version: 2)))
            #expect(first.isTied == isHeadShared)
            let logits = try first.forward(ids: ids).values
            #expect(try second.forward(ids: ids).values == logits)
            let difference = zip(try third.forward(ids: ids).values, logits).map { $0 - $1 }
            let power = logits.reduce(0) { $0 + $1 * $1 }, error = difference.reduce(0) { $0 + $1 * $1 }
            #expect(error > 0 && (error / power).squareRoot() < 0.03)
        }
    }
}
