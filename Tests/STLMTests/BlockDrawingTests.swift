import FixedPoint
import Foundation
import ModelFile
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Blocks that a byte head draws: arithmetic-1, sections 6.1.2, 7 and 10.
@Suite struct BlockDrawingTests {
    /// Byte slots and a byte decoder, each with blocks and with tokens going in.
    static let sources = ByteLevelSource.pairs.filter { $0.source.writesBlocks }
    static let table: [(temperature: UInt32, topK: UInt32, topP: UInt32, minP: UInt32, penalty: UInt32, window: UInt32)] = [
        (65_536, 0, 65_536, 0, 65_536, 64), (52_429, 10, 65_536, 0, 65_536, 64), (131_072, 7, 58_982, 0, 65_536, 64),
        (65_536, 0, 60_000, 0, 90_000, 8), (90_000, 0, 65_536, 3_000, 90_000, 30), (6_553_600, 0, 65_536, 0, 65_536, 64),
        (65_536, 1, 65_536, 0, 65_536, 64), (0, 0, 65_536, 0, 80_000, 16),
    ]

    private func chosen(_ index: Int, _ model: Model) -> SamplingSettings {
        let s = Self.table[index]
        var settings = SamplingSettings(model.record)
        (settings.temperature, settings.topK, settings.topP, settings.minP) = (s.temperature, s.topK, s.topP, s.minP)
        (settings.repeatPenalty, settings.repeatWindow) = (s.penalty, s.window)
        return settings
    }

    /// The logits of each slot when the slots before it hold the symbols of `block`.
    private func forced(_ session: borrowing Session, _ row: Int, _ block: [UInt32]) -> [[Int32]] {
        let logits = session.computeBlockLogits(row: row, of: block)
        return (0..<block.count).map { Array(UnsafeBufferPointer(start: logits + $0 * 258, count: 258)) }
    }

    /// Every slot by the straightforward sampler over the logits of the whole block at once, the drawn symbols forced.
    @Test(arguments: sources, table.indices) func everySlotIsDrawnAsTheDocumentSays(_ named: ByteLevelSource, _ index: Int) throws {
        let packed = try named.source.packed(.int8), model = packed.model, settings = chosen(index, model)
        let isDecoder = named.source.head == "byte_decoder"
        var closedCount = 0
        try packed.withSession(packed.options(context: 16) { $0 = settings }) { session in
            var random = SplitMix64(seed: UInt64(index)), recent = session.recentTokens(), history: [Int] = []
            var sampler = StraightforwardSampler(fractionBits: model.logitFractionBits, settings: settings, seed: UInt64(index))
            var pieces = SeededPieces(seed: 5)
            for input in pieces.inputs(model, 16) {
                try session.feed(input.map { UInt32($0) })
                let drawn = Array(UnsafeBufferPointer(start: session.draw(settings, random: &random, recent: &recent), count: 12))
                let count = model.drawnCount(drawn)
                #expect(isDecoder || count == 12)
                #expect(drawn[count...].allSatisfy { $0 == 256 } && drawn[..<(count - 1)].allSatisfy { !isDecoder || $0 < 256 })
                let logits = forced(session, 0, drawn)
                for slot in 0..<count {
                    let expected = sampler.next(logits[slot], history)
                    #expect(Int(drawn[slot]) == expected, "slot \(slot)")
                    if drawn[slot] < 256 { history.append(Int(drawn[slot])) }
                }
                #expect(logits[count...].allSatisfy { $0.allSatisfy { $0 == 0 } })
                if count < 12 { closedCount += 1 }
            }
        }
        // At the greatest temperature all symbols are as likely as each other, so that some block closes early.
        if settings.temperature == 6_553_600 { #expect(isDecoder == (closedCount > 0)) }
    }

    @Test(arguments: sources) func theLikeliestBlockIsDrawnAtTemperatureZero(_ named: ByteLevelSource) throws {
        let packed = try named.source.packed(.int16), model = packed.model
        var settings = SamplingSettings(model.record)
        (settings.temperature, settings.repeatPenalty) = (0, 65_536)
        try packed.withSession(packed.options(context: 16) { $0 = settings }) { session in
            var pieces = SeededPieces(seed: 9)
            try session.feed(pieces.inputs(model, 16).joined().map { UInt32($0) })
            for row in 0..<16 {
                let block = Array(UnsafeBufferPointer(start: session.likeliestBlock(row: row), count: 12))
                let logits = forced(session, row, block)
                for slot in 0..<model.drawnCount(block) {
                    #expect(Int(block[slot]) == logits[slot].firstIndex(of: logits[slot].max()!))
                }
                if row < 15 { continue }
                var random = SplitMix64(seed: 1), untouched = SplitMix64(seed: 1), recent = session.recentTokens()
                let drawn = Array(UnsafeBufferPointer(start: session.draw(settings, random: &random, recent: &recent), count: 12))
                #expect(drawn == block && random.next() == untouched.next())
                #expect(recent.count == 0 || recent.count == min(64, drawn.count { $0 < 256 }))
            }
        }
    }

    /// Keys and values of earlier slots, kept while symbol after symbol is drawn, are those of the block computed at once.
    @Test(arguments: sources, [1, 2]) func slotAfterSlotHasTheLogitsOfTheWholeBlock(_ named: ByteLevelSource, _ threads: Int) throws {
        let packed = try named.source.packed(.int8), model = packed.model
        let plan = try MemoryPlan(model, packed.options(context: 8, threads: threads))
        let arena = GuardedMemory(byteCount: plan.arenaByteCount, alignment: 64)
        let session = try Session(model, plan, kernels: .detected, arena: arena.bytes)
        try check(session, plan, arena)
    }

    private func check(_ session: consuming Session, _ plan: MemoryPlan, _ arena: GuardedMemory) throws {
        var pieces = SeededPieces(seed: 2)
        try session.feed(pieces.inputs(session.model, 8).joined().map { UInt32($0) })
        for row in 0..<8 {
            let block = Array(UnsafeBufferPointer(start: session.likeliestBlock(row: row), count: 12))
            // What the last slots left in the arena.
            let count = session.model.drawnCount(block)
            let kept = (arena.base + plan.logits.offset).assumingMemoryBound(to: Int32.self)
            let own = Array(UnsafeBufferPointer(start: kept, count: count * 258))
            #expect(Array(forced(session, row, block).joined().prefix(count * 258)) == own)
        }
    }

    @Test(arguments: sources) func oneSeedGivesOneText(_ named: ByteLevelSource) throws {
        let packed = try named.source.packed(.int8), model = packed.model, settings = chosen(3, model)
        func text(_ seed: UInt64) throws -> [UInt32] {
            try packed.withSession(packed.options(context: 16) { $0 = settings }) { session in
                var random = SplitMix64(seed: seed), recent = session.recentTokens(), made: [UInt32] = []
                var pieces = SeededPieces(seed: 1)
                for input in pieces.inputs(model, 10) {
                    try session.feed(made.isEmpty || !model.canGenerate ? input.map { UInt32($0) } : Array(made.suffix(12)))
                    made += UnsafeBufferPointer(start: session.draw(settings, random: &random, recent: &recent), count: 12)
                }
                return made
            }
        }
        #expect(try text(1) == text(1))
        #expect(try text(1) != text(2))
    }

    @Test func aBlockEndsATextOnlyIfAllOfItDoes() throws {
        let words = try ByteLevelSource.pairs[1].source.packed(.int8).model
        #expect(words.isEnd(block: [257] + [UInt32](repeating: 256, count: 11)))
        #expect(!words.isEnd(block: [UInt32](repeating: 257, count: 12)) && !words.isEnd(block: [UInt32](repeating: 256, count: 12)))
        let original = try ByteLevelSource.pairs[0].changed("bpe") { $0.tokenizerType = "bpe" }.source.packed(.int8).model
        // "<|endoftext|>" is a byte longer than a block.
        let end = "<|endoftext|".utf8.map { UInt32($0) }
        #expect(original.isEnd(block: end) && !original.isEnd(block: end.dropLast() + [256]))
        #expect(!original.isEnd(block: [257] + [UInt32](repeating: 256, count: 11)))
    }
}
