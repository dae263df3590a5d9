import Foundation

/// The header of a llama2.c file, versions 0, 1 and 2 (llama2.c, export.py).
public struct Llama2Header: Sendable, Equatable {
    /// 0: no magic, float32. 1: magic, float32. 2: magic, int8 in groups.
    public let version: Int
    public let hiddenSize: Int
    public let feedForwardSize: Int
    public let layerCount: Int
    public let headCount: Int
    public let kvHeadCount: Int
    public let vocabularySize: Int
    /// Longest sequence the model was trained on.
    public let contextSize: Int
    /// True if the output layer uses the embedding table.
    public let isHeadShared: Bool
    /// Weights that share one scale, in file order; version 2 only.
    public let groupSize: Int?

    public var headSize: Int { hiddenSize / headCount }
    public var kvSize: Int { kvHeadCount * headSize }
    /// Where the weights begin.
    var byteCount: Int { version == 0 ? 28 : 256 }

    static let magic: UInt32 = 0x616B_3432

    /// Reads and judges the header; it bounds every product of its numbers below 2^62.
    init(_ bytes: LittleEndianBytes) throws(CheckpointError) {
        let hasMagic = bytes.word32(0) == Self.magic
        version = hasMagic ? bytes.signed32(4) ?? -1 : 0
        guard !hasMagic || version == 1 || version == 2 else {
            throw .llama2("The llama2.c file has version \(version), and versions 0, 1 and 2 are read; "
                + "export it again with '--version 2'.")
        }
        let start = hasMagic ? 8 : 0
        guard bytes.count >= (hasMagic ? 256 : 28) else {
            throw .llama2("The llama2.c file is \(bytes.count) bytes long, shorter than its header of "
                + "\(hasMagic ? 256 : 28); copy or export it again.")
        }
        let fields = (0..<7).map { bytes.signed32(start + 4 * $0) ?? 0 }
        let shared = bytes.byte(36) ?? 0
        (hiddenSize, feedForwardSize, layerCount, headCount, kvHeadCount) =
            (fields[0], fields[1], fields[2], fields[3], fields[4])
        // Version 0 has no room for a flag and marks an output layer of its own by a negative vocabulary.
        vocabularySize = hasMagic ? fields[5] : abs(fields[5])
        contextSize = fields[6]
        isHeadShared = hasMagic ? shared == 1 : fields[5] > 0
        groupSize = version == 2 ? bytes.signed32(37) ?? 0 : nil
        let limits: [(String, Int, Int)] = [
            ("hidden size", hiddenSize, 1 << 20), ("feed-forward size", feedForwardSize, 1 << 22),
            ("layer count", layerCount, 1 << 14), ("head count", headCount, 1 << 16),
            ("KV head count", kvHeadCount, 1 << 16), ("vocabulary size", vocabularySize, 1 << 24),
            ("context size", contextSize, 1 << 24), ("group size", groupSize ?? 1, 1 << 24),
        ]
        for (name, value, limit) in limits where value < 1 || value > limit {
            throw .llama2("The llama2.c header gives a \(name) of \(value), outside 1 to \(limit); "
                + "the file is damaged or of another kind.")
        }
        guard shared <= 1 || !hasMagic else {
            throw .llama2("The llama2.c header marks a shared output layer by \(shared), which should be 0 or 1; "
                + "export the model again.")
        }
        guard hiddenSize % headCount == 0, (hiddenSize / headCount) % 2 == 0 else {
            throw .llama2("The llama2.c header splits a hidden size of \(hiddenSize) into \(headCount) heads, which does not "
                + "give an even head size; the file is damaged or of another kind.")
        }
        guard headCount % kvHeadCount == 0 else {
            throw .llama2("The llama2.c header gives \(headCount) heads and \(kvHeadCount) KV heads, which do not divide; "
                + "the file is damaged or of another kind.")
        }
    }
}
