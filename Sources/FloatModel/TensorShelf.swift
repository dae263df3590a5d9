import Checkpoints

/// Hands out the tensors of a checkpoint as matrices, each object once, and knows at the end which were not asked for.
struct TensorShelf {
    private let checkpoint: TorchCheckpoint
    private var matrices: [TensorIdentity: FloatMatrix] = [:]
    private var claimed: Set<String> = []
    private var elementCount = 0
    private let namesByIdentity: [TensorIdentity: [String]]

    init(_ checkpoint: TorchCheckpoint) {
        self.checkpoint = checkpoint
        namesByIdentity = Dictionary(grouping: checkpoint.tensors, by: \.identity).mapValues { $0.map(\.name) }
    }

    /// The weights that the config ties under all of `names`, as a matrix of `rows` x `columns`.
    ///
    /// If the copies differ, the name that stands last in the state dict wins, as it does when the original loads the file.
    /// Names that share the winner's storage get the same object even where the config does not tie them.
    ///
    /// - Parameters:
    ///   - shape: what every one of the tensors must have, which may differ from (rows, columns) by sizes of one.
    ///   - keys: the config keys that the shape follows from.
    mutating func matrix(
        _ names: [String], rows: Int, columns: Int, shape: [Int], keys: String
    ) throws(FloatModelError) -> FloatMatrix {
        var winner: (tensor: NamedTensor, position: Int)?
        for name in names {
            guard let tensor = checkpoint.tensor(named: name), let position = checkpoint.position(of: name) else {
                throw .tensor(name: name, "The checkpoint has no tensor \(quoted(name)), which \(keys) ask for; "
                    + "its config and its weights do not belong together.")
            }
            guard tensor.shape == shape else {
                throw .tensor(name: name, "The tensor \(quoted(name)) has shape \(shapeText(tensor.shape)), but \(keys) give "
                    + "\(shapeText(shape)); its config and its weights do not belong together.")
            }
            if position > winner?.position ?? -1 { winner = (tensor, position) }
        }
        guard let tensor = winner?.tensor else { preconditionFailure("A matrix needs at least one name.") }
        let identity = tensor.identity
        if let matrix = matrices[identity], matrix.rows == rows, matrix.columns == columns {
            claimed.formUnion(names)
            return matrix
        }
        // Thousands of overlapping views of one storage could ask for more memory than the file is long.
        elementCount += tensor.elementCount
        guard elementCount <= checkpoint.byteCount else {
            throw .tensor(name: tensor.name, "Up to the tensor \(quoted(tensor.name)) the model has \(elementCount) weights, more "
                + "than the \(checkpoint.byteCount) bytes of its checkpoint, so its tensors overlap; save the checkpoint again.")
        }
        let group = Set(names + (namesByIdentity[identity] ?? []).filter { !claimed.contains($0) })
        let ordered = group.sorted { checkpoint.position(of: $0) ?? 0 < checkpoint.position(of: $1) ?? 0 }
        claimed.formUnion(names)
        let matrix = FloatMatrix(
            rows: rows, columns: columns, values: try values(tensor),
            names: ordered.map { TensorName(name: $0, firstRow: 0, rowCount: rows) })
        matrices[identity] = matrix
        return matrix
    }

    /// Refuses tensors inside the model's own prefixes that nothing asked for: the config leaves out something.
    func refuseLeftovers(prefixes: [String]) throws(FloatModelError) {
        for tensor in checkpoint.tensors where !claimed.contains(tensor.name) {
            guard prefixes.contains(where: tensor.name.hasPrefix) else { continue }
            throw .tensor(name: tensor.name, "The checkpoint holds the tensor \(quoted(tensor.name)) of shape "
                + "\(shapeText(tensor.shape)), which the model that its config describes does not have; "
                + "its config and its weights do not belong together.")
        }
    }

    private func values(_ tensor: NamedTensor) throws(FloatModelError) -> [Float] {
        do {
            return try tensor.floats()
        } catch {
            throw .checkpoint(error)
        }
    }
}
