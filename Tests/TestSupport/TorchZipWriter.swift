import Checkpoints
import Foundation
import ModelFile

/// Writes zip files as torch.save does: stored entries, sizes only in the central directory, payloads at multiples of 64.
public struct TorchZipWriter {
    /// The folder of all entries, without its slash.
    public var folder: String
    /// torch always writes the zip64 end record and its locator; numpy never.
    public var hasZip64 = true
    /// Method and flags of every entry, for lies.
    public var method: UInt16 = 0
    public var flags: UInt16 = 0x0808

    private var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var entryCount = 0

    public init(folder: String = "ckpt_2") { self.folder = folder }

    /// Adds `folder/name`.
    public mutating func add(_ name: String, _ content: [UInt8]) {
        let path = Array((folder.isEmpty ? name : folder + "/" + name).utf8)
        let header = bytes.count
        let padding = (64 - (header + 30 + path.count + 4) % 64) % 64
        bytes += [0x50, 0x4B, 3, 4] + littleEndian(0, 2) + littleEndian(UInt64(flags), 2) + littleEndian(UInt64(method), 2)
        bytes += [UInt8](repeating: 0, count: 4 + 12)
        bytes += littleEndian(UInt64(path.count), 2) + littleEndian(UInt64(4 + padding), 2) + path
        bytes += [0x46, 0x42] + littleEndian(UInt64(padding), 2) + [UInt8](repeating: 0x5A, count: padding)
        bytes += content
        let checksum = littleEndian(UInt64(CRC32.checksum(of: Data(content))), 4)
        let size = littleEndian(UInt64(content.count), 4)
        bytes += [0x50, 0x4B, 7, 8] + checksum + size + size
        directory += [0x50, 0x4B, 1, 2] + littleEndian(0, 4) + littleEndian(UInt64(flags), 2)
        directory += littleEndian(UInt64(method), 2) + littleEndian(0, 4) + checksum + size + size
        directory += littleEndian(UInt64(path.count), 2) + [UInt8](repeating: 0, count: 12)
        directory += littleEndian(UInt64(header), 4) + path
        entryCount += 1
    }

    /// The whole file.
    public func finished() -> Data {
        var file = bytes + directory
        let count = littleEndian(UInt64(entryCount), 2)
        if hasZip64 {
            let end = file.count
            file += [0x50, 0x4B, 6, 6] + littleEndian(44, 8) + littleEndian(0x2D_031E, 4) + [UInt8](repeating: 0, count: 8)
            file += littleEndian(UInt64(entryCount), 8) + littleEndian(UInt64(entryCount), 8)
            file += littleEndian(UInt64(directory.count), 8) + littleEndian(UInt64(bytes.count), 8)
            file += [0x50, 0x4B, 6, 7] + littleEndian(0, 4) + littleEndian(UInt64(end), 8) + littleEndian(1, 4)
        }
        file += [0x50, 0x4B, 5, 6] + littleEndian(0, 4) + count + count
        file += littleEndian(UInt64(directory.count), 4) + littleEndian(UInt64(bytes.count), 4) + littleEndian(0, 2)
        return Data(file)
    }
}
