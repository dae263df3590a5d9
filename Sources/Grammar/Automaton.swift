/// A deterministic automaton over bytes: grammar-1, section 4. It lies in memory of the caller.
///
/// From every state some bytes lead to an accepting one.
@frozen
public struct Automaton {
    /// Where no byte leads to.
    public static var dead: UInt16 { .max }
    public static var start: UInt16 { 0 }

    /// (256) the class of each byte
    @usableFromInline let classes: UnsafeMutablePointer<UInt8>
    /// (states, classes) the next state
    @usableFromInline let transitions: UnsafeMutablePointer<UInt16>
    /// (states) bit 0: a text may end here; bit 1: it can go on.
    let flags: UnsafeMutablePointer<UInt8>
    /// (states) states of one number allow the same texts of some length
    let kinds: UnsafeMutablePointer<UInt16>
    public internal(set) var classCount = 1
    public internal(set) var stateCount = 0
    public internal(set) var kindCount = 0

    /// Bytes of an automaton, and of what making it takes besides.
    public static var byteCount: Int {
        var room = Room(nil)
        layOut(&room)
        return room.byteCount
    }

    public static var workByteCount: Int {
        var room = Room(nil)
        GrammarWork.layOut(&room)
        return room.byteCount
    }

    private static func layOut(_ room: inout Room) {
        _ = room.take(256, of: UInt8.self)
        _ = room.take(GrammarLimit.transitions, of: UInt16.self)
        _ = room.take(GrammarLimit.states, of: UInt8.self)
        _ = room.take(GrammarLimit.states, of: UInt16.self)
    }

    /// - Parameters:
    ///   - text: UTF-8, used until the call returns
    ///   - memory: `byteCount` bytes, at a multiple of 8
    ///   - work: `workByteCount` bytes, at a multiple of 8, used until the call returns
    ///   - length: kinds are those of texts of so many bytes
    public init(
        _ text: UnsafeBufferPointer<UInt8>, _ kind: GrammarKind, memory: UnsafeMutableRawPointer, work: UnsafeMutableRawPointer, length: Int
    ) throws(GrammarError) {
        var room = Room(memory)
        classes = room.take(256, of: UInt8.self)!
        transitions = room.take(GrammarLimit.transitions, of: UInt16.self)!
        flags = room.take(GrammarLimit.states, of: UInt8.self)!
        kinds = room.take(GrammarLimit.states, of: UInt16.self)!
        var making = GrammarWork(text, Room(work))
        try making.fill(&self, kind)
        findKinds(length: length, making.sets, making.table)
    }

    @inlinable @inline(__always)
    public func next(_ state: UInt16, _ byte: UInt8) -> UInt16 { transitions[Int(state) &* classCount &+ Int(classes[Int(byte)])] }

    /// A text may end in this state.
    public func isAccepting(_ state: UInt16) -> Bool { flags[Int(state)] & 1 != 0 }
    /// Something may follow in this state.
    public func goesOn(_ state: UInt16) -> Bool { flags[Int(state)] & 2 != 0 }
    /// States of one kind allow the same texts of at most `length` bytes, and a text may end in all of them or in none.
    public func kind(_ state: UInt16) -> Int { Int(kinds[Int(state)]) }

    /// True if some text has this byte.
    public func uses(_ byte: UInt8) -> Bool {
        for state in 0..<stateCount where next(UInt16(state), byte) != Self.dead { return true }
        return false
    }

    /// States are told apart by what one byte more shows, again and again (Moore 1956), but no longer than texts are long.
    /// - Parameters:
    ///   - numbers: (states) and (2 * states) scratch
    private mutating func findKinds(length: Int, _ numbers: UnsafeMutablePointer<UInt16>, _ table: UnsafeMutablePointer<UInt16>) {
        for state in 0..<stateCount { kinds[state] = 0 }
        kindCount = 1
        for _ in 0..<length {
            let before = kindCount
            kindCount = number(into: numbers, table) { state, k in
                let next = transitions[state * classCount + k]
                return next == Self.dead ? Self.dead : kinds[Int(next)]
            }
            if kindCount == before { break }
        }
        kindCount = number(into: numbers, table) { state, _ in UInt16(flags[state] & 1) }
    }

    /// Numbers states anew: alike are those of one kind with the same value for every class.
    /// - Returns: how many there are
    private func number(
        into numbers: UnsafeMutablePointer<UInt16>, _ table: UnsafeMutablePointer<UInt16>, _ value: (Int, Int) -> UInt16
    ) -> Int {
        // (2 * states) a state of each number, found by what it looks like
        let size = 2 * GrammarLimit.states
        for k in 0..<size { table[k] = Self.dead }
        var count = 0
        for state in 0..<stateCount {
            var hash = UInt32(kinds[state])
            for k in 0..<classCount { hash = (hash ^ UInt32(value(state, k))) &* 0x0100_0193 }
            var place = Int((hash ^ hash >> 15) % UInt32(size))
            while true {
                let other = table[place]
                if other == Self.dead {
                    table[place] = UInt16(state)
                    numbers[state] = UInt16(count)
                    count += 1
                    break
                }
                var isAlike = kinds[Int(other)] == kinds[state]
                var k = 0
                while isAlike, k < classCount {
                    isAlike = value(Int(other), k) == value(state, k)
                    k += 1
                }
                if isAlike {
                    numbers[state] = numbers[Int(other)]
                    break
                }
                place = place + 1 == size ? 0 : place + 1
            }
        }
        for state in 0..<stateCount { kinds[state] = numbers[state] }
        return count
    }
}
