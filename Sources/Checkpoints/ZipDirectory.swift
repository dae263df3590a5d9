/// Where the central directory lies: the end record of a zip file, with its zip64 companion if there is one.
///
/// Source: PKWARE APPNOTE 6.3, sections 4.3.14 to 4.3.16.
struct ZipDirectory {
    let offset: Int
    let byteCount: Int
    let entryCount: Int

    init(_ bytes: LittleEndianBytes) throws(CheckpointError) {
        guard let end = Self.endRecord(bytes), let diskNumber = bytes.word16(end + 4),
            let directoryDisk = bytes.word16(end + 6), let diskEntryCount = bytes.word16(end + 8),
            let shortCount = bytes.word16(end + 10), let shortSize = bytes.word32(end + 12),
            let shortOffset = bytes.word32(end + 16)
        else {
            throw .zip("The zip file has no end record in its last \(min(bytes.count, 65_557)) bytes, so it was cut off "
                + "after \(bytes.count) bytes or is damaged; copy or save it again.")
        }
        var count = UInt64(shortCount), size = UInt64(shortSize), offset = UInt64(shortOffset), limit = end
        if let record = try Self.wideRecord(bytes, end) {
            let wide = (count: bytes.word64(record + 32) ?? 0, size: bytes.word64(record + 40) ?? 0,
                        offset: bytes.word64(record + 48) ?? 0)
            guard count == 0xFFFF || count == wide.count, size == 0xFFFF_FFFF || size == wide.size,
                offset == 0xFFFF_FFFF || offset == wide.offset
            else {
                throw .zip("The two end records of the zip file disagree (\(count) and \(wide.count) entries, directory "
                    + "at \(offset) and \(wide.offset)); save the checkpoint again.")
            }
            (count, size, offset) = wide
            limit = record
        } else if diskNumber != 0 || directoryDisk != 0 || diskEntryCount != shortCount {
            throw .zip("The zip file is one part of a set of several files; join the parts first.")
        }
        guard offset <= UInt64(limit), size <= UInt64(limit) - offset else {
            throw .zip("The directory of the zip file claims \(size) bytes at offset \(offset), but only \(limit) bytes "
                + "stand before its end record; copy or save the file again.")
        }
        // A directory record is at least 46 bytes long, which bounds every allocation by the size of the file.
        guard count <= size / 46 else {
            throw .zip("The zip file claims \(count) entries in a directory of \(size) bytes, which has room for "
                + "\(size / 46) at most; copy or save the file again.")
        }
        self.offset = Int(offset)
        byteCount = Int(size)
        entryCount = Int(count)
    }

    /// The end record is the last one whose comment reaches exactly to the end of the file.
    private static func endRecord(_ bytes: LittleEndianBytes) -> Int? {
        guard bytes.count >= 22 else { return nil }
        return bytes.data.withUnsafeBytes { raw in
            var position = raw.count - 22
            let first = max(0, position - 65_535)
            while position >= first {
                if raw[position] == 0x50, bytes.word32(position) == 0x0605_4B50,
                    bytes.word16(position + 20) == raw.count - position - 22 { return position }
                position -= 1
            }
            return nil
        }
    }

    private static func wideRecord(_ bytes: LittleEndianBytes, _ end: Int) throws(CheckpointError) -> Int? {
        guard bytes.word32(end - 20) == 0x0706_4B50, let position = bytes.word64(end - 12) else { return nil }
        guard position <= UInt64(max(0, end - 76)), bytes.word32(Int(position)) == 0x0606_4B50 else {
            throw .zip("The zip file says that its zip64 end record is at offset \(position), but none is there; "
                + "copy or save the file again.")
        }
        return Int(position)
    }
}
