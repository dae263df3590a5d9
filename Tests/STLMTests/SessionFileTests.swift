import FixedPoint
import Foundation
import Kernels
import PackedSupport
import STLM
import TestSupport
import Testing

/// A session that was saved goes on as if it had not been: Formats/session-1.md.
@Suite struct SessionFileTests {
    static let sources: [ByteLevelSource] = SplitTests.sources.enumerated().map { ByteLevelSource("tokens \($0.offset)", $0.element) }
        .map { $0.changed("70 positions") { $0.contextSize = 70 } } + [
            // Heads of 5 elements, whose last words are not full.
            ByteLevelSource("odd heads", SyntheticSTLM { ($0.hiddenSize, $0.headCount, $0.positions, $0.contextSize) = (20, 4, "learned", 70) }),
        ] + ByteSplitTests.sources.map { $0.changed("70 positions") { $0.contextSize = 70 } }
    static let types: [KeyValueType] = [.int16, .int8, .int4]

    private func inputs(_ packed: OpenedModelFile, _ count: Int) -> [[Int]] {
        var pieces = SeededPieces(seed: 3)
        return pieces.inputs(packed.model, count)
    }

    private func options(_ packed: OpenedModelFile, _ type: KeyValueType, context: Int, batch: Int = 16, threads: Int = 1,
                         kernels: KernelSet = .detected) -> SessionOptions {
        var options = packed.options(context: context, batch: batch, threads: threads, kernels: kernels)
        options.keyValueType = type
        return options
    }

    /// Cut at any place, restored with another room, other batches and other threads.
    @Test(arguments: sources, types) func goesOnWithTheSameBits(_ named: ByteLevelSource, _ type: KeyValueType) throws {
        let packed = try named.source.packed(.int8), inputs = inputs(packed, 70)
        let whole = try packed.withSession(options(packed, type, context: 70)) { try $0.logits(after: inputs) }
        for (cut, threads) in [(0, 1), (1, 2), (2, 1), (15, 2), (16, 1), (17, 2), (33, 1), (70, 2)] {
            let file = try packed.withSession(options(packed, type, context: max(1, cut), batch: 7, threads: threads)) { session in
                try inputs[..<cut].joined().map { UInt32($0) }.withUnsafeBufferPointer { _ = try session.feedAll($0) }
                return try session.saved()
            }
            for context in Set([max(1, cut), min(70, cut + 20), 70]) {
                try packed.withSession(options(packed, type, context: context, batch: 5, threads: 3 - threads)) { session in
                    _ = try session.logits(after: inputs.reversed().prefix(1))
                    try session.restore(file)
                    #expect(session.position == cut)
                    #expect((0..<cut * packed.model.inputSize).allSatisfy { Int(session.history[$0]) == Array(inputs.joined())[$0] })
                    if cut > 0 { #expect(session.nextLogits() == whole[cut - 1], "at \(cut)") }
                    #expect(try session.saved() == file)
                    #expect(try session.logits(after: inputs[cut..<min(70, context)]) == Array(whole[cut..<min(70, context)]), "from \(cut)")
                }
            }
        }
    }

    /// Runs of 16 positions and more are placed by several threads while the next is read; a number that is not possible is found by any of them.
    @Test(arguments: types) func threadsShareThePlacing(_ type: KeyValueType) throws {
        let packed = try SyntheticSTLM { ($0.contextSize, $0.layerCount) = (250, 2) }.packed(.int8)
        let inputs = inputs(packed, 231)
        let (file, logits) = try packed.withSession(options(packed, type, context: 250, batch: 64)) { session in
            try inputs.joined().map { UInt32($0) }.withUnsafeBufferPointer { _ = try session.feedAll($0) }
            return (try session.saved(), session.nextLogits())
        }
        let head = packed.model.file.attention(0), size = type.positionByteCount(headSize: Int(head.headSize))
        for threads in 1...8 {
            for batch in [7, 64] {
                try packed.withSession(options(packed, type, context: 240, batch: batch, threads: threads)) { session in
                    for scale in [0, 1, 47, 48, 80, 127, 229, 230 + 63, 230 * 2 * Int(head.kvHeadCount) - 1] {
                        var broken = file
                        let place = 64 + 4 * 231 + scale * size
                        broken.replaceSubrange(place..<place + 4, with: [0, 0, 0, 0])
                        #expect(throws: SessionFileError.impossible, "\(threads) threads, \(scale)") {
                            try session.restore(SessionDamageTests.sealed(broken))
                        }
                    }
                    try session.restore(file)
                    #expect(session.nextLogits() == logits)
                    #expect(try session.saved() == file, "\(threads) threads")
                }
            }
        }
    }

    @Test(arguments: sources, types) func kernelsAndCapacityDoNotShowInTheFile(_ named: ByteLevelSource, _ type: KeyValueType) throws {
        let packed = try named.source.packed(.int8), inputs = inputs(packed, 30)
        func file(_ context: Int, _ kernels: KernelSet, _ threads: Int) throws -> [UInt8] {
            try packed.withSession(options(packed, type, context: context, threads: threads, kernels: kernels)) { session in
                try inputs[..<19].joined().map { UInt32($0) }.withUnsafeBufferPointer { _ = try session.feedAll($0) }
                return try session.saved()
            }
        }
        let one = try file(70, .baseline, 1)
        let after = try packed.withSession(options(packed, type, context: 30, kernels: .baseline)) { session in
            try session.restore(one)
            return try session.logits(after: inputs[19...])
        }
        for kernels in KernelSet.runnable {
            #expect(try file(20, kernels, 2) == one, "\(kernels)")
            let same = try packed.withSession(options(packed, type, context: 33, threads: 2, kernels: kernels)) { session in
                try session.restore(one)
                return try session.logits(after: inputs[19...])
            }
            #expect(same == after, "\(kernels)")
        }
    }

    @Test(arguments: types) func aSessionThatHasSlidGoesOn(_ type: KeyValueType) throws {
        for named in [Self.sources[0], Self.sources[4]] {
            let packed = try named.source.packed(.int8), inputs = inputs(packed, 60), options = options(packed, type, context: 16)
            let whole = try packed.withSession(options) { try $0.logits(after: inputs) }
            for cut in [16, 17, 20, 24, 25, 40] {
                let file = try packed.withSession(options) { session in
                    _ = try session.logits(after: inputs[..<cut])
                    return try session.saved()
                }
                let rest = try packed.withSession(options) { session in
                    try session.restore(file)
                    return try session.logits(after: inputs[cut...])
                }
                #expect(rest == Array(whole[cut...]), "from \(cut)")
            }
        }
    }

    /// Drawn, sliding, and cut after every draw, what was drawn not being fed yet.
    @Test(arguments: [sources[0], sources[4], sources[5]]) func drawsGoOn(_ named: ByteLevelSource) throws {
        let packed = try named.source.packed(.int8), model = packed.model
        guard model.canGenerate else { return }
        let first = inputs(packed, 3).joined().map { UInt32($0) }
        var settings = SamplingSettings(model.record)
        (settings.temperature, settings.topK, settings.repeatPenalty, settings.repeatWindow) = (65_536, 0, 80_000, 9)
        let options = packed.options(context: 8) { $0 = settings }
        func draw(_ session: inout Session, _ random: inout SplitMix64, _ recent: inout RecentTokens, feedsLast: Bool, _ count: Int) throws -> [[UInt32]] {
            var drawn: [[UInt32]] = []
            for k in 0..<count {
                drawn.append(Array(UnsafeBufferPointer(
                    start: session.draw(settings, random: &random, recent: &recent), count: model.outputSize)))
                if k == count - 1, !feedsLast { break }
                if session.position == 8 { try session.slide() }
                try session.feed(drawn.last!)
            }
            return drawn
        }
        func begin(_ session: inout Session, _ random: inout SplitMix64, _ recent: inout RecentTokens) throws {
            for number in first where !model.takesBlocks || number < 256 { recent.append(number) }
            try session.feed(first)
        }
        let whole = try packed.withSession(options) { session in
            var random = SplitMix64(seed: 5), recent = session.recentTokens()
            try begin(&session, &random, &recent)
            return try draw(&session, &random, &recent, feedsLast: true, 30)
        }
        for cut in 0...20 {
            for feedsLast in [true, false] {
                let file = try packed.withSession(options) { session in
                    var random = SplitMix64(seed: 5), recent = session.recentTokens()
                    try begin(&session, &random, &recent)
                    let drawn = try draw(&session, &random, &recent, feedsLast: feedsLast, cut)
                    return try session.saved(random: random, recent: recent, next: feedsLast || cut == 0 ? [] : drawn.last!)
                }
                let rest = try packed.withSession(options) { session in
                    let sampling = try session.restore(file, slides: true)
                    var random = try #require(sampling.random), recent = sampling.recent
                    return try draw(&session, &random, &recent, feedsLast: true, 30 - cut)
                }
                #expect(rest == Array(whole[cut...]), "after \(cut)")
            }
        }
    }

    /// As long as the session has not slid, its history tells any window what it looks back at.
    @Test func aWindowMayBeWiderThanTheOneThatWasSaved() throws {
        let packed = try Self.sources[0].source.packed(.int8), ids = inputs(packed, 12).joined().map { UInt32($0) }
        var settings = SamplingSettings(packed.model.record)
        (settings.temperature, settings.repeatPenalty, settings.repeatWindow) = (0, 6_553_600, 12)
        let wide = packed.options(context: 40) { $0 = settings }
        let expected = try packed.withSession(wide) { session in
            var random = SplitMix64(seed: 1), recent = session.recentTokens()
            for id in ids { recent.append(id) }
            try session.feed(ids)
            return session.draw(settings, random: &random, recent: &recent)[0]
        }
        for (penalty, window) in [(65_536, 0), (70_000, 3), (70_000, 12), (70_000, 30)] as [(UInt32, UInt32)] {
            let file = try packed.withSession(packed.options(context: 40) { ($0.repeatPenalty, $0.repeatWindow) = (penalty, window) }) { session in
                var recent = session.recentTokens()
                for id in ids { recent.append(id) }
                try session.feed(ids)
                return try session.saved(recent: recent)
            }
            let drawn = try packed.withSession(wide) { session in
                let sampling = try session.restore(file)
                #expect(sampling.random == nil && sampling.recent.count == 12)
                var random = SplitMix64(seed: 1), recent = sampling.recent
                return session.draw(settings, random: &random, recent: &recent)[0]
            }
            #expect(drawn == expected, "window \(window)")
        }
    }

    @Test(arguments: types) func savingAndRestoringStayWithinTheArena(_ type: KeyValueType) throws {
        for named in [Self.sources[0], Self.sources[3], Self.sources[4]] {
            let packed = try named.source.packed(.int8), inputs = inputs(packed, 21)
            let options = options(packed, type, context: 21, batch: 1), plan = try MemoryPlan(packed.model, options)
            let guarded = GuardedMemory(byteCount: plan.arenaByteCount, alignment: 64)
            guarded.bytes.initializeMemory(as: UInt8.self, repeating: 0xA5)
            func run() throws {
                var session = try Session(packed.model, plan, kernels: .detected, arena: guarded.bytes)
                _ = try session.logits(after: inputs)
                let file = try session.saved()
                let last = session.nextLogits()
                // A file that ends where unreadable memory begins.
                let copy = GuardedMemory(file)
                _ = try withExtendedLifetime(copy) { _ = try session.restore(from: UnsafeRawBufferPointer(copy.bytes)) }
                #expect(session.nextLogits() == last)
            }
            try run()
            #expect(guarded.isSlackIntact)
        }
    }

    @Test func aModelThatIsNotCausalCannotBeSaved() throws {
        let packed = try SyntheticSTLM { $0.isCausal = false }.packed(.int8)
        try packed.withSession(packed.options(context: 4, batch: 4)) { session in
            try session.feed([1, 2])
            #expect(throws: SessionFileError.notCausal) { _ = try session.saved() }
            #expect(throws: SessionFileError.notCausal) { try session.restore([]) }
        }
    }
}
