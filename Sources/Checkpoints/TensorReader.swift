import Foundation

/// Reads what `torch.save` made of tensors: REDUCE of `_rebuild_tensor_v2` over a persistent storage id.
struct TensorReader {
    let archive: ZipArchive
    /// The common folder of all entries, with its slash, or empty.
    let folder: String
    let graph: PickleGraph
    let isBigEndian: Bool

    init(archive: ZipArchive, folder: String, graph: PickleGraph) throws(CheckpointError) {
        (self.archive, self.folder, self.graph) = (archive, folder, graph)
        guard let entry = archive.entry(named: folder + "byteorder") else {
            isBigEndian = false  // torch before 2.1 wrote none and knew little-endian machines only
            return
        }
        // The length is checked first, so that a huge entry under this name is not read.
        let content = entry.byteCount <= 16 ? String(decoding: try archive.content(of: entry), as: UTF8.self) : "?"
        switch content {
        case "little": isBigEndian = false
        case "big": isBigEndian = true
        default:
            throw .unrecognised("The checkpoint says that its byte order is \(quoted(content)), and only 'little' and 'big' "
                + "are known; save it again.")
        }
    }

    /// The tensors among the entries of a state dict; entries of other kinds carry no weights and are passed over.
    func tensors(_ entries: [PickleNode.Pair]) throws(CheckpointError) -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        for entry in entries {
            guard let name = graph.text(entry.key), let function = graph.calleeName(entry.value) else { continue }
            if let tensor = try tensor(name, entry.value, function) { tensors.append(tensor) }
        }
        return tensors
    }

    /// A short name for a value of the wrong kind.
    func whatIs(_ index: Int) -> String {
        switch graph[index].kind {
        case .none: return "nothing"
        case .bool, .integer, .hugeInteger, .real: return "a number"
        case .text, .bytes: return "text"
        case .tuple, .list, .set: return "a list"
        case .dictionary: return "a dictionary"
        case .global(let module, let name): return "the class \(quoted(module + "." + name))"
        case .call: return "an object of \(quoted(graph.calleeName(index) ?? ""))"
        case .persistent: return "a bare storage"
        }
    }

    private func tensor(_ name: String, _ index: Int, _ function: String) throws(CheckpointError) -> NamedTensor? {
        guard case .call(_, let argumentIndex) = graph[index].kind else { return nil }
        let arguments = graph[argumentIndex].items
        func wrong(_ what: String) -> CheckpointError {
            .tensor(name: name, "The tensor \(quoted(name)) \(what); save the checkpoint again.")
        }
        switch function {
        case "torch._utils._rebuild_parameter":
            guard let inner = arguments.first, let innerFunction = graph.calleeName(inner),
                innerFunction == "torch._utils._rebuild_tensor_v2" else { throw wrong("is a parameter without data") }
            return try tensor(name, inner, innerFunction)
        case "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor":
            break
        default:
            // Dictionaries and other objects may stand in a state dict; only other kinds of tensors are trouble.
            guard function.hasPrefix("torch._utils._rebuild") || function.hasPrefix("torch._tensor.") else { return nil }
            throw .tensor(name: name, "The tensor \(quoted(name)) is made by \(quoted(function)), and only plain dense "
                + "tensors are read; convert it to a dense tensor and save the checkpoint again.")
        }
        guard arguments.count >= 4, case .persistent(let idIndex) = graph[arguments[0]].kind,
            let offset = graph.integer(arguments[1]), let shape = integers(arguments[2]), let strides = integers(arguments[3])
        else { throw wrong("is not described by a storage, an offset, a shape and strides") }
        let storage = try storage(name, graph[idIndex].items)
        return try NamedTensor(name: name, shape: shape, strides: strides, elementOffset: offset, storage: storage)
    }

    /// A storage from its persistent id `('storage', class, key, location, element count)`.
    private func storage(_ name: String, _ id: [Int]) throws(CheckpointError) -> TensorStorage {
        func wrong(_ what: String, _ remedy: String = "save the checkpoint again") -> CheckpointError {
            .tensor(name: name, "The tensor \(quoted(name)) \(what); \(remedy).")
        }
        guard id.count == 5, graph.text(id[0]) == "storage", let className = graph.globalName(id[1]),
            let key = graph.text(id[2]), let claimed = graph.integer(id[4])
        else { throw wrong("lies in a storage that is not described by class, key, place and length") }
        guard let type = ElementType(storageClass: className) else {
            throw wrong("has elements of class \(quoted(className)), which are not read",
                        "save it as float32, float16 or bfloat16")
        }
        guard key.utf8.count <= 100, let entry = archive.entry(named: folder + "data/" + key) else {
            throw wrong("lies in storage \(quoted(key)), but the file has no entry \(quoted(folder + "data/" + key))")
        }
        let bytes = claimed.multipliedReportingOverflow(by: type.byteCount)
        guard claimed >= 0, !bytes.overflow, bytes.partialValue == entry.byteCount else {
            throw wrong("lies in storage \(quoted(key)) of \(claimed) elements of \(type.byteCount) bytes, but the entry "
                + "\(quoted(entry.name)) is \(entry.byteCount) bytes long")
        }
        return TensorStorage(archive: archive, entry: entry, key: key, elementType: type, isBigEndian: isBigEndian,
                             elementCount: claimed)
    }

    private func integers(_ index: Int) -> [Int]? {
        let node = graph[index]
        guard node.kind == .tuple || node.kind == .list else {
            // torch.Size is sometimes pickled as a call with one tuple.
            if graph.calleeName(index) == "torch.Size", case .call(_, let arguments) = node.kind,
                let first = graph[arguments].items.first { return tupleIntegers(first) }
            return nil
        }
        return tupleIntegers(index)
    }

    private func tupleIntegers(_ index: Int) -> [Int]? {
        let items = graph[index].items
        // A long tuple may be shared by every tensor; no shape has more than a few sizes.
        guard items.count <= 64 else { return nil }
        let values = items.compactMap { graph.integer($0) }
        return values.count == items.count ? values : nil
    }
}
