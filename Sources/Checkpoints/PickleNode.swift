/// One value of a pickle, as data: nothing is ever imported, called or built.
///
/// Nodes live in a `PickleGraph` and name each other by index. So cycles cost nothing, a late BUILD is seen by everyone,
/// and letting go of a deeply nested pickle cannot exhaust the stack.
public struct PickleNode: Sendable {
    public enum Kind: Sendable, Equatable {
        case none
        case bool(Bool)
        case integer(Int)
        /// An integer beyond 64 bits; its value is not kept.
        case hugeInteger
        case real(Double)
        case text(String)
        case bytes([UInt8])
        /// `items` holds the members.
        case tuple, list, set
        /// `pairs` holds keys and values in order.
        case dictionary
        /// A class or function by name, never looked up.
        case global(module: String, name: String)
        /// What REDUCE or NEWOBJ would have called; both are indices. `pairs`, `items` and `state` hold what followed.
        case call(callee: Int, arguments: Int)
        /// A persistent id (a torch storage); the index of what names it.
        case persistent(Int)
    }

    public struct Pair: Sendable, Equatable {
        public let key: Int
        public let value: Int
    }

    public internal(set) var kind: Kind
    /// Members of a list, tuple or set, or what was appended to an object; indices into the graph.
    public internal(set) var items: [Int] = []
    /// Entries of a dictionary, or what was set on an object, in file order.
    public internal(set) var pairs: [Pair] = []
    /// The state that BUILD gave to an object.
    public internal(set) var state: Int?
}
