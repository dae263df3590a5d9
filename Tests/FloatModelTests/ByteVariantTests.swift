import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Byte-level variants for which there is no checkpoint of the original.
@Suite struct ByteVariantTests {
    private func model(
        _ embedder: String, _ head: String, _ change: (inout SyntheticSTLM) -> Void = { _ in }
    ) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(embedder: embedder, head: head, change).checkpointBytes()))
    }

    /// Blocks of seeded symbols, pads anywhere.
    private func blocks(_ count: Int, size: Int = 12, seed: UInt64 = 7) -> [[Int]] {
        var numbers = SeededNumbers(seed: seed)
        return (0..<count).map { _ in (0..<size).map { _ in Int.random(in: 0...257, using: &numbers) } }
    }

    private func inputs(_ model: FloatModel, _ count: Int) -> [[Int]] {
        model.takesBlocks ? blocks(count, size: model.blockSize) : (0..<count).map { [$0 * 7 % model.vocabularySize] }
    }

    @Test(arguments: SyntheticSTLM.byteLevelPairs, ["rope", "learned", "sincos", "none"])
    func everyPairOfPartsWithEveryCore(_ pair: (embedder: String, head: String), _ positions: String) throws {
        for isShared in [false, true] {
            for shell in ["standard", "byte_shell"] {
                let model = try model(pair.embedder, pair.head) {
                    ($0.positions, $0.isFeedForwardShared, $0.layerCount, $0.shell) = (positions, isShared, 3, shell)
                }
                // Only a token embedder has position tensors, and only they bound the length.
                let isBound = pair.embedder == "generic" && (positions == "learned" || positions == "sincos")
                #expect((model.tokenPositions != nil) == isBound)
                #expect(model.contextMaximum == (isBound ? 16 : 32))
                #expect(Set(model.schedule.compactMap(\.feedForward)).count == (isShared ? 1 : 3))
                #expect(model.schedule.allSatisfy { !$0.replaces && model.attentions[$0.attention!].rotary == (positions == "rope") })
                #expect((model.takesBlocks, model.writesBlocks) == (pair.embedder == "byte_level", pair.head != "generic"))
                #expect((model.blockSize, model.endBlock.count) == (12, 12))
                let logits = try model.forward(inputs: inputs(model, 4))
                #expect(logits.rows == (model.writesBlocks ? 48 : 4) && logits.columns == (model.writesBlocks ? 258 : 96))
                #expect(logits.sumOfSquares.isFinite)
            }
        }
    }

    @Test(arguments: [1, 2, 31, 32]) func everyBlockSize(_ size: Int) throws {
        for pair in SyntheticSTLM.byteLevelPairs {
            let model = try model(pair.embedder, pair.head) { $0.blockSize = size }
            #expect(model.blockSize == size && model.endBlock.count == size)
            let logits = try model.forward(inputs: inputs(model, 3))
            #expect(logits.rows == (model.writesBlocks ? 3 * size : 3) && logits.sumOfSquares.isFinite)
        }
    }

    @Test(arguments: ["learned", "sincos", "none"]) func withoutRopeTheCoreKnowsNoPositionOfABlock(_ positions: String) throws {
        let block = blocks(1)[0]
        func rows(_ positions: String) throws -> [[Double]] {
            try model("byte_level", "generic") { $0.positions = positions }.logits(blocks: [block, block, block])
        }
        let same = try rows(positions)
        for row in same { #expect(zip(row, same[0]).allSatisfy { abs($0 - $1) < 1e-12 }) }
        // Rope turns queries and keys alike, so that equal blocks hide it; another block before them does not.
        let other = try model("byte_level", "generic").logits(blocks: [blocks(2)[1], block, block])
        #expect(other[1] != other[2])
    }

    @Test func blocksSeeTheirOwnSlotsAndPadsAndTheBlocksBefore() throws {
        let model = try model("byte_level", "byte_level")
        var changed = blocks(3)
        changed[2][11] = changed[2][11] == 256 ? 65 : 256
        let first = try model.forward(inputs: blocks(3)), second = try model.forward(inputs: changed)
        for row in 0..<24 { #expect(first.row(row) == second.row(row)) }
        for row in 24..<36 { #expect(first.row(row) != second.row(row)) }
        #expect(model.byteEmbedder!.schedule.allSatisfy { $0.replaces && !model.attentions[$0.attention!].isCausal })
        #expect(model.byteSlots!.schedule.count == 7 && model.byteSlots!.schedule.allSatisfy(\.replaces))
    }

    @Test func aCoreThatIsNotCausalSeesTheBlocksAfter() throws {
        let model = try model("byte_level", "byte_level") { $0.isCausal = false }
        #expect(!model.isCausal)
        let first = try model.forward(inputs: blocks(3)), second = try model.forward(inputs: blocks(2) + blocks(1, seed: 8))
        #expect(first.row(0) != second.row(0))
    }

    @Test func endBlocksFollowTheTokenizerAndTheBlockSize() throws {
        let text = [60, 124, 101, 110, 100, 111, 102, 116, 101, 120, 116, 124, 62]
        let cases: [(String, Int, [Int])] = [
            ("words", 3, [257, 256, 256]), ("words", 1, [257]), ("gpt2", 12, Array(text.prefix(12))),
            ("bpe", 5, Array(text.prefix(5))), ("bpe", 13, text), ("gpt2", 15, text + [256, 256]),
        ]
        for (name, size, block) in cases {
            let model = try model("byte_level", "byte_level") { ($0.tokenizerType, $0.blockSize) = (name, size) }
            #expect(model.endBlock == block && model.tokenizerName == name)
        }
    }

    @Test func idsThatEndATextStandWhereThereAreIds() throws {
        for pair in SyntheticSTLM.byteLevelPairs {
            let model = try model(pair.embedder, pair.head) { ($0.vocabularySize, $0.tokenizerType) = (300, "bpe") }
            let hasIds = pair.embedder == "generic" || pair.head == "generic"
            #expect(model.eosIds == (hasIds ? [299] : []) && model.padId == (hasIds ? 298 : nil) && model.bosId == nil)
        }
    }

    @Test(arguments: SyntheticSTLM.byteLevelPairs)
    func everyMatrixStandsOnceInTheOrderOfAPass(_ pair: (embedder: String, head: String)) throws {
        let source = SyntheticSTLM(embedder: pair.embedder, head: pair.head) { $0.isFeedForwardShared = true }
        let model = try FloatModel(stlm: TorchCheckpoint(source.checkpointBytes()))
        let counts = model.parameterCounts
        #expect(counts.embedder + counts.core + counts.head == model.parameterCount)
        #expect(min(counts.embedder, counts.core, counts.head) > 0)
        #expect(Set(model.matrices.map(ObjectIdentifier.init)).count == model.matrices.count)
        let prefixes = ["embedding_model.", "core_model.", "model_head."]
        let order = model.matrices.map { matrix in prefixes.firstIndex { matrix.name.hasPrefix($0) }! }
        #expect(order == order.sorted() && Set(order).count == 3)
        // Every tensor of the file is named by exactly one matrix.
        let names = model.matrices.flatMap { $0.names.map(\.name) }
        #expect(names.sorted() == source.file().tensors.map(\.name).sorted())
    }

    /// Parameters of STLM's own configs: 3.18 and 2.59 million in embedder and head at 768, 2.92 and 2.20 at 512.
    @Test(arguments: [(SyntheticSTLM.stockByteLevel, 3.18, 2.59), (SyntheticSTLM.stockByteLevelSharing, 2.92, 2.20)])
    func stockSizes(_ stock: SyntheticSTLM, _ embedder: Double, _ head: Double) throws {
        var source = stock
        (source.layerCount, source.feedForwardSize) = (1, 8)
        let model = try FloatModel(stlm: TorchCheckpoint(source.checkpointBytes()))
        #expect(abs(Double(model.parameterCounts.embedder) / 1e6 - embedder) < 0.005)
        #expect(abs(Double(model.parameterCounts.head) / 1e6 - head) < 0.005)
    }

    @Test func probesSeeEveryPointOfEveryPart() throws {
        for (head, points) in [("byte_level", 7 * 10), ("byte_decoder", 2 * 11)] {
            let model = try model("byte_level", head)
            var report = ProbeReport()
            try model.probe(inputs: blocks(3), into: &report)
            // Both starts, embedding, head input, projection, output input and logits stand once; byte blocks have no gate.
            #expect(report.entries.count == 7 + 4 * 10 + 2 * 11 + points)
            #expect(report[.start(part: .embedder)]?.count == 36 * 16)
            #expect(report[.middle(step: 1, part: .embedder)]?.count == 36 * 32)
            #expect(report[.residual(step: 3, part: .embedder)]?.count == 36 * 32)
            #expect(report[.embedding]?.count == 3 * 32 && report[.headInput]?.count == 3 * 32)
            #expect(report[.residual(step: 1)]?.count == 3 * 32)
            let rows = try #require(report[.logits]).count / 258
            #expect(head == "byte_level" ? rows == 36 : rows <= 36)
            #expect(report[.start(part: .head)]?.count == rows * 16 && report[.outputInput]?.count == rows * 16)
            #expect(report[.projection]?.count == (head == "byte_level" ? 3 * 12 * 16 : 3 * 16))
            #expect(report.entries.values.allSatisfy { $0.maximum > 0 && $0.maximum.isFinite })
        }
        #expect(ProbePoint.middle(step: 2, part: .head).description == "head step 2 middle")
        #expect(ProbePoint.middle(step: 2).description == "step 2 middle")
    }

    @Test func inputsThatDoNotFitAreSentences() throws {
        func sentence(_ model: FloatModel, _ inputs: [[Int]], _ targets: [[Int]]? = nil) -> String {
            do { _ = try model.forward(inputs: inputs, targets: targets) } catch { return "\(error)" }
            return "no error"
        }
        let bytes = try model("byte_level", "byte_decoder"), tokens = try model("generic", "byte_level"), block = blocks(1)[0]
        let classifier = try model("byte_level", "generic")
        #expect(sentence(bytes, []).contains("There are no blocks to feed"))
        #expect(sentence(bytes, [block, [1, 2]]).contains("Block 1 of 2 has 2 symbols and the model's blocks have 12"))
        #expect(sentence(bytes, [[258] + block.dropFirst()]).contains("Symbol 0 of block 0 is 258"))
        #expect(sentence(bytes, [block.dropLast() + [-1]]).contains("Symbol 11 of block 0 is -1"))
        #expect(sentence(bytes, Array(repeating: block, count: 33)).contains("33 blocks and the model has 32 positions"))
        #expect(sentence(bytes, Array(repeating: block, count: 32)) == "no error")
        #expect(sentence(tokens, [[1, 2]]).contains("Position 0 of 1 has 2 ids and the model reads one"))
        #expect(sentence(tokens, [[96]]).contains("Id 0 of 1 is 96 and the vocabulary has 96"))
        #expect(sentence(tokens, [[1]], [block, block, block]).contains("3 target blocks for 1 positions"))
        #expect(sentence(bytes, [block], [[1]]).contains("Target block 0 of 1 has 1 symbols"))
        #expect(sentence(bytes, [block], [block, [300] + block.dropFirst()]).contains("Symbol 0 of target block 1 is 300"))
        #expect(sentence(classifier, [block], [block]).contains("the model writes ids"))
        #expect { try bytes.logits(ids: [1]) } throws: { "\($0)".contains("reads blocks of 12 symbols, not ids") }
        #expect { try tokens.logits(blocks: [block]) } throws: { "\($0)".contains("reads ids, not blocks") }
    }
}
