import ModelFile

/// A model file taken apart, so that a test can tell one lie and put the rest together truthfully again. It knows the layout of
/// stlm-1 from the document alone.
struct EvilFile: Sendable {
    struct Region: Sendable {
        var kind: UInt32
        var alignment: UInt32
        var bytes: [UInt8]
    }

    var regions: [Region]

    init(_ file: [UInt8]) {
        regions = (0..<Int(file.number(at: 24, as: UInt32.self))).map { index in
            let record = 64 + 32 * index
            let offset = Int(file.number(at: record + 8, as: UInt64.self))
            let count = Int(file.number(at: record + 16, as: UInt64.self))
            return Region(
                kind: file.number(at: record, as: UInt32.self), alignment: file.number(at: record + 4, as: UInt32.self),
                bytes: Array(file[offset..<offset + count]))
        }
    }

    /// The whole file with right offsets, sizes and checksums.
    func bytes() -> [UInt8] {
        var table: [UInt8] = [], content: [UInt8] = []
        let start = 64 + 32 * regions.count
        for region in regions {
            let end = start + content.count
            let offset = (end + Int(region.alignment) - 1) / Int(region.alignment) * Int(region.alignment)
            content += [UInt8](repeating: 0, count: offset - end) + region.bytes
            var record = [UInt8](repeating: 0, count: 32)
            record.set(region.kind, at: 0)
            record.set(region.alignment, at: 4)
            record.set(UInt64(offset), at: 8)
            record.set(UInt64(region.bytes.count), at: 16)
            record.set(checksum(region.bytes[...]), at: 24)
            table += record
        }
        var header = [UInt8](repeating: 0, count: 64)
        header.replaceSubrange(0..<8, with: [0x89, 0x53, 0x54, 0x4C, 0x4D, 0x0D, 0x0A, 0x1A])
        header.set(UInt16(1), at: 8)
        header.set(UInt16(0), at: 10)
        header.set(UInt32(regions.count), at: 24)
        var file = header + table + content
        file.repairHeader()
        return file
    }

    func has(_ kind: RegionKind) -> Bool { regions.contains { $0.kind == kind.rawValue } }

    /// The bytes of the region of that kind; none where the file has none.
    subscript(_ kind: RegionKind) -> [UInt8] {
        get { regions.first { $0.kind == kind.rawValue }?.bytes ?? [] }
        set {
            if let index = regions.firstIndex(where: { $0.kind == kind.rawValue }) { regions[index].bytes = newValue }
        }
    }

    /// The bytes of tensor k.
    subscript(tensor index: Int) -> [UInt8] {
        get { regions[firstWeights + index].bytes }
        set { regions[firstWeights + index].bytes = newValue }
    }

    var firstWeights: Int { regions.firstIndex { $0.kind == 64 } ?? regions.count }

    func count(_ kind: RegionKind) -> Int { self[kind].count / kind.recordByteCount }

    /// A u32 field of a record.
    func field(_ kind: RegionKind, _ record: Int = 0, at offset: Int) -> UInt32 {
        self[kind].number(at: record * kind.recordByteCount + offset, as: UInt32.self)
    }

    mutating func set(_ kind: RegionKind, _ record: Int = 0, at offset: Int, _ value: some FixedWidthInteger) {
        self[kind].set(value, at: record * kind.recordByteCount + offset)
    }

    mutating func remove(_ kind: RegionKind) { regions.removeAll { $0.kind == kind.rawValue } }

    mutating func repeatRecord(_ kind: RegionKind, count: Int) {
        let record = self[kind].prefix(kind.recordByteCount)
        self[kind] = [UInt8]((0..<count).map { _ in record }.joined())
    }
}

/// CRC-32 bit by bit, as section 9 defines it.
func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes { crc = crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
    return ~crc
}

private let crcTable: [UInt32] = (0..<256).map { (byte: UInt32) in
    (0..<8).reduce(byte) { value, _ in value & 1 != 0 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
}

extension [UInt8] {
    func number<Number: FixedWidthInteger>(at offset: Int, as: Number.Type) -> Number {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
    }

    mutating func set(_ value: some FixedWidthInteger, at offset: Int) {
        withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: type(of: value)) }
    }

    /// Sets the file size and the header's checksum to what they should be.
    mutating func repairHeader(size: Bool = true) {
        if size { set(UInt64(count), at: 16) }
        set(UInt32(0), at: 28)
        let tableEnd = Swift.min(count, 64 + 32 * Int(number(at: 24, as: UInt32.self)))
        set(checksum(self[..<tableEnd]), at: 28)
    }

    /// The offset of a field in the record of region `index` of the region table.
    func regionField(_ index: Int, _ offset: Int) -> Int { 64 + 32 * index + offset }
}
