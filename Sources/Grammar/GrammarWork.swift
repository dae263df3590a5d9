/// What making an automaton takes: the graph of the grammar, and for each state the set of its nodes that it stands for (Rabin and Scott 1959).
struct GrammarWork {
    private var reader: GrammarReader
    /// (members) nodes of the sets, in ascending order; as scratch, more than there are states
    let sets: UnsafeMutablePointer<UInt16>
    /// (states + 1) where each set begins
    private let starts: UnsafeMutablePointer<UInt16>
    /// (2 * states) states by what their sets look like
    let table: UnsafeMutablePointer<UInt16>
    /// (nodes / 64) the set that is being made
    private let seen: UnsafeMutablePointer<UInt64>
    private let stack: UnsafeMutablePointer<UInt16>
    private var work = 0

    init(_ text: UnsafeBufferPointer<UInt8>, _ room: consuming Room) {
        var room = room
        reader = GrammarReader(text, &room)
        sets = room.take(GrammarLimit.members, of: UInt16.self)!
        starts = room.take(GrammarLimit.states + 1, of: UInt16.self)!
        table = room.take(2 * GrammarLimit.states, of: UInt16.self)!
        seen = room.take(GrammarLimit.nodes / 64, of: UInt64.self)!
        stack = room.take(GrammarLimit.nodes, of: UInt16.self)!
    }

    /// What `init` takes of a room.
    static func layOut(_ room: inout Room) {
        ByteGraph.layOut(&room)
        GrammarReader.layOut(&room)
        _ = room.take(GrammarLimit.members, of: UInt16.self)
        _ = room.take(GrammarLimit.states + 1, of: UInt16.self)
        _ = room.take(2 * GrammarLimit.states, of: UInt16.self)
        _ = room.take(GrammarLimit.nodes / 64, of: UInt64.self)
        _ = room.take(GrammarLimit.nodes, of: UInt16.self)
    }

    private typealias Fault = GrammarError.Fault

    mutating func fill(_ automaton: inout Automaton, _ kind: GrammarKind) throws(GrammarError) {
        do throws(Fault) {
            try makeStates(&automaton, kind)
        } catch {
            throw reader.located(error)
        }
    }

    private mutating func makeStates(_ automaton: inout Automaton, _ kind: GrammarKind) throws(Fault) {
        let end = try reader.read(kind)
        findClasses(&automaton)
        for k in 0..<2 * GrammarLimit.states { table[k] = Automaton.dead }
        starts[0] = 0
        clear()
        add(0)
        _ = try state(&automaton, end)
        var from = 0
        while from < automaton.stateCount {
            for k in 0..<automaton.classCount {
                clear()
                var isEmpty = true
                for member in starts[from]..<starts[from + 1] {
                    var edge = reader.graph.first[Int(sets[Int(member)])]
                    while edge != ByteGraph.none {
                        work += 1
                        let e = Int(edge)
                        if !reader.graph.isEmpty(e), Int(reader.graph.low[e]) <= k, k <= Int(reader.graph.high[e]) {
                            add(reader.graph.target[e])
                            isEmpty = false
                        }
                        edge = reader.graph.next[e]
                    }
                }
                if work > GrammarLimit.work { throw reader.error(.tooManyStates, at: 0) }
                let next = isEmpty ? Automaton.dead : try state(&automaton, end)
                automaton.transitions[from * automaton.classCount + k] = next
                if !isEmpty { automaton.flags[from] |= 2 }
            }
            from += 1
        }
    }

    /// Bytes that lead along the same edges are one class. Classes ascend with their bytes, and take their place at the edges.
    private func findClasses(_ automaton: inout Automaton) {
        let graph = reader.graph
        // What begins a class.
        for byte in 0..<256 { automaton.classes[byte] = 0 }
        for edge in 0..<graph.edgeCount where !graph.isEmpty(edge) {
            automaton.classes[Int(graph.low[edge])] = 1
            if graph.high[edge] < 255 { automaton.classes[Int(graph.high[edge]) + 1] = 1 }
        }
        var last: UInt8 = 0
        for byte in 0..<256 {
            if byte > 0, automaton.classes[byte] == 1 { last += 1 }
            automaton.classes[byte] = last
        }
        automaton.classCount = Int(last) + 1
        for edge in 0..<graph.edgeCount where !graph.isEmpty(edge) {
            graph.low[edge] = automaton.classes[Int(graph.low[edge])]
            graph.high[edge] = automaton.classes[Int(graph.high[edge])]
        }
    }

    // MARK: Sets

    private func clear() {
        for k in 0..<(reader.graph.nodeCount + 63) / 64 { seen[k] = 0 }
    }

    /// A node, and all that nothing leads to from there.
    private mutating func add(_ node: UInt16) {
        if mark(node) { return }
        var depth = 1
        stack[0] = node
        while depth > 0 {
            depth -= 1
            var edge = reader.graph.first[Int(stack[depth])]
            while edge != ByteGraph.none {
                work += 1
                let target = reader.graph.target[Int(edge)]
                if reader.graph.isEmpty(Int(edge)), !mark(target) {
                    stack[depth] = target
                    depth += 1
                }
                edge = reader.graph.next[Int(edge)]
            }
        }
    }

    /// Whether the node was there.
    private func mark(_ node: UInt16) -> Bool {
        let bit: UInt64 = 1 << UInt64(node % 64), word = Int(node / 64)
        defer { seen[word] |= bit }
        return seen[word] & bit != 0
    }

    /// The state of the set that was made, a new one if there is none yet.
    private mutating func state(_ automaton: inout Automaton, _ end: UInt16) throws(Fault) -> UInt16 {
        let start = Int(starts[automaton.stateCount])
        var count = 0
        var hash: UInt32 = 0
        for word in 0..<(reader.graph.nodeCount + 63) / 64 {
            var bits = seen[word]
            while bits != 0 {
                let node = UInt16(64 * word + bits.trailingZeroBitCount)
                bits &= bits - 1
                if !matters(node, end) { continue }
                if start + count == GrammarLimit.members { throw reader.error(.tooManyStates, at: 0) }
                sets[start + count] = node
                hash = (hash ^ UInt32(node)) &* 0x0100_0193
                count += 1
            }
        }
        var place = Int((hash ^ hash >> 15) % UInt32(2 * GrammarLimit.states))
        while table[place] != Automaton.dead {
            let other = Int(table[place]), from = Int(starts[other])
            if Int(starts[other + 1]) - from == count {
                var k = 0
                while k < count, sets[from + k] == sets[start + k] { k += 1 }
                if k == count { return UInt16(other) }
            }
            place = place + 1 == 2 * GrammarLimit.states ? 0 : place + 1
        }
        let state = automaton.stateCount
        if state == GrammarLimit.states || (state + 1) * automaton.classCount > GrammarLimit.transitions {
            throw reader.error(.tooManyStates, at: 0)
        }
        table[place] = UInt16(state)
        starts[state + 1] = UInt16(start + count)
        automaton.flags[state] = count > 0 && seen[Int(end / 64)] & (1 << UInt64(end % 64)) != 0 ? 1 : 0
        automaton.stateCount = state + 1
        return UInt16(state)
    }

    /// Nodes that bytes lead on from, and the end: the others make no difference.
    private func matters(_ node: UInt16, _ end: UInt16) -> Bool {
        if node == end { return true }
        var edge = reader.graph.first[Int(node)]
        while edge != ByteGraph.none {
            if !reader.graph.isEmpty(Int(edge)) { return true }
            edge = reader.graph.next[Int(edge)]
        }
        return false
    }
}
