import Checkpoints
import TestSupport
import Testing

@Suite struct PickleTests {
    private func graph(_ write: (inout PickleWriter) -> Void) throws(CheckpointError) -> PickleGraph {
        var writer = PickleWriter()
        write(&writer)
        writer.stop()
        return try PickleGraph(writer.bytes)
    }

    private func message(_ bytes: [UInt8]) -> String {
        do {
            _ = try PickleGraph(bytes)
            return "no error"
        } catch {
            return error.description
        }
    }

    @Test func readsScalars() throws {
        let graph = try graph {
            $0.mark()
            $0.integer(7)
            $0.integer(-70_000)
            $0.integer(1 << 40)
            $0.integer(-(1 << 40))
            $0.real(-0.125)
            $0.text("h\u{e9}")
            $0.bool(true)
            $0.none()
            $0.raw([0x8A, 0])  // LONG1 without digits is zero
            $0.raw([0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1])
            $0.tuple()
        }
        #expect(graph[graph.root].items.map { graph[$0].kind } == [
            .integer(7), .integer(-70_000), .integer(1 << 40), .integer(-(1 << 40)), .real(-0.125), .text("h\u{e9}"),
            .bool(true), .none, .integer(0), .hugeInteger,
        ])
    }

    @Test func readsOpcodesOfNewerProtocols() throws {
        // Protocol 4: FRAME, SHORT_BINUNICODE, MEMOIZE, STACK_GLOBAL, EMPTY_SET, ADDITEMS, FROZENSET, BINBYTES8.
        let graph = try PickleGraph([
            0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, 0x28, 0x8C, 1, 0x61, 0x94, 0x8C, 1, 0x62, 0x93, 0x68, 0,
            0x8F, 0x28, 0x4B, 5, 0x90, 0x28, 0x4B, 6, 0x91, 0x8E, 1, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0x74, 0x2E,
        ])
        let items = graph[graph.root].items.map { graph[$0] }
        #expect(items.map(\.kind) == [.global(module: "a", name: "b"), .text("a"), .set, .set, .bytes([0xFF])])
        #expect(items[2].items.count == 1)
    }

    @Test func aCallOfTheSystemIsInert() throws {
        let graph = try graph {
            $0.global("os", "system")
            $0.mark()
            $0.text("echo harm")
            $0.tuple()
            $0.reduce()
        }
        #expect(graph.calleeName(graph.root) == "os.system")
        guard case .call(_, let arguments) = graph[graph.root].kind else { return #expect(Bool(false)) }
        #expect(graph.text(graph[arguments].items[0]) == "echo harm")
    }

    @Test func aLateBuildIsSeenThroughEveryReference() throws {
        let graph = try graph {
            $0.global("m", "C")
            $0.emptyTuple()
            $0.newObject()
            let own = $0.memoize()
            $0.emptyDictionary()
            $0.mark()
            $0.text("self")
            $0.recall(own)
            $0.setItems()
            $0.build()
        }
        let state = try #require(graph[graph.root].state)
        #expect(graph.value(state, "self") == graph.root)
    }

    @Test func rejectsEveryTruncation() {
        let bytes = SyntheticSTLM { ($0.layerCount, $0.hasOptimizer, $0.configStyle) = (1, false, .plain) }.file().pickled()
        for length in stride(from: 0, to: bytes.count, by: 3) { #expect(message(Array(bytes[..<length])) != "no error", "\(length)") }
    }

    @Test func survivesRandomBytes() {
        var numbers = SeededNumbers(seed: 3)
        let good = SyntheticSTLM { $0.layerCount = 1 }.file().pickled()
        for _ in 0..<300 {
            var bytes = good
            for _ in 0..<3 { bytes[Int.random(in: 2..<bytes.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers) }
            _ = message(bytes)
        }
    }

    @Test func rejectsWhatCheckpointsDoNotUse() {
        #expect(message([]).contains("does not begin with a protocol number"))
        #expect(message([0x80, 9, 0x2E]).contains("protocol 9"))
        #expect(message([0x80, 2, 0x69]).contains("instruction 0x69 at byte 2"))
        #expect(message([0x80, 2, 0x2E]).contains("where none is left"))
        #expect(message([0x80, 2, 0x4E, 0x4E, 0x2E]).contains("1 values left over"))
        #expect(message([0x80, 2, 0x74, 0x2E]).contains("where none is left"))
        #expect(message([0x80, 2, 0x28, 0x4E, 0x64, 0x2E]).contains("an odd number"))
        #expect(message([0x80, 2, 0x4E, 0x4E, 0x61, 0x2E]).contains("appends to a value that cannot take it"))
        #expect(message([0x80, 2, 0x4E, 0x4E, 0x62, 0x2E]).contains("gives a state to"))
        #expect(message([0x80, 2, 0x58, 1, 0, 0, 0, 0xFF, 0x2E]).contains("not valid UTF-8"))
    }

    @Test func absurdNumbersAllocateNothing() {
        #expect(message([0x80, 2, 0x58, 0xFF, 0xFF, 0xFF, 0xFF, 0x2E]).contains("claims a value of 4294967295 bytes"))
        #expect(message([0x80, 4, 0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]).contains("18446744073709551615 bytes"))
        #expect(message([0x80, 2, 0x4E, 0x72, 0xFF, 0xFF, 0xFF, 0xFF, 0x2E]) == "no error")
        #expect(message([0x80, 2, 0x6A, 0xFF, 0xFF, 0xFF, 0xFF, 0x2E]).contains("recalls value 4294967295"))
    }

    @Test func deepNestingNeitherOverflowsTheStackNorHangs() throws {
        // 200,000 lists inside one another: [[[...]]]
        let depth = 200_000
        var bytes: [UInt8] = [0x80, 2] + [UInt8](repeating: 0x5D, count: depth)
        bytes += [UInt8](repeating: 0x61, count: depth - 1) + [0x2E]
        #expect(try PickleGraph(bytes).nodes.count == depth)
        let marks: [UInt8] = [0x80, 2] + [UInt8](repeating: 0x28, count: depth) + [0x2E]
        #expect(message(marks).contains("where none is left"))
    }

    @Test func moreValuesThanTheLimitAreRefused() {
        let bytes: [UInt8] = [0x80, 2] + [UInt8](repeating: 0x4E, count: 2_000_001) + [0x2E]
        #expect(message(bytes).contains("more than 2000000 values"))
    }
}
