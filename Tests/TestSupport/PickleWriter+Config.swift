import Checkpoints

/// How a config is pickled.
public enum ConfigStyle: Sendable {
    /// A root DictConfig of OmegaConf.
    case omegaConf
    /// A DictConfig below a root `{full_configs: ...}`, whose graph is cyclic.
    case omegaConfChild
    /// Plain dictionaries and lists.
    case plain
}

extension PickleWriter {
    public mutating func config(_ config: ConfigNode, style: ConfigStyle) {
        if style == .plain { return plain(config) }
        omegaConf(config, parent: nil, isChildOfRoot: style == .omegaConfChild)
    }

    private mutating func plain(_ config: ConfigNode) {
        switch config {
        case .dictionary(let entries):
            emptyDictionary()
            mark()
            for entry in entries { text(entry.key); plain(entry.value) }
            setItems()
        case .list(let items):
            emptyList()
            mark()
            for item in items { plain(item) }
            appends()
        default: scalar(config)
        }
    }

    private mutating func scalar(_ config: ConfigNode) {
        switch config {
        case .string(let value): text(value)
        case .integer(let value): integer(value)
        case .real(let value): real(value)
        case .bool(let value): bool(value)
        case .null: none()
        case .other(let name): global("builtins", name)
        case .dictionary, .list: preconditionFailure("Containers are no scalars.")
        }
    }

    /// NEWOBJ, then a state that refers back to the parent, then BUILD; the order is OmegaConf's.
    private mutating func omegaConf(_ config: ConfigNode, parent: Int?, isChildOfRoot: Bool = false) {
        switch config {
        case .dictionary: global("omegaconf.dictconfig", "DictConfig")
        case .list: global("omegaconf.listconfig", "ListConfig")
        default: global("omegaconf.nodes", "AnyNode")
        }
        emptyTuple()
        newObject()
        let own = memoize()
        emptyDictionary()
        mark()
        text("_metadata")
        metadata()
        text("_parent")
        if isChildOfRoot {
            root(around: own)
        } else if let parent {
            recall(parent)
        } else {
            none()
        }
        switch config {
        case .dictionary(let entries):
            text("_content")
            emptyDictionary()
            mark()
            for entry in entries { text(entry.key); omegaConf(entry.value, parent: own) }
            setItems()
        case .list(let items):
            text("_content")
            emptyList()
            mark()
            for item in items { omegaConf(item, parent: own) }
            appends()
        default:
            text("_val")
            scalar(config)
        }
        setItems()
        build()
    }

    /// The root `{full_configs: child}`, written in the midst of its own child.
    private mutating func root(around child: Int) {
        global("omegaconf.dictconfig", "DictConfig")
        emptyTuple()
        newObject()
        emptyDictionary()
        mark()
        text("_parent")
        none()
        text("_content")
        emptyDictionary()
        mark()
        text("full_configs")
        recall(child)
        setItems()
        setItems()
        build()
    }

    private mutating func metadata() {
        global("omegaconf.base", "ContainerMetadata")
        emptyTuple()
        newObject()
        emptyDictionary()
        mark()
        text("ref_type")
        global("typing", "Any")
        text("object_type")
        global("__builtin__", "dict")
        text("resolver_cache")
        global("collections", "defaultdict")
        mark()
        global("__builtin__", "dict")
        tuple()
        reduce()
        setItems()
        build()
    }
}
