import Foundation

/// A file written by `torch.save`: the tensors of its model and the config beside them.
///
/// Optimizer state is neither decoded nor checked, and its bytes are never touched.
public struct TorchCheckpoint: Sendable {
    /// The tensors of the state dict, in its order.
    public let tensors: [NamedTensor]
    /// The config that lies beside the model, or nil if there is none.
    public let config: ConfigNode?
    /// The key of the root under which the state dict lay; nil if the root itself is the state dict.
    public let modelKey: String?
    /// All text keys of the root, for messages.
    public let rootKeys: [String]
    /// Length of the file in bytes.
    public let byteCount: Int
    private let positions: [String: Int]

    /// Keys under which trainers put their state dict, in the order in which they are tried.
    public static let modelKeys = ["model", "model_state", "model_state_dict", "state_dict"]

    /// Opens the file at `path`, mapped.
    public init(path: String) throws(CheckpointError) {
        try self.init(CheckpointFile.bytes(path: path))
    }

    /// Reads the structure of a checkpoint; values are read by `NamedTensor.floats()`.
    ///
    /// - Throws: `CheckpointError` for everything that contradicts itself or the length of the file.
    public init(_ data: Data) throws(CheckpointError) {
        byteCount = data.count
        let archive = try ZipArchive(data)
        guard let pickle = archive.entries.first(where: { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }) else {
            throw .unrecognised("The zip file holds no 'data.pkl' among its \(archive.entries.count) entries, so it is not a "
                + "checkpoint of torch.save; give the .pt or .ckpt file itself.")
        }
        let folder = String(pickle.name.dropLast("data.pkl".count))
        // The length stands in the directory, so an absurd pickle is refused before it is read.
        guard pickle.byteCount <= PickleMachine.byteLimit else {
            throw .pickle("The pickle is \(pickle.byteCount) bytes long and the limit is \(PickleMachine.byteLimit); "
                + "save the checkpoint without the objects that make it so large.")
        }
        let graph = try PickleGraph([UInt8](archive.content(of: pickle)))
        let reader = try TensorReader(archive: archive, folder: folder, graph: graph)
        guard let root = graph.entries(graph.root) else {
            throw .unrecognised("The checkpoint holds \(reader.whatIs(graph.root)) where a dictionary with a 'model' should "
                + "be; save the state dict of the model, not the object.")
        }
        rootKeys = root.compactMap { graph.text($0.key) }
        var found: (key: String?, entries: [PickleNode.Pair])?
        for key in Self.modelKeys where found == nil {
            guard let value = graph.value(graph.root, key) else { continue }
            guard let entries = graph.entries(value) else {
                throw .unrecognised("The checkpoint holds \(reader.whatIs(value)) under \(quoted(key)) where a state dict "
                    + "should be; save the state dict of the model, not the object.")
            }
            found = (key, entries)
        }
        let (key, entries) = found ?? (nil, root)
        modelKey = key
        tensors = try reader.tensors(entries)
        guard !tensors.isEmpty else {
            throw .unrecognised("The checkpoint holds no tensors: its keys are "
                + rootKeys.prefix(8).map(quoted).joined(separator: ", ") + "; save the state dict of the model under 'model'.")
        }
        if let index = graph.value(graph.root, "config") {
            config = try ConfigNode(graph, index)
        } else {
            config = nil
        }
        var positions: [String: Int] = [:]
        for (position, tensor) in tensors.enumerated() {
            guard positions.updateValue(position, forKey: tensor.name) == nil else {
                throw .tensor(name: tensor.name, "The state dict names the tensor \(quoted(tensor.name)) twice; "
                    + "save the checkpoint again.")
            }
        }
        self.positions = positions
    }

    /// The tensor of this name, or nil.
    public func tensor(named name: String) -> NamedTensor? { positions[name].map { tensors[$0] } }

    /// Where in the state dict a name stands; later names win over earlier ones when weights are tied.
    public func position(of name: String) -> Int? { positions[name] }
}
