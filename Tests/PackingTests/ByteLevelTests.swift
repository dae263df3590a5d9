import Checkpoints
import FloatModel
import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport
import Testing

/// Models with blocks: embedder, core and head as three parts of the file.
@Suite struct ByteLevelTests {
    /// Tensors that the steps of a section refer to.
    private func tensors(_ file: ModelFile, of section: ModelSection) -> Set<UInt32> {
        var found: Set<UInt32> = []
        for index in 0..<file.stepCount where file.step(index).section == section.rawValue {
            let step = file.step(index)
            if step.attention != Layout.none {
                let part = file.attention(Int(step.attention))
                found.formUnion([part.qkv.tensor, part.output.tensor])
            }
            if step.feedForward != Layout.none {
                let part = file.feedForward(Int(step.feedForward))
                found.formUnion([part.up.tensor, part.down.tensor, part.gate.tensor])
            }
        }
        found.remove(Layout.none)
        return found
    }

    @Test(arguments: ByteLevelSource.pairs) func embedderCoreAndHeadAreThreeParts(_ pair: ByteLevelSource) throws {
        let file = try pair.source.packed(.int8).file, model = file.model
        #expect(model.takesBlocks == pair.source.takesBlocks && model.writesBlocks == pair.source.writesBlocks)
        let kinds = ["generic": HeadKind.linear, "byte_level": .byteSlots, "byte_decoder": .byteDecoder]
        #expect(model.head.kind == kinds[pair.source.head]!.rawValue && model.blockSize == 12)
        let sections = (0..<file.stepCount).map { file.step($0).section }
        let headSteps = ["generic": 0, "byte_level": 7, "byte_decoder": 2][pair.source.head]!
        #expect(sections == Array(repeating: 1, count: pair.source.takesBlocks ? 4 : 0) + [2, 2] + Array(repeating: 3, count: headSteps))
        // Only the core keeps keys and values.
        #expect(model.kvSlotCount == 2)
        #expect((0..<file.stepCount).allSatisfy { (file.step($0).kvSlot == Layout.none) == (sections[$0] != 2) })
        // Only the blocks of the original replace the stream.
        let isOriginal = pair.source.head == "byte_level"
        #expect((0..<file.stepCount).allSatisfy { file.step($0).replaces == (sections[$0] == 1 || sections[$0] == 3 && isOriginal) })
        let parts = ModelSection.allParts.map { tensors(file, of: $0) }
        #expect(parts[0].isDisjoint(with: parts[1]) && parts[1].isDisjoint(with: parts[2]) && parts[0].isDisjoint(with: parts[2]))
        #expect(!parts[1].isEmpty)
    }

    @Test(arguments: ByteLevelSource.pairs) func theEndOfATextIsABlockOrAToken(_ pair: ByteLevelSource) throws {
        let model = try pair.changed("bpe") { ($0.tokenizerType, $0.vocabularySize) = ("bpe", 300) }.source.packed(.int8).model.record
        let end = Array("<|endoftext|".utf8).map { UInt16($0) }
        #expect((0..<32).map { model.endBlock[$0] } == end + [UInt16](repeating: 0, count: 20))
        #expect(model.bosToken == Layout.none)
        let hasTokens = !(pair.source.takesBlocks && pair.source.writesBlocks)
        #expect(model.endCount == (hasTokens ? 1 : 0) && model.padToken == (hasTokens ? 298 : Layout.none))
        #expect(!hasTokens || model.endTokens[0] == 299)
    }

    @Test func byteBlocksTakeWideActivationsAndTheCoreThoseOfItsWeights() throws {
        for pair in ByteLevelSource.pairs {
            let file = try pair.source.packed(.int8).file
            for index in 0..<file.stepCount {
                let step = file.step(index), bits: UInt32 = step.section == ModelSection.core.rawValue ? 8 : 16
                let attention = file.attention(Int(step.attention)), part = file.feedForward(Int(step.feedForward))
                #expect([attention.qkv, attention.output, part.up, part.down].allSatisfy { $0.activationBits == bits })
            }
            #expect(file.model.head.output.activationBits == (pair.source.writesBlocks ? 16 : 8))
        }
    }

    @Test(arguments: [WeightWidth.int8, .int16]) func aTableThatIsTheDecodersOutputIsOneTensor(_ width: WeightWidth) throws {
        let tied = try ByteLevelSource.pairs[1].source.packed(width).file
        let free = try ByteLevelSource.pairs[1].changed("free") { $0.decoder.isTied = false }.source.packed(width).file
        #expect(tied.model.head.byteTable == tied.model.head.output.tensor)
        #expect(free.model.head.byteTable != free.model.head.output.tensor && free.tensorCount == tied.tensorCount + 1)
        let table = (width == .int8 ? Encoding.int8Rows : .int16Rows).byteCount(rows: 258, columns: 16)
        #expect(free.byteCount - free.paddingByteCount - tied.byteCount + tied.paddingByteCount == table + 32 + 32 + 8)
        // Both have all names: in one file two of them name one tensor.
        #expect(tied.nameCount == free.nameCount)
        // The embedder's table is another.
        #expect(tied.model.embedder.table != tied.model.head.byteTable)
    }

    @Test func sharedFeedForwardsAreOneRegionInEachSection() throws {
        let shared = try ByteLevelSource.pairs[1].changed("shared") {
            ($0.isFeedForwardShared, $0.layerCount, $0.decoder.isFeedForwardShared, $0.decoder.layerCount) = (true, 5, true, 3)
        }.source.packed(.int8).file
        let free = try ByteLevelSource.pairs[1].changed("free") { ($0.layerCount, $0.decoder.layerCount) = (5, 3) }.source.packed(.int8).file
        #expect((0..<shared.stepCount).map { shared.step($0).feedForward } == [0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 5, 5])
        #expect((0..<shared.stepCount).map { shared.step($0).attention } == (0..<12).map { UInt32($0) })
        #expect(shared.feedForwardCount == 6 && free.feedForwardCount == 12)
        // Three matrices, once in place of five times, and of three times.
        #expect(shared.regionCount == free.regionCount - 3 * 4 - 3 * 2)
    }

    @Test(arguments: ByteLevelSource.pairs) func everyNameOfTheCheckpointResolves(_ pair: ByteLevelSource) throws {
        let file = try pair.source.packed(.int8).file
        let checkpoint = try TorchCheckpoint(pair.source.checkpointBytes())
        var targets: [String: Int] = [:]
        for index in 0..<file.nameCount {
            let record = file.name(index)
            targets[String(decoding: file.nameText(index), as: UTF8.self)] = Int(record.isAlias ? file.name(Int(record.target)).target : record.target)
        }
        for tensor in checkpoint.tensors {
            let record = file.tensor(try #require(targets[tensor.name], "\(tensor.name)"))
            if tensor.shape.count == 2 { #expect([Int(record.rows), Int(record.columns)] == tensor.shape) }
        }
        #expect(targets.count == checkpoint.tensors.count)
    }

    // MARK: The report

    @Test(arguments: ByteLevelSource.pairs, [false, true])
    func itsFourPartsAddUpToTheFile(_ pair: ByteLevelSource, hasTokenizer: Bool) throws {
        let named = pair.changed("bpe") { ($0.tokenizerType, $0.vocabularySize) = ("bpe", SyntheticTokenizer.mergesVocabularySize) }
        let packed = try PackedModel(
            checkpoint: named.source.checkpointBytes(), tokenizer: hasTokenizer ? SyntheticTokenizer.merges : nil, width: .int8)
        let report = packed.report
        #expect(report.embedderByteCount + report.coreByteCount + report.headByteCount + report.tablesByteCount == packed.bytes.count)
        #expect(report.fileByteCount == packed.bytes.count && report.hasTokenizer == hasTokenizer)
        // Counted anew, from the file alone.
        let file = try OpenedModelFile(packed.bytes).file
        func size(_ tensor: UInt32) -> Int { Int(file.region(file.firstWeightsRegion + Int(tensor)).byteCount) }
        let matrices = tensors(file, of: .core).reduce(0) { $0 + size($1) }
        let vectors = report.coreByteCount - matrices
        // Beside its matrices the core has the rotation's table and four norms of 32.
        #expect(vectors == 4 * 4 * 32 + 4 * 32 * 4)
        let object = try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        let sections = try #require(object["sections"] as? [String: Int])
        #expect(sections.count == 4 && sections.values.reduce(0, +) == packed.bytes.count)
        for word in ["embedder", "core", "head", "tables"] { #expect(report.text.contains("\n  \(word) ")) }
    }

    @Test func aTiedHeadOfTokensCountsInTheEmbedder() throws {
        let report = try PackedModel(checkpoint: SyntheticSTLM().checkpointBytes(), tokenizer: nil, width: .int8).report
        // Nothing is left but the norm before it.
        #expect(report.headByteCount == 32 * 4)
        let free = try PackedModel(checkpoint: SyntheticSTLM { $0.isTied = false }.checkpointBytes(), tokenizer: nil, width: .int8).report
        #expect(free.headByteCount == report.headByteCount + Encoding.int8Rows.byteCount(rows: 96, columns: 32))
        #expect(free.embedderByteCount == report.embedderByteCount && free.coreByteCount == report.coreByteCount)
    }

    // MARK: The stock size

    @Test func theStockShapeWithSharedFeedForwardsIsSmall() throws {
        let model = try PackedModel.floatModel(SyntheticSTLM.stockByteLevelSharing.checkpointBytes())
        let bare = try PackedModel(model, tokenizer: nil, width: .int8)
        print("byte_level_ffn_sharing, stock shape: \(bare.bytes.count) bytes")
        #expect(bare.bytes.count <= 18_600_000)
        let report = bare.report
        #expect(report.embedderByteCount + report.coreByteCount + report.headByteCount + report.tablesByteCount == bare.bytes.count)
        #expect(bare.report.shared.contains { $0.names.count == 16 && $0.byteCountBefore == 16 * $0.byteCountAfter })
        let names = ["gpt2_vocab.json", "gpt2_merges.txt"].map { "data/text/\($0)" }
        guard names.allSatisfy(SharedData.holds) else { return }
        let files = try names.map { try CheckpointFile.bytes(path: SharedData.path($0)) }
        let tables = try TokenizerTables(TokenizerFile.recognise(files, vocabularySize: 50_257), vocabularySize: 50_257)
        let full = try PackedModel(model, tokenizer: tables, width: .int8)
        print("with GPT-2's tables: \(full.bytes.count) bytes, \(full.report.tokenizerByteCount) of them")
        #expect(full.bytes.count <= 19_700_000)
        #expect(full.report.coreByteCount == report.coreByteCount)
    }

    // MARK: Words

    private func sentence(_ source: SyntheticSTLM, _ tokenizers: [Data] = []) -> String {
        do {
            _ = try PackedModel(checkpoint: source.checkpointBytes(), tokenizers: tokenizers, width: .int8)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    private func expectOneSentence(_ words: String, containing part: String) {
        #expect(words.contains(part), "\(words)")
        #expect(!words.contains("\n") && words.hasSuffix(".") && words.count < 400, "\(words)")
    }

    @Test func wordsNeedNoFileAndNoTokens() throws {
        for pair in ByteLevelSource.pairs {
            let words = pair.changed("words") { $0.tokenizerType = "words" }.source
            if words.takesBlocks && words.writesBlocks {
                let file = try words.packed(.int8).file
                #expect(file.tokenizer.kind == TokenizerKind.words.rawValue && file.tableByteCount(.pieceOffsets) == 0)
                expectOneSentence(sentence(words, [SyntheticTokenizer.merges]), containing: "need no tokenizer file")
                expectOneSentence(sentence(words, [Data()]), containing: "need no tokenizer file")
            } else {
                expectOneSentence(sentence(words), containing: "words")
            }
        }
        expectOneSentence(sentence(SyntheticSTLM { $0.tokenizerType = "words" }), containing: "tokenizer words, which has no token ids")
    }

    @Test func aTokenizerOfAnotherModelIsRefusedWithBothNumbers() {
        for pair in ByteLevelSource.pairs {
            for size in [258, 261, 263] {
                let source = pair.changed("bpe") { ($0.tokenizerType, $0.vocabularySize) = ("bpe", size) }.source
                let words = sentence(source, [SyntheticTokenizer.merges])
                expectOneSentence(words, containing: "give the tokenizer that belongs to the model")
                #expect(words.contains("\(size)"), "\(words)")
            }
        }
    }
}

extension ModelSection {
    fileprivate static let allParts: [ModelSection] = [.embedder, .core, .head]
}
