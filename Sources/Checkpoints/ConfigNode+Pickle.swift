extension ConfigNode {
    static let depthLimit = 64
    /// A few shared lists can describe an exponential tree, so nodes are counted as they are visited.
    static let nodeLimit = 200_000

    /// Reads a pickled config: OmegaConf nodes or plain dictionaries and lists.
    ///
    /// OmegaConf's object graph is cyclic through `_parent`; only `_content` and `_val` are followed, downwards.
    init(_ graph: PickleGraph, _ index: Int) throws(CheckpointError) {
        var budget = ConfigNode.nodeLimit
        self = try ConfigNode.tree(graph, index, depth: 0, budget: &budget, path: "config")
    }

    private static func tree(
        _ graph: PickleGraph, _ index: Int, depth: Int, budget: inout Int, path: String
    ) throws(CheckpointError) -> ConfigNode {
        guard depth < depthLimit else {
            throw .config("The config nests more than \(depthLimit) levels deep at \(quoted(path)) or contains itself; "
                + "save the checkpoint with a plain config.")
        }
        let node = graph[index]
        // Looking up a key reads all pairs, so they count as visited too.
        budget -= 1 + node.pairs.count + (node.state.map { graph[$0].pairs.count } ?? 0)
        guard budget > 0 else {
            throw .config("The config describes more than \(nodeLimit) values; save the checkpoint with a plain config.")
        }
        switch node.kind {
        case .none: return .null
        case .bool(let value): return .bool(value)
        case .integer(let value): return .integer(value)
        case .real(let value): return .real(value)
        case .text(let value): return .string(value)
        case .hugeInteger: return .other("int of more than 64 bits")
        case .bytes: return .other("bytes")
        case .persistent: return .other("torch storage")
        case .global(let module, let name): return .other("\(module).\(name)")
        case .list, .tuple, .set:
            var items: [ConfigNode] = []
            for (position, item) in node.items.enumerated() {
                items.append(try tree(graph, item, depth: depth + 1, budget: &budget, path: path.prefix(200) + "[\(position)]"))
            }
            return .list(items)
        case .dictionary, .call:
            if let inner = wrapped(graph, index) {
                return try tree(graph, inner, depth: depth + 1, budget: &budget, path: path)
            }
            guard let pairs = graph.entries(index) else { return .other(graph.calleeName(index) ?? "object") }
            var entries: [Entry] = []
            for pair in pairs {
                guard let key = keyText(graph, pair.key) else {
                    throw .config("The config has a key below \(quoted(path)) that is neither text nor a number; "
                        + "save the checkpoint with a plain config.")
                }
                let value = try tree(graph, pair.value, depth: depth + 1, budget: &budget, path: path.prefix(200) + "." + key.prefix(50))
                entries.append(Entry(key: key, value: value))
            }
            return .dictionary(entries)
        }
    }

    /// What an OmegaConf node wraps: `_content` of a container, `_val` of a scalar; nil for all other objects.
    private static func wrapped(_ graph: PickleGraph, _ index: Int) -> Int? {
        guard let name = graph.calleeName(index), name.hasPrefix("omegaconf."), let state = graph[index].state else {
            return nil
        }
        return graph.value(state, "_content") ?? graph.value(state, "_val")
    }

    private static func keyText(_ graph: PickleGraph, _ index: Int) -> String? {
        switch graph[index].kind {
        case .text(let text): return text
        case .integer(let value): return String(value)
        case .bool(let value): return value ? "true" : "false"
        case .real(let value): return "\(value)"
        default: return nil
        }
    }
}
