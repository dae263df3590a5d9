import FixedPoint
import FloatModel
import Foundation
import Kernels
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What must not change a bit: batches, threads, kernels, and what the arena held before.
@Suite struct SplitTests {
    static let sources: [SyntheticSTLM] = [
        SyntheticSTLM { $0.contextSize = 24 },
        SyntheticSTLM {
            ($0.feedForwardType, $0.activation, $0.positions, $0.contextSize) = ("generic", "learned", "learned", 24)
            ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (true, true, true)
            ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = ("layer_norm", "layer_norm", "none")
        },
        // Enough rows that threads have parts to share.
        SyntheticSTLM {
            ($0.hiddenSize, $0.feedForwardSize, $0.vocabularySize, $0.contextSize) = (96, 260, 1100, 24)
            ($0.isTied, $0.isFeedForwardShared) = (false, true)
        },
    ]

    private func ids(_ source: SyntheticSTLM, _ count: Int = 21) -> [Int] {
        var numbers = SeededNumbers(seed: 3)
        return (0..<count).map { _ in Int(numbers.next() % UInt64(source.vocabularySize)) }
    }

    @Test(arguments: sources.indices, [WeightWidth.int8, .int16])
    func sameBitsHoweverTheTextIsCut(_ index: Int, _ width: WeightWidth) throws {
        let source = Self.sources[index], ids = ids(source), packed = try source.packed(width)
        let whole = try packed.logits(ids, packed.options(context: 24, batch: 21))
        for batch in [1, 3, 16] {
            #expect(try packed.logits(ids, packed.options(context: 24, batch: batch)) == whole)
        }
        // The end of a sequence does not depend on the room behind it.
        #expect(try packed.logits(ids, packed.options(context: 21, batch: 16)) == whole)
    }

    @Test(arguments: sources.indices, [WeightWidth.int8, .int16])
    func sameBitsOnAnyNumberOfThreadsAndWithAnyKernels(_ index: Int, _ width: WeightWidth) throws {
        let source = Self.sources[index], ids = ids(source), packed = try source.packed(width)
        let one = try packed.logits(ids, packed.options(context: 24, kernels: .baseline))
        for kernels in KernelSet.runnable {
            for (threads, batch) in [(1, 1), (1, 7), (2, 16), (3, 24)] {
                let options = packed.options(context: 24, batch: batch, threads: threads, kernels: kernels)
                #expect(try packed.logits(ids, options) == one, "\(kernels), \(threads) threads, batches of \(batch)")
            }
        }
    }

    /// Of each type of keys and values: batches that begin anywhere, so that threads share groups of positions, and every set of kernels.
    @Test(arguments: sources.indices, [KeyValueType.int8, .int4])
    func sameBitsOfNarrowKeysAndValues(_ index: Int, _ type: KeyValueType) throws {
        var source = Self.sources[index]
        source.contextSize = 70
        let ids = ids(source, 61), packed = try source.packed(.int8)
        func logits(_ batch: Int, _ threads: Int, _ kernels: KernelSet, context: Int = 70) throws -> [[Int32]] {
            var options = packed.options(context: context, batch: batch, threads: threads, kernels: kernels)
            options.keyValueType = type
            return try packed.logits(ids, options)
        }
        let one = try logits(1, 1, .baseline)
        #expect(try one != packed.logits(ids, packed.options(context: 70)), "the type changes nothing")
        for kernels in KernelSet.runnable {
            for (batch, threads) in [(1, 2), (3, 1), (5, 2), (13, 2), (16, 3), (61, 2), (61, 4)] {
                #expect(try logits(batch, threads, kernels) == one, "\(kernels), \(threads) threads, batches of \(batch)")
            }
        }
        #expect(try logits(61, 2, .detected, context: 61) == one)
    }

    /// Counted by hand: codes in groups of 16 positions and two scales of 4 bytes each, a layer's from a multiple of 64 on.
    @Test func theArenaHasTheSizeOfItsKeysAndValues() throws {
        let source = Self.sources[0], packed = try source.packed(.int8), size = source.hiddenSize / source.headCount
        let heads = source.headCount / source.groupSize, capacity = 32
        var whole: [Int] = []
        for type in [KeyValueType.int16, .int8, .int4] {
            var options = packed.options(context: 24)
            options.keyValueType = type
            let plan = try MemoryPlan(packed.model, options)
            let quads = (size + 3) / 4 * 4, pairs = (size + 1) / 2 * 2
            let codes = type == .int16 ? capacity * (pairs + size) * 2 : type == .int8 ? capacity * (quads + size) : capacity * quads + capacity / 2 * size
            let layer = (heads * (codes + capacity * 8) + 63) / 64 * 64
            #expect(plan.keyValueByteCount == source.layerCount * layer, "\(type)")
            whole.append(plan.arenaByteCount - plan.keyValueByteCount)
        }
        #expect(Set(whole).count == 1)
    }

    @Test(arguments: [1, 2, 3]) func sameBitsOfAModelThatIsNotCausal(_ threads: Int) throws {
        let source = SyntheticSTLM { $0.isCausal = false }, ids = ids(source, 12), packed = try source.packed(.int8)
        let whole = try packed.logits(ids)
        #expect(try packed.logits(ids, packed.options(context: 12, batch: 12, threads: threads, kernels: .baseline)) == whole)
        // Each added token reads the whole sequence again, so that the last step gives the logits of all.
        let last = try packed.withSession(packed.options(context: 12)) { session in
            for id in ids.dropLast() { try session.feed([UInt32(id)]) }
            try session.feed([UInt32(ids.last!)])
            return session.lastLogits()
        }
        #expect(last == whole.last)
    }

    @Test(arguments: sources.indices) func whatTheArenaHeldBeforeIsForgotten(_ index: Int) throws {
        let source = Self.sources[index], ids = ids(source), packed = try source.packed(.int8)
        let options = packed.options(context: 24, threads: 2) { $0.repeatPenalty = 70_000 }
        let clean = try packed.logits(ids, options, poison: 0)
        for poison in [UInt8(0xA5), 0xFF] { #expect(try packed.logits(ids, options, poison: poison) == clean) }
        // A session that was reset is a new one.
        let again = try packed.withSession(options) { session in
            _ = try session.allLogits(ids.reversed())
            session.reset()
            return try session.allLogits(ids)
        }
        #expect(again == clean)
    }

    @Test(arguments: sources.indices, [1, 3]) func aStepStaysWithinItsArena(_ index: Int, _ threads: Int) throws {
        for type in [KeyValueType.int16, .int8, .int4] { try aStepStaysWithinItsArena(index, threads, type) }
    }

    private func aStepStaysWithinItsArena(_ index: Int, _ threads: Int, _ type: KeyValueType) throws {
        // The arena ends where unreadable memory begins, and begins (but for alignment) where it ends.
        let source = Self.sources[index], packed = try source.packed(.int16, tokenizer: nil), ids = ids(source)
        var options = packed.options(context: 22, threads: threads)
        options.logitRowCount = 1
        options.keyValueType = type
        (options.sampling.temperature, options.sampling.topP, options.sampling.repeatPenalty) = (65_536, 60_000, 80_000)
        let plan = try MemoryPlan(packed.model, options)
        let guarded = GuardedMemory(byteCount: plan.arenaByteCount, alignment: 64)
        guarded.bytes.initializeMemory(as: UInt8.self, repeating: 0xA5)
        try write(ids, packed, plan, options, guarded.bytes)
        #expect(guarded.isSlackIntact)
    }

    /// With room between regions that nothing may write, and with what one phase leaves to another overwritten.
    @Test(arguments: sources.indices, [1, 3]) func everyRegionIsKeptTo(_ index: Int, _ threads: Int) throws {
        let source = Self.sources[index], packed = try source.packed(.int8, tokenizer: nil), ids = ids(source)
        var options = packed.options(context: 22, threads: threads)
        (options.sampling.temperature, options.sampling.topP, options.sampling.repeatPenalty) = (65_536, 60_000, 80_000)
        let tight = try MemoryPlan(packed.model, options)
        (options.guardByteCount, options.poisonsScratch) = (128, true)
        let plan = try MemoryPlan(packed.model, options), guarded = GuardedMemory(byteCount: plan.arenaByteCount, alignment: 64)
        var isFree = [Bool](repeating: true, count: plan.arenaByteCount), regionCount = 0
        plan.forEachRegion { region in
            for place in region.offset..<region.offset + region.byteCount { isFree[place] = false }
            if region.byteCount > 0 { regionCount += 1 }
        }
        // Poison is written over what is between regions that share memory, too.
        for place in plan.scratch.offset..<plan.scratch.offset + plan.scratch.byteCount { isFree[place] = false }
        #expect(regionCount > 15 && isFree.count(where: { $0 }) >= 128 * 10 && tight.arenaByteCount < plan.arenaByteCount)
        guarded.bytes.initializeMemory(as: UInt8.self, repeating: 0x5A)
        try write(ids, packed, plan, options, guarded.bytes)
        #expect(isFree.indices.allSatisfy { !isFree[$0] || guarded.bytes[$0] == 0x5A } && guarded.isSlackIntact)
    }

    @Test(arguments: sources.indices, [KeyValueType.int16, .int4]) func nothingThatWasLeftInSharedMemoryIsRead(_ index: Int, _ type: KeyValueType) throws {
        let source = Self.sources[index], packed = try source.packed(.int8), ids = ids(source, 20)
        var options = packed.options(context: 22, threads: 2)
        options.keyValueType = type
        let usual = try packed.logits(ids, options)
        options.poisonsScratch = true
        #expect(try packed.logits(ids, options) == usual)
    }

    /// Reads a prompt and draws tokens until the context has slid.
    private func write(
        _ ids: [Int], _ packed: OpenedModelFile, _ plan: MemoryPlan, _ options: SessionOptions, _ arena: UnsafeMutableRawBufferPointer
    ) throws {
        var session = try Session(packed.model, plan, kernels: options.kernels, arena: arena)
        try ids.map { UInt32($0) }.withUnsafeBufferPointer { _ = try session.feedAll($0) }
        var recent = session.recentTokens()
        var random = SplitMix64(seed: 1)
        for _ in 0..<30 {
            let token = session.sample(session.computeLogits(), options.sampling, random: &random, recent: recent)
            recent.append(token)
            if session.position == plan.contextTokenCount { try session.slide() }
            try session.feed([token])
        }
    }

    @Test func anArenaThatIsTooSmallOrCrookedIsRefused() throws {
        let packed = try SyntheticSTLM().packed(.int8)
        let plan = try MemoryPlan(packed.model, packed.options())
        let guarded = GuardedMemory(byteCount: plan.arenaByteCount + 64, alignment: 64)
        for part in [0..<plan.arenaByteCount - 1, 1..<plan.arenaByteCount + 1] {
            let arena = UnsafeMutableRawBufferPointer(rebasing: guarded.bytes[part])
            #expect(throws: SessionError.arenaTooSmall(have: part.count, need: plan.arenaByteCount)) {
                _ = try Session(packed.model, plan, kernels: .baseline, arena: arena)
            }
        }
    }

    @Test func whatDoesNotFitIsAnErrorAndChangesNothing() throws {
        let packed = try SyntheticSTLM().packed(.int8)
        #expect(throws: SessionError.contextOutOfRange(asked: 33, maximum: 32)) {
            _ = try MemoryPlan(packed.model, packed.options(context: 33))
        }
        #expect(throws: SessionError.contextOutOfRange(asked: 0, maximum: 32)) {
            _ = try MemoryPlan(packed.model, packed.options(context: 0))
        }
        try packed.withSession(packed.options(context: 4)) { session in
            try session.feed([1, 2, 3])
            let logits = session.lastLogits()
            #expect(throws: SessionError.contextFull(needed: 5, context: 4)) { try session.feed([1, 2]) }
            #expect(throws: SessionError.tokenOutOfRange(token: 96, vocabularySize: 96)) { try session.feed([96]) }
            #expect(session.position == 3 && session.lastLogits() == logits)
            try session.feed([95])
            #expect(session.position == 4)
        }
    }
}
