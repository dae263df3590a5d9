import Checkpoints

/// Typed look-ups in a config, whose errors name the key, its value and what is possible.
struct ConfigReader {
    let config: ConfigNode

    init(_ config: ConfigNode) { self.config = config }

    /// A whole number from 1 to `limit`; with 2^28 small products of sizes stay far from overflow.
    func count(_ key: String, limit: Int = 1 << 28) throws(FloatModelError) -> Int {
        let node = try present(key)
        var value: Int?
        if case .integer(let integer) = node { value = integer }
        if case .real(let real) = node, real == real.rounded(), abs(real) < 0x1p40 { value = Int(real) }
        guard let value, (1...limit).contains(value) else {
            throw .config(key: key, "\(key) is \(node.text), and a whole number from 1 to \(limit) should stand there; "
                + "correct the config.")
        }
        return value
    }

    func flag(_ key: String) throws(FloatModelError) -> Bool {
        let node = try present(key)
        guard case .bool(let value) = node else {
            throw .config(key: key, "\(key) is \(node.text), and true or false should stand there; correct the config.")
        }
        return value
    }

    func text(_ key: String) throws(FloatModelError) -> String {
        let node = try present(key)
        guard case .string(let value) = node else {
            throw .config(key: key, "\(key) is \(node.text), and a name should stand there; correct the config.")
        }
        return value
    }

    func optionalText(_ key: String) -> String? {
        if case .string(let value)? = config.node(key) { return value }
        return nil
    }

    func norm(_ key: String) throws(FloatModelError) -> NormKind {
        try choice(key, ["rms_norm": .rms, "layer_norm": .layer, "none": .none])
    }

    func choice<Value>(_ key: String, ignoringCase: Bool = false, _ values: [String: Value]) throws(FloatModelError) -> Value {
        let name = try text(key)
        guard let value = values[ignoringCase ? name.lowercased() : name] else {
            throw unsupported(key, name, values.keys.sorted())
        }
        return value
    }

    /// - Parameter reasons: why names that the original knows are not among `names`.
    @discardableResult
    func require(_ key: String, oneOf names: [String], reasons: [String: String] = [:]) throws(FloatModelError) -> String {
        let name = try text(key)
        guard names.contains(name) else { throw unsupported(key, name, names, reason: reasons[name]) }
        return name
    }

    private func present(_ key: String) throws(FloatModelError) -> ConfigNode {
        guard let node = config.node(key) else {
            throw .config(key: key, "The config has no key \(key); give a checkpoint that was saved by the trainer of STLM.")
        }
        return node
    }

    private func unsupported(_ key: String, _ name: String, _ names: [String], reason: String? = nil) -> FloatModelError {
        .config(key: key, "\(key) is \(quoted(name)), which is not supported\(reason.map { ", because " + $0 } ?? ""); "
            + "supported: \(names.joined(separator: ", ")).")
    }
}
