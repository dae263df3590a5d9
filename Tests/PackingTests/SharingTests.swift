import Checkpoints
import FloatModel
import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport
import Testing

/// Weights that are one in the checkpoint are one in the file, to the byte.
@Suite struct SharingTests {
    /// Bytes that one more weights region of each size costs: its record, its bytes and what they are rounded up to.
    private func weightsByteCount(_ file: OpenedModelFile) -> Int {
        (0..<file.file.tensorCount).reduce(0) { $0 + Int(file.file.region(file.file.firstWeightsRegion + $1).byteCount) }
    }

    @Test(arguments: [WeightWidth.int8, .int16]) func tiedTablesAreStoredOnce(_ width: WeightWidth) throws {
        let tied = try SyntheticSTLM().packed(width), free = try SyntheticSTLM { $0.isTied = false }.packed(width)
        let table = (width == .int8 ? Encoding.int8Rows : .int16Rows).byteCount(rows: 96, columns: 32)
        #expect(weightsByteCount(free) - weightsByteCount(tied) == table)
        #expect(free.file.tensorCount == tied.file.tensorCount + 1)
        #expect(free.file.regionCount == tied.file.regionCount + 1)
        #expect(tied.model.record.head.output.tensor == tied.model.record.embedder.table)
        #expect(free.model.record.head.output.tensor != free.model.record.embedder.table)
        // The tables of both are equally long but for one tensor record, its error, and one region record.
        #expect(unpadded(free) - unpadded(tied) == table + 32 + 8 + 32)
    }

    private func unpadded(_ packed: OpenedModelFile) -> Int { packed.file.byteCount - packed.file.paddingByteCount }

    @Test(arguments: [WeightWidth.int8, .int16], [2, 3, 5]) func aSharedFeedForwardIsStoredOnce(_ width: WeightWidth, _ layers: Int) throws {
        let shared = try SyntheticSTLM { ($0.isFeedForwardShared, $0.layerCount) = (true, layers) }.packed(width)
        let free = try SyntheticSTLM { $0.layerCount = layers }.packed(width)
        let encoding = width == .int8 ? Encoding.int8Rows : .int16Rows
        let part = 2 * encoding.byteCount(rows: 48, columns: 32) + encoding.byteCount(rows: 32, columns: 48)
        #expect(weightsByteCount(free) - weightsByteCount(shared) == (layers - 1) * part)
        #expect(shared.file.feedForwardCount == 1 && free.file.feedForwardCount == layers)
        #expect(shared.file.regionCount == free.file.regionCount - 3 * (layers - 1))
        // One region and tensor record and one error a tensor, one feed-forward record a layer; the text grows only by the description.
        let texts = shared.file.tableByteCount(.text) - free.file.tableByteCount(.text)
        #expect(unpadded(free) - unpadded(shared) == (layers - 1) * (part + 3 * (64 + 8) + 64) - texts)
        #expect((0..<layers).allSatisfy { shared.file.step($0).feedForward == 0 && free.file.step($0).feedForward == $0 })
    }

    @Test func everyNameOfTheCheckpointResolves() throws {
        for source in [SyntheticSTLM(), SyntheticSTLM { ($0.isFeedForwardShared, $0.layerCount) = (true, 4) },
                       SyntheticSTLM { ($0.feedForwardType, $0.activation, $0.positions) = ("generic", "learned", "sincos") }] {
            let packed = try source.packed(.int8), file = packed.file
            var targets: [String: Int] = [:]
            for index in 0..<file.nameCount {
                let record = file.name(index)
                let primary = record.isAlias ? file.name(Int(record.target)) : record
                #expect(!primary.isAlias)
                targets[String(decoding: file.nameText(index), as: UTF8.self)] = Int(primary.target)
            }
            let checkpoint = try TorchCheckpoint(source.checkpointBytes())
            for tensor in checkpoint.tensors {
                let target = try #require(targets[tensor.name], "\(tensor.name)")
                let record = file.tensor(target)
                if tensor.shape.count == 2, !tensor.name.contains("activation") {
                    #expect([Int(record.rows), Int(record.columns)] == tensor.shape)
                }
            }
            #expect(targets.count == checkpoint.tensors.count)
            #expect(targets["model_head.linear.weight"] == targets["embedding_model.token_embedder.weight"])
        }
    }

    @Test func aSharedPartHasAliases() throws {
        let file = try SyntheticSTLM { ($0.isFeedForwardShared, $0.layerCount) = (true, 4) }.packed(.int8).file
        let aliases = (0..<file.nameCount).filter { file.name($0).isAlias }
        // Three matrices under three more names each, and the head.
        #expect(aliases.count == 3 * 3 + 1)
        for index in aliases { #expect(file.name(index).firstRow == 0x8000_0000 && file.name(index).rowCount == 0) }
    }

    @Test func equalContentWithoutACommonStorageIsStoredOnce() throws {
        // The checkpoint of an untied model whose tables happen to be equal.
        var file = SyntheticSTLM { $0.isTied = false }.file()
        let names = file.tensors.map(\.name)
        let table = try #require(names.firstIndex(of: "embedding_model.token_embedder.weight"))
        let head = try #require(names.firstIndex(of: "model_head.linear.weight"))
        let content = file.storages.first { $0.key == file.tensors[table].storageKey }!.content
        let place = file.storages.firstIndex { $0.key == file.tensors[head].storageKey }!
        file.storages[place].content = content
        let packed = try OpenedModelFile(PackedModel(checkpoint: file.bytes(), tokenizer: nil, width: .int8).bytes)
        #expect(packed.model.record.head.output.tensor == packed.model.record.embedder.table)
        #expect(packed.file.tensorCount == (try SyntheticSTLM().packed(.int8).file.tensorCount))
    }

    @Test func theRotationIsStoredOnceForAllLayers() throws {
        let file = try SyntheticSTLM { $0.layerCount = 3 }.packed(.int8).file
        let rotations = (0..<file.tensorCount).filter { file.tensor($0).encoding == Encoding.rotation.rawValue }
        #expect(rotations.count == 1)
        #expect((0..<3).allSatisfy { file.attention($0).rotationTensor == UInt32(rotations[0]) })
    }

    @Test func rowsOfAFusedMatrixKeepTheirNames() throws {
        let file = try SyntheticLlama2().packed(.int8).file
        var rows: [String: Range<UInt32>] = [:]
        for index in 0..<file.nameCount {
            let name = file.name(index)
            rows[String(decoding: file.nameText(index), as: UTF8.self)] = name.firstRow..<name.firstRow + name.rowCount
        }
        #expect(rows["layers.1.attention.wq.weight"] == 0..<32)
        #expect(rows["layers.1.attention.wk.weight"] == 32..<48)
        #expect(rows["layers.1.attention.wv.weight"] == 48..<64)
    }
}
