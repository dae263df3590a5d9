import Foundation
import ModelFile
import Synchronization

/// A zip file whose entries are stored without compression, as `torch.save` and `numpy.savez` write it.
///
/// Opening reads the central directory and every local header, never the contents. An entry's checksum is verified
/// the first time its bytes are asked for.
public struct ZipArchive: Sendable {
    /// All entries, in the order of the central directory.
    public let entries: [ZipEntry]
    private let bytes: LittleEndianBytes
    private let positions: [String: Int]
    private let verified = VerifiedEntries()

    /// Reads the directory of `data`.
    ///
    /// - Throws: `CheckpointError.zip` for compressed, encrypted, overlapping, duplicate or out-of-range entries.
    public init(_ data: Data) throws(CheckpointError) {
        bytes = LittleEndianBytes(data)
        let directory = try ZipDirectory(bytes)
        var entries: [ZipEntry] = []
        var positions: [String: Int] = [:]
        entries.reserveCapacity(directory.entryCount)
        var cursor = directory.offset
        let end = directory.offset + directory.byteCount
        for index in 0..<directory.entryCount {
            let entry = try ZipArchive.entry(bytes, at: &cursor, end: end, index: index, limit: directory.offset)
            guard positions.updateValue(index, forKey: entry.name) == nil else {
                throw .zip("The zip file holds two entries named \(quoted(entry.name)); save the checkpoint again.")
            }
            entries.append(entry)
        }
        try ZipArchive.checkNoOverlap(entries)
        self.entries = entries
        self.positions = positions
    }

    /// The entry of this name, or nil.
    public func entry(named name: String) -> ZipEntry? { positions[name].map { entries[$0] } }

    /// The content of one entry, without a copy; the checksum is verified the first time.
    ///
    /// - Throws: `CheckpointError.zip` if the checksum differs.
    public func content(of entry: ZipEntry) throws(CheckpointError) -> Data {
        guard bytes.holds(entry.payloadOffset, entry.byteCount) else {
            throw .zip("The entry \(quoted(entry.name)) does not belong to this zip file; ask for one of its own entries.")
        }
        let content = bytes.data[entry.payloadOffset..<entry.payloadOffset + entry.byteCount]
        if !verified.contains(entry) {
            let checksum = CRC32.checksum(of: content)
            guard checksum == entry.checksum else {
                throw .zip("The entry \(quoted(entry.name)) (\(entry.byteCount) bytes) is damaged: its checksum is "
                    + "\(hex(checksum)) and the zip directory says \(hex(entry.checksum)); copy or save the file again.")
            }
            verified.insert(entry)
        }
        return content
    }

    /// Reads the directory record at `cursor` and the local header it points to.
    private static func entry(
        _ bytes: LittleEndianBytes, at cursor: inout Int, end: Int, index: Int, limit: Int
    ) throws(CheckpointError) -> ZipEntry {
        guard cursor + 46 <= end, bytes.word32(cursor) == 0x0201_4B50, let flags = bytes.word16(cursor + 8),
            let method = bytes.word16(cursor + 10), let checksum = bytes.word32(cursor + 16),
            let packed = bytes.word32(cursor + 20), let plain = bytes.word32(cursor + 24),
            let nameCount = bytes.word16(cursor + 28), let extraCount = bytes.word16(cursor + 30),
            let commentCount = bytes.word16(cursor + 32), let header = bytes.word32(cursor + 42),
            cursor + 46 + nameCount + extraCount + commentCount <= end
        else {
            throw .zip("The zip directory breaks off at entry \(index), offset \(cursor); copy or save the file again.")
        }
        let nameBytes = bytes.data[cursor + 46..<cursor + 46 + nameCount]
        guard let name = String(validating: nameBytes, as: UTF8.self) else {
            throw .zip("The name of zip entry \(index) is not valid UTF-8; save the checkpoint again.")
        }
        var sizes = (plain: UInt64(plain), packed: UInt64(packed), header: UInt64(header))
        let extra = cursor + 46 + nameCount
        try widen(&sizes, bytes, extra: extra..<extra + extraCount, name: name)
        cursor = extra + extraCount + commentCount
        if flags & 0x2041 != 0 {
            throw .zip("The entry \(quoted(name)) is encrypted; save the checkpoint without a password.")
        }
        if method != 0 {
            throw .zip("The entry \(quoted(name)) is compressed (method \(method)), but checkpoints are stored without "
                + "compression; unpack the file and zip it again with 'zip -0'.")
        }
        guard sizes.plain == sizes.packed else {
            throw .zip("The stored entry \(quoted(name)) states two lengths, \(sizes.plain) and \(sizes.packed) bytes; "
                + "save the checkpoint again.")
        }
        let localNameCount = bytes.holds(0, limit) && sizes.header <= UInt64(limit)
            ? localNameCount(bytes, Int(sizes.header), name: nameBytes, limit: limit) : nil
        guard let localNameCount, let localExtraCount = bytes.word16(Int(sizes.header) + 28) else {
            throw .zip("The entry \(quoted(name)) should begin at offset \(sizes.header), but there is no local header "
                + "of that name there; copy or save the file again.")
        }
        let payload = Int(sizes.header) + 30 + localNameCount + localExtraCount
        guard payload <= limit, sizes.plain <= UInt64(limit - payload) else {
            throw .zip("The entry \(quoted(name)) claims \(sizes.plain) bytes at offset \(payload), past the end of the "
                + "contents at \(limit); copy or save the file again.")
        }
        return ZipEntry(name: name, byteCount: Int(sizes.plain), payloadOffset: payload, checksum: checksum,
                        headerOffset: Int(sizes.header))
    }

    private static func localNameCount(
        _ bytes: LittleEndianBytes, _ header: Int, name: Data, limit: Int
    ) -> Int? {
        guard header <= limit - 30, bytes.word32(header) == 0x0403_4B50, let count = bytes.word16(header + 26),
            count == name.count, header + 30 + count <= limit,
            bytes.data[header + 30..<header + 30 + count].elementsEqual(name)
        else { return nil }
        return count
    }

    /// Replaces saturated 32-bit fields by those of the zip64 extra field (APPNOTE 4.5.3).
    private static func widen(
        _ sizes: inout (plain: UInt64, packed: UInt64, header: UInt64), _ bytes: LittleEndianBytes,
        extra: Range<Int>, name: String
    ) throws(CheckpointError) {
        let saturated: UInt64 = 0xFFFF_FFFF
        guard sizes.plain == saturated || sizes.packed == saturated || sizes.header == saturated else { return }
        var field = extra.lowerBound
        while field + 4 <= extra.upperBound, let id = bytes.word16(field), let length = bytes.word16(field + 2) {
            let end = field + 4 + length
            guard end <= extra.upperBound else { break }
            if id == 1 {
                var cursor = field + 4
                func next(_ value: inout UInt64) -> Bool {
                    guard value == saturated else { return true }
                    guard cursor + 8 <= end, let wide = bytes.word64(cursor) else { return false }
                    value = wide
                    cursor += 8
                    return true
                }
                if next(&sizes.plain), next(&sizes.packed), next(&sizes.header) { return }
                break
            }
            field = end
        }
        throw .zip("The entry \(quoted(name)) needs a zip64 field for its size or place and has none that is whole; "
            + "copy or save the file again.")
    }

    private static func checkNoOverlap(_ entries: [ZipEntry]) throws(CheckpointError) {
        let ordered = entries.sorted { $0.headerOffset < $1.headerOffset }
        for (first, second) in zip(ordered, ordered.dropFirst())
        where first.payloadOffset + first.byteCount > second.headerOffset {
            throw .zip("The zip entries \(quoted(first.name)) and \(quoted(second.name)) overlap at offset "
                + "\(second.headerOffset); save the checkpoint again.")
        }
    }

    private func hex(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
}

/// The entries whose checksum has been found right, so that views of one storage are not checked over and over.
private final class VerifiedEntries: Sendable {
    private let offsets = Mutex<Set<ZipEntry>>([])

    func contains(_ entry: ZipEntry) -> Bool { offsets.withLock { $0.contains(entry) } }

    func insert(_ entry: ZipEntry) { offsets.withLock { _ = $0.insert(entry) } }
}
