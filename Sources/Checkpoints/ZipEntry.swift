/// One stored entry of a zip file.
public struct ZipEntry: Hashable, Sendable {
    /// The path inside the archive, such as `ckpt_2/data/0`.
    public let name: String
    /// Length of the content in bytes.
    public let byteCount: Int
    /// Where the content begins, counted from the start of the file.
    public let payloadOffset: Int
    /// The checksum that the central directory states.
    public let checksum: UInt32
    /// Where the local header begins.
    let headerOffset: Int
}
