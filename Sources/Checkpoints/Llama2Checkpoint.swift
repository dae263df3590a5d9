import Foundation

/// A model of llama2.c: a header and weights without names, which get the names that Llama gives them.
///
/// Layouts: version 0 `legacy_export`, version 1 `version1_export`, version 2 `version2_export` of llama2.c's export.py.
public struct Llama2Checkpoint: Sendable {
    public let header: Llama2Header
    /// All weights in file order; no `output.weight` if the head is shared.
    public let tensors: [Llama2Tensor]
    private let bytes: LittleEndianBytes
    private let positions: [String: Int]

    /// Opens the file at `path`, mapped.
    public init(path: String) throws(CheckpointError) {
        try self.init(CheckpointFile.bytes(path: path))
    }

    /// Judges the header and the length of the file.
    ///
    /// - Throws: `CheckpointError.llama2` if they disagree by even one byte.
    public init(_ data: Data) throws(CheckpointError) {
        bytes = LittleEndianBytes(data)
        header = try Llama2Header(bytes)
        let layout = Llama2Layout(header)
        if let group = header.groupSize {
            for (name, count) in layout.quantisedSizes where count % group != 0 {
                throw .llama2("The llama2.c file has groups of \(group) weights, which do not divide the \(count) weights of "
                    + "\(name); export it with a group size that does.")
            }
        }
        // The length is settled by arithmetic before the list of tensors, whose length the header chooses, is made.
        guard layout.byteCount == bytes.count else {
            throw .llama2("The llama2.c file (version \(header.version)) is \(bytes.count) bytes long, and its header "
                + "describes \(layout.byteCount); copy or export it again.")
        }
        tensors = layout.tensors()
        positions = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    }

    /// The tensor of this name, or nil.
    public func tensor(named name: String) -> Llama2Tensor? { positions[name].map { tensors[$0] } }

    /// The values in row-major order; int8 groups are multiplied by their scales.
    ///
    /// - Throws: `CheckpointError.tensor` if a value is not finite.
    public func floats(_ tensor: Llama2Tensor) throws(CheckpointError) -> [Float] {
        let count = tensor.elementCount
        let group = header.groupSize ?? 1
        let length = tensor.isQuantised ? count + 4 * (count / group) : 4 * count
        guard bytes.holds(tensor.byteOffset, length) else {
            throw .llama2("The tensor \(quoted(tensor.name)) is not of this llama2.c file; ask for one of its own tensors.")
        }
        var values = [Float](repeating: 0, count: count)
        bytes.data.withUnsafeBytes { raw in
            let base = raw.baseAddress! + tensor.byteOffset
            values.withUnsafeMutableBufferPointer { output in
                if tensor.isQuantised {
                    for start in stride(from: 0, to: count, by: group) {
                        let scale = Self.float(base, count + 4 * (start / group))
                        for index in start..<start + group {
                            output[index] = Float(base.load(fromByteOffset: index, as: Int8.self)) * scale
                        }
                    }
                } else {
                    for index in 0..<count { output[index] = Self.float(base, 4 * index) }
                }
            }
        }
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            throw .tensor(name: tensor.name, "The tensor \(quoted(tensor.name)) holds "
                + "\(values[index].isNaN ? "NaN" : "an infinity") at element \(index) of \(count); export the model again.")
        }
        return values
    }

    private static func float(_ base: UnsafeRawPointer, _ offset: Int) -> Float {
        Float(bitPattern: UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
}
