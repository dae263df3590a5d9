import FixedPoint
import Foundation
import Kernels
import ModelFile
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What must not change a bit in models with blocks: batches, threads, kernels, and what the arena held before.
@Suite struct ByteSplitTests {
    static let sources: [ByteLevelSource] = ByteLevelSource.pairs.map { $0.changed("24 positions") { $0.contextSize = 24 } } + [
        // Enough rows that threads have parts to share.
        ByteLevelSource.pairs[0].changed("wide") {
            ($0.hiddenSize, $0.byteSize, $0.feedForwardSize, $0.contextSize, $0.isFeedForwardShared) = (96, 64, 260, 24, true)
        },
        ByteLevelSource.pairs[1].changed("wide") {
            ($0.hiddenSize, $0.byteSize, $0.feedForwardSize, $0.contextSize, $0.hasHeadBias) = (96, 32, 260, 24, true)
            ($0.decoder.width, $0.decoder.feedForwardSize, $0.decoder.layerCount, $0.decoder.isTied) = (96, 260, 3, false)
        },
    ]

    private func inputs(_ packed: OpenedModelFile, _ count: Int = 21) -> (inputs: [[Int]], targets: [[Int]]?) {
        var pieces = SeededPieces(seed: 3)
        return (pieces.inputs(packed.model, count), pieces.targets(packed.model, count))
    }

    @Test(arguments: sources, [WeightWidth.int8, .int16])
    func sameBitsHoweverTheTextIsCut(_ named: ByteLevelSource, _ width: WeightWidth) throws {
        let packed = try named.source.packed(width), (inputs, targets) = inputs(packed)
        func logits(_ context: Int, _ batch: Int) throws -> [[Int32]] {
            try packed.logits(inputs: inputs, targets: targets, packed.options(context: context, batch: batch))
        }
        let whole = try logits(24, 21)
        #expect(whole.count == 21 * packed.model.outputSize && whole[0].count == packed.model.logitCount)
        for batch in [1, 3, 16] { #expect(try logits(24, batch) == whole) }
        #expect(try logits(21, 16) == whole)
    }

    @Test(arguments: sources, [WeightWidth.int8, .int16])
    func sameBitsOnAnyNumberOfThreadsAndWithAnyKernels(_ named: ByteLevelSource, _ width: WeightWidth) throws {
        let packed = try named.source.packed(width), (inputs, targets) = inputs(packed, 9)
        func logits(_ threads: Int, _ kernels: KernelSet) throws -> [[Int32]] {
            try packed.logits(inputs: inputs, targets: targets, packed.options(context: 24, threads: threads, kernels: kernels))
        }
        let one = try logits(1, .baseline)
        for kernels in KernelSet.runnable {
            for threads in [1, 2, 3] { #expect(try logits(threads, kernels) == one, "\(kernels), \(threads) threads") }
        }
    }

    @Test(arguments: ByteLevelSource.pairs) func sameBitsOfAModelThatIsNotCausal(_ pair: ByteLevelSource) throws {
        let packed = try pair.changed("not causal") { $0.isCausal = false }.source.packed(.int8), (inputs, targets) = inputs(packed, 12)
        let whole = try packed.logits(inputs: inputs, targets: targets)
        let threads = packed.options(context: 12, batch: 12, threads: 2, kernels: .baseline)
        #expect(try packed.logits(inputs: inputs, targets: targets, threads) == whole)
        // Each added position reads the whole sequence again, so that the last step gives the logits of all.
        let last = try packed.withSession(packed.options(context: 12)) { session in
            for input in inputs { try session.feed(input.map { UInt32($0) }) }
            if !session.model.writesBlocks { return session.lastLogits() }
            let logits = session.computeBlockLogits(row: 11, of: session.likeliestBlock(row: 11))
            return Array(UnsafeBufferPointer(start: logits, count: session.model.blockSize * session.model.logitCount))
        }
        #expect(last == whole.suffix(packed.model.outputSize).flatMap { $0 })
    }

    @Test(arguments: sources) func whatTheArenaHeldBeforeIsForgotten(_ named: ByteLevelSource) throws {
        let packed = try named.source.packed(.int8), (inputs, targets) = inputs(packed, 12)
        let options = packed.options(context: 24, threads: 2) { $0.repeatPenalty = 70_000 }
        let clean = try packed.logits(inputs: inputs, targets: targets, options, poison: 0)
        for poison in [UInt8(0xA5), 0xFF] {
            #expect(try packed.logits(inputs: inputs, targets: targets, options, poison: poison) == clean)
        }
        // A session that was reset is a new one.
        let again = try packed.withSession(options) { session in
            _ = try session.allLogits(inputs: inputs.reversed(), targets: targets)
            session.reset()
            #expect(session.position == 0)
            return try session.allLogits(inputs: inputs, targets: targets)
        }
        #expect(again == clean)
    }

    @Test(arguments: sources, [1, 3]) func nothingIsWrittenOutsideTheRegionsOfThePlan(_ named: ByteLevelSource, _ threads: Int) throws {
        // The arena ends where unreadable memory begins, and begins (but for alignment) where it ends.
        let packed = try named.source.packed(.int16), model = packed.model
        var options = packed.options(context: 22, batch: 5, threads: threads)
        options.logitRowCount = 1
        (options.sampling.temperature, options.sampling.topK, options.sampling.topP, options.sampling.repeatPenalty) = (65_536, 0, 60_000, 80_000)
        let plan = try MemoryPlan(model, options)
        let guarded = GuardedMemory(byteCount: plan.arenaByteCount, alignment: 64)
        guarded.bytes.initializeMemory(as: UInt8.self, repeating: 0xA5)
        try write(packed, plan, options, guarded.bytes)
        #expect(guarded.isSlackIntact)
        // Between the regions, too, nothing has changed.
        var isFree = [Bool](repeating: true, count: plan.arenaByteCount)
        let shared = plan.scratch.offset..<plan.scratch.offset + plan.scratch.byteCount
        var overlapCount = 0
        plan.forEachRegion { region in
            for k in region.offset..<region.offset + region.byteCount {
                if !isFree[k], !shared.contains(k) { overlapCount += 1 }
                isFree[k] = false
            }
        }
        #expect(overlapCount == 0 && shared.isEmpty == model.writesBlocks)
        #expect(isFree.contains(true) && isFree.indices.allSatisfy { !isFree[$0] || guarded.bytes[$0] == 0xA5 })
    }

    /// Reads a prompt, scores, and draws until the context has slid.
    private func write(
        _ packed: OpenedModelFile, _ plan: MemoryPlan, _ options: SessionOptions, _ arena: UnsafeMutableRawBufferPointer
    ) throws {
        var session = try Session(packed.model, plan, kernels: options.kernels, arena: arena)
        let model = packed.model, (inputs, _) = inputs(packed, 20)
        try inputs.joined().map { UInt32($0) }.withUnsafeBufferPointer { _ = try session.feedAll($0) }
        var recent = session.recentTokens(), random = SplitMix64(seed: 1)
        for step in 0..<12 {
            let drawn = Array(UnsafeBufferPointer(start: session.draw(options.sampling, random: &random, recent: &recent), count: model.outputSize))
            // Only the last of these positions is at hand: the prompt's last batch is whole.
            #expect(session.cost(row: step == 0 ? 4 : 0, of: drawn) >= 0)
            if session.position == plan.contextTokenCount { try session.slide() }
            try session.feed(model.canGenerate ? drawn : inputs[step].map { UInt32($0) })
        }
    }

    @Test(arguments: ByteLevelSource.pairs) func numbersThatTheModelDoesNotTakeAreRefusedAndChangeNothing(_ pair: ByteLevelSource) throws {
        let packed = try pair.source.packed(.int8), limit = packed.model.takesBlocks ? 258 : 96
        #expect(packed.model.inputLimit == limit)
        try packed.withSession(packed.options(context: 3)) { session in
            let inputs = inputs(packed, 3).inputs.map { $0.map { UInt32($0) } }
            try session.feed(inputs[0] + inputs[1])
            let block = Array(UnsafeBufferPointer(start: session.history, count: 2 * packed.model.inputSize))
            #expect(block == inputs[0] + inputs[1])
            for number in [UInt32(limit), .max] {
                var wrong = inputs[2]
                wrong[wrong.count - 1] = number
                #expect(throws: SessionError.tokenOutOfRange(token: number, vocabularySize: limit)) { try session.feed(wrong) }
            }
            #expect(throws: SessionError.contextFull(needed: 4, context: 3)) { try session.feed(inputs[0] + inputs[1]) }
            #expect(session.position == 2)
            try session.feed(inputs[2])
            #expect(session.position == 3)
        }
    }
}
