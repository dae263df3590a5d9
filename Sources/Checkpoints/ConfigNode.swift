/// A config as a plain tree, whatever classes the checkpoint wrapped it in.
public indirect enum ConfigNode: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public let key: String
        public let value: ConfigNode

        public init(key: String, value: ConfigNode) {
            self.key = key
            self.value = value
        }
    }

    case dictionary([Entry])
    case list([ConfigNode])
    case string(String)
    case integer(Int)
    case real(Double)
    case bool(Bool)
    case null
    /// A value of a class that is not a config value, by the name of the class.
    case other(String)

    /// The entry of a dictionary; nil for everything else.
    public subscript(key: String) -> ConfigNode? {
        if case .dictionary(let entries) = self { return entries.last { $0.key == key }?.value }
        return nil
    }

    /// The node under a dotted path such as `model.core_model.num_layers`.
    public func node(_ path: String) -> ConfigNode? {
        var node: ConfigNode? = self
        for key in path.split(separator: ".") { node = node?[String(key)] }
        return node
    }

    /// The value as it stands in a sentence.
    public var text: String {
        switch self {
        case .dictionary(let entries): return "a section of \(entries.count) keys"
        case .list(let items): return "a list of \(items.count) values"
        case .string(let text): return quoted(text)
        case .integer(let value): return String(value)
        case .real(let value): return "\(value)"
        case .bool(let value): return value ? "true" : "false"
        case .null: return "null"
        case .other(let name): return "a value of class \(quoted(name))"
        }
    }
}
