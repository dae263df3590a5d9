import FixedPoint
import Foundation
import Kernels
import PackedSupport
import STLM
import TestSupport
import Testing

/// Several sessions of one mapped model: it is only read, so that none knows of another.
@Suite struct SharedModelTests {
    static let source = SyntheticSTLM { ($0.hiddenSize, $0.feedForwardSize, $0.vocabularySize, $0.contextSize) = (96, 260, 1100, 24) }

    private func ids(_ seed: UInt64) -> [Int] {
        var numbers = SeededNumbers(seed: seed)
        return (0..<20).map { _ in numbers.int(0...1099) }
    }

    private func alone(_ packed: OpenedModelFile, _ seed: UInt64) throws -> [[Int32]] {
        try packed.withSession(packed.options(context: 24)) { try $0.logits(after: ids(seed).map { [$0] }) }
    }

    @Test(arguments: [1, 2]) func interleavedSessionsGiveTheBitsOfEachAlone(_ threads: Int) throws {
        let packed = try Self.source.packed(.int8), first = ids(1), second = ids(2)
        try packed.withSession(packed.options(context: 24, threads: threads)) { one in
            try packed.withSession(packed.options(context: 20, threads: threads)) { other in
                var rows: ([[Int32]], [[Int32]]) = ([], [])
                for k in first.indices {
                    rows.0 += try one.logits(after: [[first[k]]])
                    rows.1 += try other.logits(after: [[second[k]]])
                }
                let expected = try (alone(packed, 1), alone(packed, 2))
                #expect(rows.0 == expected.0 && rows.1 == expected.1)
            }
        }
    }

    @Test func sessionsOnThreadsOfTheirOwnDoNotMeet() throws {
        let packed = try Self.source.packed(.int8), expected = try (1...4).map { try alone(packed, UInt64($0)) }
        let results = Results()
        var threads: [Thread] = []
        for k in 0..<4 {
            let thread = Thread {
                let rows = try? (0..<5).map { _ in
                    try packed.withSession(packed.options(context: 24, threads: 1 + k % 2)) { try $0.logits(after: self.ids(UInt64(k + 1)).map { [$0] }) }
                }
                results.add(k, rows)
            }
            threads.append(thread)
            thread.start()
        }
        let all = results.wait(for: 4)
        for k in 0..<4 { #expect(all[k] == Array(repeating: expected[k], count: 5)) }
    }

    private final class Results: @unchecked Sendable {
        private let condition = NSCondition()
        private var rows: [Int: [[[Int32]]]] = [:]

        func add(_ index: Int, _ result: [[[Int32]]]?) {
            condition.lock()
            rows[index] = result ?? []
            condition.signal()
            condition.unlock()
        }

        func wait(for count: Int) -> [Int: [[[Int32]]]] {
            condition.lock()
            while rows.count < count { condition.wait() }
            defer { condition.unlock() }
            return rows
        }
    }

    @Test func anArenaServesOneSessionAfterTheOther() throws {
        let packed = try Self.source.packed(.int8), options = packed.options(context: 24, threads: 3)
        let plan = try MemoryPlan(packed.model, options), expected = try alone(packed, 1)
        let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: plan.arenaByteCount, alignment: 64)
        func run(_ seed: UInt64) throws -> [[Int32]] {
            var session = try Session(packed.model, plan, kernels: options.kernels, arena: arena)
            return try session.logits(after: ids(seed).map { [$0] })
        }
        for seed in [1, 2, 1] as [UInt64] {
            let rows = try run(seed)
            if seed == 1 { #expect(rows == expected) }
            // Nothing works in it any more: its threads have ended.
            arena.initializeMemory(as: UInt8.self, repeating: 0xA5)
            #expect(arena.allSatisfy { $0 == 0xA5 })
        }
        arena.deallocate()
    }
}
