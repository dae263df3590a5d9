import Foundation

/// One raw storage of a torch checkpoint; several tensors may be views of it.
struct TensorStorage: Sendable {
    let archive: ZipArchive
    let entry: ZipEntry
    /// The number in the entry's name, `data/<key>`.
    let key: String
    let elementType: ElementType
    let isBigEndian: Bool
    /// From the length of the entry, not from what the pickle says.
    let elementCount: Int

    func content() throws(CheckpointError) -> Data { try archive.content(of: entry) }
}
