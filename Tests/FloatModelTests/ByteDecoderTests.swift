import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// The byte decoder: blocks written symbol by symbol.
@Suite struct ByteDecoderTests {
    private func source(_ change: (inout SyntheticSTLM) -> Void = { _ in }) -> SyntheticSTLM {
        SyntheticSTLM(embedder: "byte_level", head: "byte_decoder") {
            $0.blockSize = 5
            change(&$0)
        }
    }

    private func model(_ change: (inout SyntheticSTLM) -> Void = { _ in }) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(source(change).checkpointBytes()))
    }

    /// A full block, blocks that a pad and the end close, an empty one, and one with a symbol after its close.
    private let blocks = [
        [72, 101, 108, 108, 111], [32, 0, 255, 256, 256], [257, 256, 256, 256, 256], [256, 256, 256, 256, 256], [33, 257, 7, 8, 9],
    ]

    static let variants: [SyntheticByteDecoder] = {
        var plain = SyntheticByteDecoder(), shared = plain, grouped = plain, untied = plain
        plain.feedForwardType = "generic"
        (shared.isFeedForwardShared, shared.layerCount) = (true, 3)
        (grouped.groupSize, grouped.width, grouped.headCount, grouped.layerCount) = (3, 24, 3, 1)
        untied.isTied = false
        return [SyntheticByteDecoder(), plain, shared, grouped, untied]
    }()

    @Test(arguments: variants, ["rms_norm", "layer_norm", "none"])
    func equalsANaiveComputation(_ decoder: SyntheticByteDecoder, _ norm: String) throws {
        var worst = 0.0
        for hasBias in [false, true] {
            let source = source { ($0.decoder, $0.headNorm, $0.hasHeadBias) = (decoder, norm, hasBias) }
            let naive = try NaiveDecoder(source), model = try FloatModel(stlm: naive.checkpoint)
            var core = Activations(rows: 0, columns: 0)
            let logits = try model.forward(inputs: blocks) { if $0 == .residual(step: 1) { core = $1 } }
            for position in blocks.indices {
                // The last position writes a block of its own.
                let next = position + 1 < blocks.count ? blocks[position + 1] : model.likeliestBlock(after: position, in: logits)
                for slot in 0..<5 {
                    let isDead = next.prefix(slot).contains { $0 >= 256 }
                    let expected = isDead ? Array(repeating: 0, count: 258)
                        : try naive.logits(core.row(position), after: Array(next.prefix(slot)))
                    let own = logits.row(position * 5 + slot)
                    worst = max(worst, zip(own, expected).map { abs($0 - $1) }.max()!)
                    if position == blocks.count - 1 && !isDead {
                        #expect(expected.indices.first { expected[$0] > expected[next[slot]] + 1e-9 } == nil)
                    }
                }
            }
        }
        #expect(worst < 1e-10)
        print("decoder, \(norm): largest difference from the naive computation \(worst)")
    }

    @Test func aSlotSeesOnlyTheSymbolsBeforeIt() throws {
        let model = try model(), input = [blocks[0]]
        let first = try model.forward(inputs: input, targets: [blocks[0], [1, 2, 3, 4, 5]])
        for slot in 0..<5 {
            var changed = [1, 2, 3, 4, 5]
            changed[slot] = 99
            let second = try model.forward(inputs: input, targets: [blocks[0], changed])
            for row in 0..<5 { #expect((first.row(row) == second.row(row)) == (row <= slot)) }
        }
    }

    @Test func slotsAfterTheClosingSymbolHaveNoMeaning() throws {
        let model = try model()
        for symbol in [256, 257] {
            let logits = try model.forward(inputs: [blocks[0]], targets: [blocks[0], [65, symbol, 66, 67, 68]])
            #expect(logits.row(1).contains { $0 != 0 })
            for row in 2..<5 { #expect(logits.row(row).allSatisfy { $0 == 0 }) }
            #expect(try model.forward(inputs: [blocks[0]], targets: [blocks[0], [65, symbol, 256, 256, 256]]).values == logits.values)
            #expect(model.likeliestBlock(after: 0, in: logits).count == 5)
        }
    }

    @Test func targetsTakeThePlaceOfTheInputs() throws {
        let model = try model(), own = try model.forward(inputs: blocks)
        #expect(try model.forward(inputs: blocks, targets: blocks).values == own.values)
        let targets = Array(blocks.reversed()), other = try model.forward(inputs: blocks, targets: targets)
        #expect(other.values != own.values)
        // The first block is no position's next, and what is missing is written greedily.
        #expect(try model.forward(inputs: blocks, targets: [[1, 2, 3, 4, 5]] + targets.dropFirst()).values == other.values)
        #expect(try model.forward(inputs: blocks, targets: []).values == model.forward(inputs: blocks, targets: [blocks[0]]).values)
    }

    @Test func whatTheLastPositionWritesIsWhatItIsFedWith() throws {
        let model = try model(), logits = try model.forward(inputs: blocks)
        let block = model.likeliestBlock(after: 4, in: logits)
        #expect(try model.forward(inputs: blocks, targets: blocks + [block]).values == logits.values)
        // Also where nothing is known of any position.
        let free = try model.forward(inputs: blocks, targets: [])
        let written = blocks.indices.map { model.likeliestBlock(after: $0, in: free) }
        #expect(try model.forward(inputs: blocks, targets: [blocks[0]] + written).values == free.values)
    }

    @Test func tokensGoInAndBlocksComeOut() throws {
        let model = try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(embedder: "generic", head: "byte_decoder").checkpointBytes()))
        let targets = (0..<3).map { position in (0..<12).map { ($0 * 20 + position) % 256 } }
        let forced = try model.forward(inputs: [[1], [2], [3]], targets: targets), free = try model.logits(ids: [1, 2, 3])
        #expect(forced.rows == 36 && free.count == 36)
        #expect(Array(forced.values.suffix(12 * 258)) == free.suffix(12).flatMap { $0 })
        #expect(forced.row(1) != free[1] && forced.row(0) == free[0])
    }

    @Test func ofEqualLogitsTheLeastSymbolIsWritten() throws {
        var file = source { $0.decoder.isTied = false }.file()
        let index = file.tensors.firstIndex { $0.name == "model_head.lm_head.weight" }!
        let key = file.storages.firstIndex { $0.key == file.tensors[index].storageKey }!
        file.storages[key].content = [UInt8](repeating: 0, count: file.storages[key].content.count)
        let model = try FloatModel(stlm: TorchCheckpoint(file.bytes()))
        let logits = try model.forward(inputs: [blocks[0]])
        #expect(logits.values.allSatisfy { $0 == 0 })
        #expect(model.likeliestBlock(after: 0, in: logits) == [0, 0, 0, 0, 0])
    }

    @Test(arguments: [256, 257]) func aBlockOfItsOwnCloses(_ symbol: Int) throws {
        // The bias makes one symbol the likeliest everywhere.
        var file = source { $0.hasHeadBias = true }.file()
        let index = file.tensors.firstIndex { $0.name == "model_head.lm_head.bias" }!
        let key = file.storages.firstIndex { $0.key == file.tensors[index].storageKey }!
        file.storages[key].content = TorchFile.content((0..<258).map { $0 == symbol ? 100 : 0 })
        let model = try FloatModel(stlm: TorchCheckpoint(file.bytes()))
        var seen: [ProbePoint: Int] = [:]
        let logits = try model.forward(inputs: [blocks[0]]) { seen[$0] = $1.rows }
        #expect(logits.row(0).contains { $0 != 0 } && logits.row(1).allSatisfy { $0 == 0 })
        #expect(model.likeliestBlock(after: 0, in: logits) == [symbol, 256, 256, 256, 256])
        #expect(seen[.start(part: .head)] == 1 && seen[.logits] == 1)
    }

    @Test func tiesAndSharedPartsAreOneObject() throws {
        let tied = try model { ($0.decoder.isFeedForwardShared, $0.decoder.layerCount) = (true, 3) }, head = try #require(tied.byteDecoder)
        #expect(tied.isTied && head.output.weight === head.table)
        #expect(head.table.names.map(\.name) == ["model_head.byte_token_embedder.weight", "model_head.lm_head.weight"])
        #expect(Set(head.schedule.map(\.feedForward)).count == 1 && Set(head.schedule.map(\.attention)).count == 3)
        #expect(tied.feedForwards[head.schedule[0].feedForward!].down.weight.names.count == 3)
        #expect(head.schedule.allSatisfy { !$0.replaces && tied.attentions[$0.attention!].isCausal && !tied.attentions[$0.attention!].rotary })
        let free = try model { ($0.decoder.isTied, $0.decoder.layerCount) = (false, 3) }
        #expect(!free.isTied && Set(free.byteDecoder!.schedule.map(\.feedForward)).count == 3)
        #expect(free.parameterCounts.head - tied.parameterCounts.head == 258 * 16 + 2 * 3 * 24 * 16)
        #expect(free.parameterCounts.embedder == tied.parameterCounts.embedder)
    }

    @Test func theLastOfDifferingTiedCopiesWins() throws {
        var file = source { $0.decoder.isTied = false }.file()
        file.config = source().config()
        let checkpoint = try TorchCheckpoint(file.bytes()), model = try FloatModel(stlm: checkpoint)
        #expect(model.isTied)
        #expect(try model.byteDecoder?.table.values == #require(checkpoint.tensor(named: "model_head.lm_head.weight")).floats())
    }

    @Test func aLearnedActivationIsTheDecodersOwn() throws {
        let model = try model {
            ($0.decoder.feedForwardType, $0.decoder.activation) = ("generic", "learned")
            ($0.feedForwardType, $0.activation) = ("generic", "learned")
        }
        let core = try #require(model.feedForwards[model.schedule[0].feedForward!].activation.learned)
        let head = model.byteDecoder!.schedule.map { model.feedForwards[$0.feedForward!].activation.learned! }
        #expect(head[0].w1 === head[1].w1 && head[0].w1 !== core.w1)
        #expect(try model.forward(inputs: blocks).sumOfSquares.isFinite)
    }
}
