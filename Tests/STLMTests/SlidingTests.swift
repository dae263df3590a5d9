import FixedPoint
import Foundation
import Kernels
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What sliding keeps, forgets and moves: arithmetic-1, sections 6.2.4 and 10. That the bits are those of the document is for ReferenceTests.
@Suite struct SlidingTests {
    /// How many positions stay of which context, by the document: (context, kept, dropped).
    private static let cases = [(1, 0, 1), (2, 1, 1), (3, 1, 1), (7, 1, 3), (7, 0, 4), (16, 4, 6), (16, 15, 1)]

    /// Models that cannot move what a position was added to, or that read everything at once, read what stays anew.
    @Test(arguments: cases, ["learned", "not causal"])
    func whatIsReadAnewEqualsAFreshSession(_ sizes: (Int, Int, Int), _ kind: String) throws {
        let packed = try SyntheticSTLM {
            if kind == "learned" { $0.positions = "learned" } else { $0.isCausal = false }
        }.packed(.int8)
        let (context, kept, dropped) = sizes
        var options = packed.options(context: context)
        options.keptPositionCount = kept
        try packed.withSession(options) { session in
            var fed: [UInt32] = [], numbers = SeededNumbers(seed: 4)
            for _ in 0..<3 * context {
                if session.position == context {
                    try session.slide()
                    fed.removeSubrange(kept..<kept + dropped)
                }
                #expect(session.position == fed.count)
                let token = UInt32(numbers.next() % 96)
                try session.feed([token])
                fed.append(token)
                let fresh = try packed.withSession(options) { other in
                    try other.feed(fed)
                    return other.lastLogits()
                }
                #expect(session.lastLogits() == fresh)
                #expect((0..<fed.count).allSatisfy { session.history[$0] == fed[$0] })
            }
        }
    }

    /// A model whose one layer sees tokens alone: what was moved is what would have been computed there, to the precision of the keys.
    @Test(arguments: cases, [KeyValueType.int16, .int8, .int4])
    func whatIsMovedIsWhatWouldStandThere(_ sizes: (Int, Int, Int), _ type: KeyValueType) throws {
        for size in [8, 64] {
            let packed = try SyntheticSTLM {
                ($0.positions, $0.layerCount, $0.hiddenSize, $0.headCount, $0.groupSize) = ("rope", 1, 2 * size, 2, 1)
            }.packed(.int16)
            let (context, kept, dropped) = sizes
            var options = packed.options(context: context)
            (options.keptPositionCount, options.keyValueType) = (kept, type)
            try packed.withSession(options) { session in
                var fed: [UInt32] = [], numbers = SeededNumbers(seed: 4)
                for _ in 0..<4 * context {
                    if session.position == context {
                        try session.slide()
                        fed.removeSubrange(kept..<kept + dropped)
                    }
                    #expect(session.position == fed.count)
                    let token = UInt32(numbers.next() % 96)
                    try session.feed([token])
                    fed.append(token)
                    let (logits, fresh) = try (session.lastLogits(), packed.withSession(options) { other in
                        try other.feed(fed)
                        return other.lastLogits()
                    })
                    let deviation = sqrt(fresh.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(fresh.count))
                    let error = zip(logits, fresh).map { abs(Double($0) - Double($1)) }.max()!
                    #expect(error <= (type == .int16 ? 0.003 : 0.15) * deviation, "\(error / deviation) at \(fed.count) positions")
                    #expect((0..<fed.count).allSatisfy { session.history[$0] == fed[$0] })
                }
            }
        }
    }

    /// One cache, whatever computes it: after many slides all kernels and threads give the same.
    @Test(arguments: [KeyValueType.int16, .int8, .int4]) func kernelsAndThreadsMoveAlike(_ type: KeyValueType) throws {
        for named in ByteLevelSource.pairs {
            let packed = try named.source.packed(.int8)
            var pieces = SeededPieces(seed: 9)
            let inputs = pieces.inputs(packed.model, 40)
            func logits(_ kernels: KernelSet, _ threads: Int) throws -> [[Int32]] {
                var options = packed.options(context: 13, threads: threads, kernels: kernels)
                options.keyValueType = type
                return try packed.withSession(options) { try $0.logits(after: inputs) }
            }
            let one = try logits(.baseline, 1)
            for kernels in KernelSet.runnable { #expect(try logits(kernels, 2) == one, "\(named) \(kernels)") }
        }
    }

    @Test(arguments: [-1, 8, 9]) func keepingLeavesRoom(_ kept: Int) throws {
        let packed = try SyntheticSTLM().packed(.int8)
        var options = packed.options(context: 8)
        options.keptPositionCount = kept
        #expect(throws: SessionError.keptOutOfRange(asked: kept, context: 8)) { _ = try MemoryPlan(packed.model, options) }
    }

    /// Texts of the example model, written where nothing was forgotten, are foretold as well where what stays is moved as where it is
    /// read anew.
    @Test(arguments: [KeyValueType.int16, .int8]) func whatIsMovedForetellsAsWell(_ type: KeyValueType) throws {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        func data(_ name: String) throws -> Data { try Data(contentsOf: package.appendingPathComponent("Examples/models/tinystories-2m/\(name)")) }
        let packed = try OpenedModelFile(PackedModel(
            checkpoint: data("model.ckpt"), tokenizer: data("bpe_tinystories_2048.model"), width: .int8).bytes)
        let first = UInt32(packed.end(asBlock: false)[0])
        var text: [UInt32] = []
        let writing = packed.options(context: 256) { $0.temperature = 65_536 }
        try packed.withSession(writing) { session in
            var random = SplitMix64(seed: 1), recent = session.recentTokens()
            for _ in 0..<10 {
                session.reset()
                try session.feed([first])
                for _ in 0..<255 {
                    text.append(session.draw(writing.sampling, random: &random, recent: &recent)[0])
                    try session.feed([text.last!])
                }
            }
        }
        var options = packed.options(context: 96)
        options.keyValueType = type
        func cost(_ makeRoom: (inout Session, Int) throws -> Void) throws -> Double {
            try packed.withSession(options) { session in
                var sum: Int64 = 0
                try session.feed([first])
                for (k, token) in text.enumerated() {
                    sum += session.lastLogits().withUnsafeBufferPointer { session.cost($0.baseAddress!, of: token) }
                    if session.position == 96 { try makeRoom(&session, k) }
                    try session.feed([token])
                }
                return Double(sum)
            }
        }
        let moved = try cost { session, _ in try session.slide() }
        let anew = try cost { session, k in
            session.reset()
            try session.feed([first])
            for token in text[k - 47..<k] { try session.feed([token]) }
        }
        #expect(moved < 1.01 * anew, "\(moved / anew)")
    }
}
