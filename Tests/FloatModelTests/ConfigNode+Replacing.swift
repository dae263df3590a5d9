import Checkpoints

extension ConfigNode {
    /// This tree with one value replaced, added, or removed.
    func replacing(_ path: [String], _ value: ConfigNode?) -> ConfigNode? {
        guard let key = path.first else { return value }
        guard case .dictionary(var entries) = self else { return self }
        let child = (self[key] ?? .null).replacing(Array(path.dropFirst()), value)
        entries.removeAll { $0.key == key }
        if let child { entries.append(Entry(key: key, value: child)) }
        return .dictionary(entries)
    }
}
