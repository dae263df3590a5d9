/// What a grammar may come to: grammar-1, section 5.
public enum GrammarLimit {
    public static let nodes = 8_192
    public static let edges = 12_288
    public static let states = 4_096
    /// Entries of the table of an automaton: states times classes of bytes.
    public static let transitions = 131_072
    /// Nodes in the sets of all states.
    public static let members = 32_768
    /// Edges that are looked at while states are made.
    public static let work = 1 << 24
    /// Items, each time that one is read.
    public static let items = 65_536
    public static let rules = 256
    public static let ranges = 256
    public static let depth = 32
    public static let repetitions = 1_000
}

/// Takes regions from the front of memory, each at a multiple of 8. Without memory it only counts.
struct Room {
    private let base: UnsafeMutableRawPointer?
    private(set) var byteCount = 0

    init(_ base: UnsafeMutableRawPointer?) { self.base = base }

    mutating func take<Element>(_ count: Int, of type: Element.Type) -> UnsafeMutablePointer<Element>? {
        let start = byteCount
        byteCount += (count * MemoryLayout<Element>.stride + 7) / 8 * 8
        return base.map { ($0 + start).bindMemory(to: type, capacity: count) }
    }
}

/// A grammar as nodes and edges that bytes or nothing lead along (Thompson 1968). Every node leads to the last one, if the grammar does.
struct ByteGraph {
    static let none = UInt16.max

    /// (nodes) first edge
    let first: UnsafeMutablePointer<UInt16>
    /// (edges) the bytes that lead along it, lowest and highest; along one with 1 and 0 nothing does.
    let low: UnsafeMutablePointer<UInt8>
    let high: UnsafeMutablePointer<UInt8>
    /// (edges) the node that it leads to, and the next edge of the node that it comes from
    let target: UnsafeMutablePointer<UInt16>
    let next: UnsafeMutablePointer<UInt16>
    private(set) var nodeCount = 0
    private(set) var edgeCount = 0
    private(set) var isTooLarge = false

    init(_ room: inout Room) {
        first = room.take(GrammarLimit.nodes, of: UInt16.self)!
        low = room.take(GrammarLimit.edges, of: UInt8.self)!
        high = room.take(GrammarLimit.edges, of: UInt8.self)!
        target = room.take(GrammarLimit.edges, of: UInt16.self)!
        next = room.take(GrammarLimit.edges, of: UInt16.self)!
    }

    /// What `init` takes of a room.
    static func layOut(_ room: inout Room) {
        _ = room.take(GrammarLimit.nodes, of: UInt16.self)
        for _ in 0..<2 { _ = room.take(GrammarLimit.edges, of: UInt8.self) }
        for _ in 0..<2 { _ = room.take(GrammarLimit.edges, of: UInt16.self) }
    }

    mutating func node() -> UInt16 {
        if nodeCount == GrammarLimit.nodes {
            isTooLarge = true
            return 0
        }
        first[nodeCount] = Self.none
        nodeCount += 1
        return UInt16(nodeCount - 1)
    }

    mutating func join(_ from: UInt16, _ to: UInt16, _ low: UInt8 = 1, _ high: UInt8 = 0) {
        if edgeCount == GrammarLimit.edges {
            isTooLarge = true
            return
        }
        (self.low[edgeCount], self.high[edgeCount]) = (low, high)
        (target[edgeCount], next[edgeCount]) = (to, first[Int(from)])
        first[Int(from)] = UInt16(edgeCount)
        edgeCount += 1
    }

    /// Takes back the last edge that was joined to a node.
    func part(_ from: UInt16) { first[Int(from)] = next[Int(first[Int(from)])] }

    func isEmpty(_ edge: Int) -> Bool { low[edge] > high[edge] }

    // MARK: Characters

    /// Joins two nodes by the UTF-8 of all characters from one to another; surrogates have none.
    /// - Parameters:
    ///   - tails: nodes from which 1, 2 and 3 bytes 80 to BF lead to `to`, made where first wanted, for all characters between the two nodes
    mutating func join(_ from: UInt16, _ to: UInt16, scalars: ClosedRange<UInt32>, _ tails: inout InlineArray<4, UInt16>) {
        var low = scalars.lowerBound
        while low <= scalars.upperBound {
            if 0xD800...0xDFFF ~= low {
                low = 0xE000
                continue
            }
            let (most, count): (UInt32, Int) = if low < 0x80 {
                (0x7F, 1)
            } else if low < 0x800 {
                (0x7FF, 2)
            } else if low < 0x1_0000 {
                (low < 0xD800 ? 0xD7FF : 0xFFFF, 3)
            } else {
                (0x10_FFFF, 4)
            }
            let high = min(most, scalars.upperBound)
            join(from, to, low, high, byteCount: count, &tails)
            low = high + 1
        }
    }

    /// Characters of so many bytes, cut until each byte has a range of its own.
    private mutating func join(
        _ from: UInt16, _ to: UInt16, _ low: UInt32, _ high: UInt32, byteCount: Int, _ tails: inout InlineArray<4, UInt16>
    ) {
        for k in 1..<max(1, byteCount) {
            let mask: UInt32 = 1 << UInt32(6 * k) - 1
            if low | mask == high | mask { continue }
            // The first part of two.
            let middle = low & mask != 0 ? low | mask : high & mask != mask ? (high & ~mask) - 1 : high
            if middle == high { continue }
            join(from, to, low, middle, byteCount: byteCount, &tails)
            join(from, to, middle + 1, high, byteCount: byteCount, &tails)
            return
        }
        var node = from
        for k in 0..<byteCount {
            let rest = byteCount - 1 - k, mask: UInt32 = 1 << UInt32(6 * rest) - 1
            let bytes = (Self.byte(low, k, byteCount), Self.byte(high, k, byteCount))
            if low & mask == 0, high & mask == mask {
                join(node, tail(rest, to, &tails), bytes.0, bytes.1)
                return
            }
            let after = self.node()
            join(node, after, bytes.0, bytes.1)
            node = after
        }
    }

    private static func byte(_ scalar: UInt32, _ k: Int, _ count: Int) -> UInt8 {
        let bits = UInt8(truncatingIfNeeded: scalar >> UInt32(6 * (count - 1 - k)))
        if k > 0 { return bits & 0x3F | 0x80 }
        return count == 1 ? bits : bits | (count == 2 ? 0xC0 : count == 3 ? 0xE0 : 0xF0)
    }

    private mutating func tail(_ count: Int, _ to: UInt16, _ tails: inout InlineArray<4, UInt16>) -> UInt16 {
        if count == 0 { return to }
        if tails[count] == Self.none {
            let node = self.node()
            tails[count] = node
            join(node, tail(count - 1, to, &tails), 0x80, 0xBF)
        }
        return tails[count]
    }
}
