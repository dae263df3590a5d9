/// The outer half of the check: header, region table, checksums of the tables. What the tables say is checked by
/// `ModelFile.validateModel`. Work is bounded by the file's real size; nothing is allocated.
struct Validator {
    let base: UnsafeRawPointer
    let byteCount: Int
    var regionCount = 0
    var firstWeightsRegion = 0
    var tables = InlineArray<17, ModelFile.TableRange>(repeating: .init())

    init(_ base: UnsafeRawPointer, byteCount: Int) throws(ModelFileError) {
        self.base = base
        self.byteCount = byteCount
        if UInt(bitPattern: base) % 64 != 0 { throw ModelFileError(.misalignedMemory) }
        let have = Int64(byteCount)
        if byteCount >= 8, base.load(as: UInt64.self) != Layout.magic { throw ModelFileError(.notAModelFile) }
        if byteCount < Layout.headerByteCount {
            throw ModelFileError(.truncated, region: "header", have, Int64(Layout.headerByteCount))
        }
        let header = base.load(as: FileHeader.self)
        if header.formatVersion != Layout.formatVersion {
            throw ModelFileError(.unknownVersion, Int64(header.formatVersion), Int64(Layout.formatVersion))
        }
        if header.draft != Layout.draft { throw ModelFileError(.unknownDraft, Int64(header.draft)) }
        if header.requiredFeatures != 0 { throw ModelFileError(.unknownFeature, Int64(header.requiredFeatures)) }
        if header.regionCount > UInt32(Limit.regions) {
            throw ModelFileError(.tooManyRegions, Int64(header.regionCount), Int64(Limit.regions))
        }
        regionCount = Int(header.regionCount)
        let tableEnd = Layout.headerByteCount + regionCount * Layout.regionRecordByteCount
        if byteCount < tableEnd { throw ModelFileError(.truncated, region: "region table", have, Int64(tableEnd)) }
        let checksum = Self.headerChecksum(base, byteCount: tableEnd)
        if checksum != header.checksum { throw ModelFileError(.headerChecksum, Int64(header.checksum), Int64(checksum)) }
        if header.fileByteCount != UInt64(byteCount) {
            throw ModelFileError(.wrongFileSize, Int64(clamping: header.fileByteCount), have)
        }
        if header.fileByteCount > Limit.fileByteCount {
            throw ModelFileError(.countOutOfRange, have, Int64(Limit.fileByteCount))
        }
        let r = header.reserved
        if r.0 | r.1 | r.2 | r.3 != 0 { throw ModelFileError(.reservedNotZero) }
    }

    /// CRC-32 of header and region table with the checksum field taken as 0.
    static func headerChecksum(_ base: UnsafeRawPointer, byteCount: Int) -> UInt32 {
        var crc = CRC32()
        crc.update(base, byteCount: Layout.headerChecksumOffset)
        var zero: UInt32 = 0
        withUnsafeBytes(of: &zero) { crc.update($0.baseAddress!, byteCount: 4) }
        let rest = Layout.headerChecksumOffset + 4
        crc.update(base + rest, byteCount: byteCount - rest)
        return crc.value
    }

    mutating func validateRegions() throws(ModelFileError) {
        var end = UInt64(Layout.headerByteCount + regionCount * Layout.regionRecordByteCount)
        let fileEnd = UInt64(byteCount)
        var lastKind: UInt32 = 0
        firstWeightsRegion = regionCount
        for index in 0..<regionCount {
            let offset = Layout.headerByteCount + index * Layout.regionRecordByteCount
            let record = base.load(fromByteOffset: offset, as: RegionRecord.self)
            let known = RegionKind(rawValue: record.kind)
            if known == nil, !RegionKind.optional.contains(record.kind) {
                throw ModelFileError(.unknownRegionKind, index: index, Int64(record.kind))
            }
            func lie(_ lie: Lie, _ a: UInt64 = 0, _ b: UInt64 = 0) -> ModelFileError {
                ModelFileError(lie, region: known?.name ?? "optional", index: index, Int64(clamping: a), Int64(clamping: b))
            }
            if record.reserved != 0 { throw lie(.reservedNotZero) }
            if known == .weights {
                firstWeightsRegion = min(firstWeightsRegion, index)
            } else if record.kind <= lastKind {
                throw lie(.wrongRegionOrder)
            }
            lastKind = record.kind
            let isTable = known != .weights
            if record.alignment != 64, isTable || record.alignment != 16_384 {
                throw lie(.wrongAlignment, UInt64(record.alignment))
            }
            if record.byteCount == 0 { throw lie(.emptyRegion) }
            if record.offset > fileEnd || record.byteCount > fileEnd - record.offset {
                throw lie(.regionOutOfRange, record.offset, record.byteCount)
            }
            let expected = Layout.align(end, UInt64(record.alignment))
            if record.offset < end { throw lie(.regionOverlap, record.offset, end) }
            if record.offset != expected { throw lie(.regionHole, record.offset, expected) }
            for byte in Int(end)..<Int(expected) where base.load(fromByteOffset: byte, as: UInt8.self) != 0 {
                throw lie(.paddingNotZero, UInt64(byte))
            }
            end = record.offset + record.byteCount
            if let known, isTable { try validateTable(known, index, record) } else if isTable { try validateChecksum("optional", index, record) }
        }
        if end != fileEnd { throw ModelFileError(.trailingBytes, Int64(end), Int64(fileEnd)) }
        try requireTable(.model)
        try requireTable(.schedule)
        try requireTable(.tensors)
        try requireTable(.names)
        try requireTable(.text)
    }

    private func requireTable(_ kind: RegionKind) throws(ModelFileError) {
        if tables[kind.place].byteCount == 0 { throw ModelFileError(.missingRegion, region: kind.name) }
    }

    /// One table: whole records, right checksum.
    private mutating func validateTable(_ kind: RegionKind, _ index: Int, _ record: RegionRecord) throws(ModelFileError) {
        let size = Int(record.byteCount)
        let recordSize = kind.recordByteCount
        let single = kind == .model || kind == .tokenizer || kind == .adjacency || kind == .ledger || kind == .transcript
        if size % recordSize != 0 || (single && size != recordSize) {
            throw ModelFileError(.wrongRecordSize, region: kind.name, index: index, Int64(size), Int64(recordSize))
        }
        try validateChecksum(kind.name, index, record)
        tables[kind.place] = .init(offset: Int(record.offset), byteCount: size)
    }

    private func validateChecksum(_ name: StaticString, _ index: Int, _ record: RegionRecord) throws(ModelFileError) {
        let crc = CRC32.of(base + Int(record.offset), byteCount: Int(record.byteCount))
        if crc != record.checksum {
            throw ModelFileError(.wrongChecksum, region: name, index: index, Int64(record.checksum), Int64(crc))
        }
    }
}
