import FloatModel
import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport
import Testing

/// Where the packer puts what.
@Suite struct LayoutTests {
    /// 1.6 MB of weights in eight layers.
    static let large = SyntheticSTLM {
        ($0.hiddenSize, $0.feedForwardSize, $0.layerCount, $0.vocabularySize) = (128, 400, 8, 400)
        ($0.contextSize, $0.hasOptimizer) = (64, false)
    }

    @Test func paddingOfALargeFileIsLittle() throws {
        let packed = try Self.large.packed(.int8)
        #expect(packed.file.byteCount > 1_000_000)
        #expect(Double(packed.file.paddingByteCount) < 0.03 * Double(packed.file.byteCount))
        // Small files have no pages at all: less than a line of 64 bytes a region.
        let small = try SyntheticSTLM().packed(.int8)
        #expect(small.file.paddingByteCount < 64 * small.file.regionCount)
        #expect((0..<small.file.regionCount).allSatisfy { small.file.region($0).alignment == 64 })
    }

    @Test func weightsStandInTheOrderInWhichTheyAreRead() throws {
        for source in [SyntheticSTLM { ($0.layerCount, $0.isFeedForwardShared) = (3, true) },
                       SyntheticSTLM { ($0.positions, $0.feedForwardType, $0.isTied, $0.hasHeadBias) = ("learned", "generic", false, true) }] {
            let packed = try source.packed(.int8), file = packed.file, model = file.model
            var order: [UInt32] = []
            func read(_ tensor: UInt32) { if tensor != Layout.none, !order.contains(tensor) { order.append(tensor) } }
            func read(_ linear: LinearRecord) { read(linear.tensor); read(linear.bias) }
            func readNorm(_ index: UInt32) {
                if index != Layout.none { read(file.norm(Int(index)).weight); read(file.norm(Int(index)).bias) }
            }
            read(model.embedder.table)
            read(model.embedder.positionTensor)
            for index in 0..<file.stepCount {
                let step = file.step(index), attention = file.attention(Int(step.attention))
                readNorm(step.attentionNorm)
                read(attention.qkv)
                read(attention.rotationTensor)
                read(attention.output)
                readNorm(step.feedForwardNorm)
                let part = file.feedForward(Int(step.feedForward))
                read(part.up)
                read(part.gate)
                read(part.activationTensor)
                read(part.down)
            }
            readNorm(model.head.inputNorm)
            read(model.head.output)
            #expect(order == (0..<UInt32(file.tensorCount)).map { $0 })
        }
    }

    @Test func theSameModelGivesTheSameBytes() throws {
        let first = try SyntheticSTLM().packedBytes(.int8)
        #expect(try SyntheticSTLM().packedBytes(.int8) == first)
        // The optimizer and the style of the config are no part of the model.
        #expect(try SyntheticSTLM { ($0.hasOptimizer, $0.configStyle) = (false, .plain) }.packedBytes(.int8) == first)
    }

    @Test func whatTheModelSaysOfItself() throws {
        let packed = try SyntheticSTLM { ($0.vocabularySize, $0.isCausal) = (300, false) }.packed(.int8), record = packed.model.record
        #expect((record.contextDefault, record.contextMaximum) == (16, 32))
        #expect(record.endCount == 1 && record.endTokens[0] == 299 && record.padToken == 298)
        #expect(record.bosToken == Layout.none && !record.isCausal)
        let description = String(decoding: packed.file.text(record.description), as: UTF8.self)
        #expect(description == "STLM, generic, 2 layers, hidden size 32, rope positions")
        let llama2 = try SyntheticLlama2().packed(.int8).model.record
        #expect(llama2.bosToken == 1 && llama2.isCausal && llama2.contextMaximum == 16)
        let float = try SyntheticSTLM { $0.vocabularySize = 300 }.floatModel()
        #expect(Int(record.uniqueParameterCount) == float.parameterCount)
        // The tied head is counted once more.
        #expect(Int(record.parameterCount) == float.parameterCount + 300 * 32)
    }
}
