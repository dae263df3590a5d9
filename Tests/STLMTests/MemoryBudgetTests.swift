import Foundation
import Kernels
import ModelFile
import PackedSupport
import STLM
import TestSupport
import Testing

/// What a budget says is all of a file and all of an arena, to the byte.
@Suite struct MemoryBudgetTests {
    /// Models of every kind of part, and the files of Formats/vectors.
    static let models: [(name: String, model: OpenedModelFile)] = {
        let sources: [(String, SyntheticSTLM)] = [
            ("tied", SyntheticSTLM()), ("apart", SyntheticSTLM { $0.isTied = false }),
            ("shared", SyntheticSTLM { ($0.isFeedForwardShared, $0.layerCount) = (true, 4) }),
            ("learned positions", SyntheticSTLM { ($0.positions, $0.feedForwardType, $0.activation) = ("learned", "generic", "learned") }),
            ("not causal", SyntheticSTLM { $0.isCausal = false }),
        ] + ByteLevelSource.pairs.map { ($0.description, $0.source) }
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Formats/vectors")
        let files = try! FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).filter { $0.pathExtension == "stlm" }
        return sources.map { ($0.0, try! $0.1.packed(.int8)) }
            + files.map { ($0.lastPathComponent, try! OpenedModelFile([UInt8](Data(contentsOf: $0)))) }
    }()

    private func plan(_ model: Model, _ context: Int?, _ type: KeyValueType = .int16, threads: Int = 1, batch: Int = 64) throws -> MemoryPlan {
        var options = SessionOptions(model)
        (options.contextTokenCount, options.keyValueType, options.threadCount, options.batchTokenCount) = (context, type, threads, batch)
        return try MemoryPlan(model, options)
    }

    @Test(arguments: models.map(\.name)) func partsAreTheWholeFile(_ name: String) throws {
        let opened = Self.models.first { $0.name == name }!.model
        let budget = MemoryBudget(opened.model, try plan(opened.model, nil))
        let parts = (0..<FilePart.count).map { budget.file.byteCount(FilePart(rawValue: $0)!) }
        #expect(parts.reduce(0, +) == opened.bytes.count && budget.fileByteCount == opened.bytes.count)
        #expect(parts.allSatisfy { $0 >= 0 } && budget.file.byteCount(.embedder) > 0 && budget.file.byteCount(.core) > 0)
        #expect(budget.filePageCount == (opened.bytes.count + 4095) / 4096)
        // All tensors belong to a part: the rest is what the file has beside them.
        let file = opened.file
        let weights = (0..<file.tensorCount).reduce(0) { $0 + Int(file.region(file.firstWeightsRegion + $1).byteCount) }
        #expect(parts[0] + parts[1] + parts[2] == weights)
        #expect(budget.file.touchedByteCount > 0 && budget.file.touchedByteCount <= weights)
        #expect(budget.leastWeightByteCount > 0 && budget.leastWeightByteCount <= opened.bytes.count)
    }

    @Test func aTiedTableIsTheEmbeddersAndReadWhole() throws {
        let tied = try SyntheticSTLM().packed(.int8).model
        let apart = try SyntheticSTLM { ($0.isTied, $0.vocabularySize) = (false, 4096) }.packed(.int8).model
        let first = WeightFootprint(tied), second = WeightFootprint(apart)
        let table = 96 * 32 + 96 * 2
        #expect(first.byteCount(.embedder) == table && first.byteCount(.head) < table)
        #expect(second.byteCount(.head) > 4096 * 32 && second.byteCount(.embedder) > 4096 * 32)
        // Of a table that no layer reads a token has a row, which lies on a few pages.
        let all = second.byteCount(.embedder) + second.byteCount(.core) + second.byteCount(.head)
        #expect(second.touchedByteCount < all - 4096 * 20 && second.touchedByteCount > second.byteCount(.head))
    }

    @Test(arguments: models.map(\.name), [1, 2]) func groupsAreTheWholeArena(_ name: String, threads: Int) throws {
        let model = Self.models.first { $0.name == name }!.model.model
        let maximum = Int(model.record.contextMaximum)
        for context in Set([1, 2, Int(model.record.contextDefault), max(1, maximum - 1), maximum]) {
            for type in [KeyValueType.int16, .int8, .int4] {
                let plan = try plan(model, context, type, threads: threads)
                let budget = MemoryBudget(model, plan)
                let groups = (0..<ArenaGroup.count).map { budget.byteCount(ArenaGroup(rawValue: $0)!) }
                #expect(groups.reduce(0, +) == plan.arenaByteCount && groups.allSatisfy { $0 >= 0 })
                #expect(budget.byteCount(.keysAndValues) == plan.keyValueByteCount)
                // Every region is in a group: what is left is less than a line for each of them.
                #expect(budget.byteCount(.alignment) < 34 * 64)
                #expect((budget.byteCount(.threads) > 0) == (threads > 1))
                let sum = budget.fileByteCount + plan.arenaByteCount + budget.promptByteCount + budget.stackByteCount + budget.program.imageByteCount
                #expect(budget.residentAtMost == sum + budget.roundingByteCount && (0..<3 * 4096).contains(budget.roundingByteCount))
                #expect(budget.cannotRunUnder <= budget.residentAtMost && budget.cannotRunUnder > plan.arenaByteCount)
                #expect(budget.pageTableByteCount % 4096 == 0 && budget.pageTableByteCount > 0)
            }
        }
    }

    @Test(arguments: models.map(\.name)) func theLongestThatFitsFitsAndOneMoreDoesNot(_ name: String) throws {
        let model = Self.models.first { $0.name == name }!.model.model
        var options = SessionOptions(model)
        let maximum = Int(model.record.contextMaximum)
        for context in Set([1, maximum / 2, maximum]) where context > 0 {
            options.contextTokenCount = context
            let exact = try #require(MemoryBudget.alternative(model, options)).residentAtMost
            #expect(exact == MemoryBudget(model, try MemoryPlan(model, options)).residentAtMost)
            let found = try #require(MemoryBudget.longest(.context, model, options, limit: exact))
            #expect(found.contextTokenCount >= context && found.residentAtMost <= exact)
            if found.contextTokenCount < maximum {
                options.contextTokenCount = found.contextTokenCount + 1
                #expect(try #require(MemoryBudget.alternative(model, options)).residentAtMost > exact)
            }
        }
        options.contextTokenCount = maximum
        #expect(MemoryBudget.longest(.context, model, options, limit: 4096) == nil)
        guard model.record.isCausal, maximum > 1, let all = MemoryBudget.alternative(model, options) else { return }
        let batch = MemoryBudget.longest(.batch, model, options, limit: all.residentAtMost)
        #expect(batch?.residentAtMost == all.residentAtMost)
        options.contextTokenCount = maximum + 1
        #expect(MemoryBudget.alternative(model, options) == nil)
    }
}
