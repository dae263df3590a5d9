/// All values of one pickle and which of them is the result.
public struct PickleGraph: Sendable {
    public let nodes: [PickleNode]
    /// Index of the pickled object.
    public let root: Int

    public subscript(index: Int) -> PickleNode { nodes[index] }

    /// Reads a pickle of protocol 2 to 5.
    ///
    /// - Throws: `CheckpointError.pickle` for anything malformed, unknown or beyond the limits of `PickleMachine`.
    public init(_ bytes: [UInt8]) throws(CheckpointError) {
        var machine = PickleMachine(bytes)
        root = try machine.run()
        nodes = machine.nodes
    }

    /// The text of a node, or nil if it is none.
    public func text(_ index: Int) -> String? {
        if case .text(let text) = nodes[index].kind { return text }
        return nil
    }

    public func integer(_ index: Int) -> Int? {
        if case .integer(let value) = nodes[index].kind { return value }
        return nil
    }

    /// `module.name` of a global, or nil.
    public func globalName(_ index: Int) -> String? {
        if case .global(let module, let name) = nodes[index].kind { return module + "." + name }
        return nil
    }

    /// The class or function that an object was made with, as `module.name`, or nil if the node is no object.
    public func calleeName(_ index: Int) -> String? {
        if case .call(let callee, _) = nodes[index].kind { return globalName(callee) ?? "an unnamed callable" }
        return nil
    }

    /// Entries of a dictionary or of a `collections.OrderedDict` or `defaultdict`; nil for everything else.
    public func entries(_ index: Int) -> [PickleNode.Pair]? {
        let node = nodes[index]
        switch node.kind {
        case .dictionary:
            return node.pairs
        case .call:
            guard let name = calleeName(index),
                name == "collections.OrderedDict" || name == "collections.defaultdict" else { return nil }
            return node.pairs
        default:
            return nil
        }
    }

    /// The value of the last entry with this text as key.
    public func value(_ index: Int, _ key: String) -> Int? {
        entries(index)?.last { text($0.key) == key }?.value
    }
}
