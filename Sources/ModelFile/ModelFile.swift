/// Typed views over the bytes of a model file that a `Validator` has accepted: nothing is copied, parsed or built.
/// The bytes must stay mapped and unchanged while the value is used.
public struct ModelFile {
    public let base: UnsafeRawPointer
    public let byteCount: Int
    /// Index of the first weights region.
    public let firstWeightsRegion: Int
    /// Offset and byte count of each kind of table, by `RegionKind.rawValue`; 0 bytes where absent.
    let tables: InlineArray<17, TableRange>

    struct TableRange {
        var offset = 0
        var byteCount = 0
    }

    /// Validates all of the file but the weights' checksums, and opens it in place.
    /// - Parameters:
    ///   - base: the file's bytes, at a multiple of 64.
    public init(_ base: UnsafeRawPointer, byteCount: Int) throws(ModelFileError) {
        var validator = try Validator(base, byteCount: byteCount)
        try validator.validateRegions()
        self.base = base
        self.byteCount = byteCount
        firstWeightsRegion = validator.firstWeightsRegion
        tables = validator.tables
        try validateModel()
    }

    // MARK: Regions

    public var header: FileHeader { base.load(as: FileHeader.self) }
    public var regionCount: Int { Int(header.regionCount) }

    public func region(_ index: Int) -> RegionRecord {
        base.load(fromByteOffset: Layout.headerByteCount + index * Layout.regionRecordByteCount, as: RegionRecord.self)
    }

    public func tableByteCount(_ kind: RegionKind) -> Int { tables[kind.place].byteCount }
    public func tableBytes(_ kind: RegionKind) -> UnsafeRawPointer { base + tables[kind.place].offset }
    public func recordCount(_ kind: RegionKind) -> Int { tableByteCount(kind) / kind.recordByteCount }

    @inline(__always)
    func record<Record>(_ kind: RegionKind, _ index: Int, as: Record.Type) -> Record {
        tableBytes(kind).load(fromByteOffset: index &* kind.recordByteCount, as: Record.self)
    }

    // MARK: Records

    public var model: ModelRecord { record(.model, 0, as: ModelRecord.self) }
    public var stepCount: Int { recordCount(.schedule) }
    public func step(_ index: Int) -> StepRecord { record(.schedule, index, as: StepRecord.self) }
    public var attentionCount: Int { recordCount(.attentions) }
    public func attention(_ index: Int) -> AttentionRecord { record(.attentions, index, as: AttentionRecord.self) }
    public var feedForwardCount: Int { recordCount(.feedForwards) }
    public func feedForward(_ index: Int) -> FeedForwardRecord { record(.feedForwards, index, as: FeedForwardRecord.self) }
    public var normCount: Int { recordCount(.norms) }
    public func norm(_ index: Int) -> NormRecord { record(.norms, index, as: NormRecord.self) }
    public var tensorCount: Int { recordCount(.tensors) }
    public func tensor(_ index: Int) -> TensorRecord { record(.tensors, index, as: TensorRecord.self) }
    public var nameCount: Int { recordCount(.names) }
    public func name(_ index: Int) -> NameRecord { record(.names, index, as: NameRecord.self) }

    /// The bytes of tensor `index`, laid out as its encoding says.
    public func tensorBytes(_ index: Int) -> UnsafeRawPointer {
        base + Int(region(firstWeightsRegion + index).offset)
    }

    /// What a tensor is a correction of; nil for all encodings but that.
    public func corrected(_ index: Int) -> CorrectedRecord? {
        tensor(index).encoding == Encoding.corrected.rawValue ? tensorBytes(index).load(as: CorrectedRecord.self) : nil
    }

    public func text(_ range: TextRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: tableBytes(.text) + Int(range.offset), count: Int(range.byteCount))
    }

    /// The text of a name, without copying.
    public func nameText(_ index: Int) -> UnsafeRawBufferPointer { text(name(index).text) }

    // MARK: Tokenizer

    public var hasTokenizer: Bool { tableByteCount(.tokenizer) > 0 }
    public var tokenizer: TokenizerRecord { record(.tokenizer, 0, as: TokenizerRecord.self) }

    // MARK: Ledger

    public var hasLedger: Bool { tableByteCount(.ledger) > 0 }
    public var ledger: LedgerRecord { record(.ledger, 0, as: LedgerRecord.self) }
    public func tensorError(_ index: Int) -> TensorErrorRecord { record(.tensorErrors, index, as: TensorErrorRecord.self) }

    /// nil where the packer computed none.
    public var transcript: TranscriptRecord? { tableByteCount(.transcript) == 0 ? nil : record(.transcript, 0, as: TranscriptRecord.self) }

    // MARK: Checksums of the weights

    /// Reads every byte of the weights and compares their checksums, which opening does not.
    public func verifyWeights() throws(ModelFileError) {
        for index in firstWeightsRegion..<regionCount {
            try verifyWeights(region: index)
        }
    }

    /// The same in pieces of `pieceByteCount` bytes at most; `afterEach` may take what was read out of memory.
    public func verifyWeights(
        pieceByteCount: Int, afterEach: (_ offset: Int, _ byteCount: Int) -> Void
    ) throws(ModelFileError) {
        for index in firstWeightsRegion..<regionCount {
            let record = region(index)
            var crc = CRC32(), offset = Int(record.offset)
            let end = offset + Int(record.byteCount)
            while offset < end {
                let count = min(pieceByteCount, end - offset)
                crc.update(base + offset, byteCount: count)
                afterEach(offset, count)
                offset += count
            }
            try requireChecksum(crc.value, region: index)
        }
    }

    /// The same for one weights region.
    public func verifyWeights(region index: Int) throws(ModelFileError) {
        let record = region(index)
        try requireChecksum(CRC32.of(base + Int(record.offset), byteCount: Int(record.byteCount)), region: index)
    }

    private func requireChecksum(_ crc: UInt32, region index: Int) throws(ModelFileError) {
        let expected = region(index).checksum
        if crc != expected { throw ModelFileError(.wrongChecksum, region: "weights", index: index, Int64(expected), Int64(crc)) }
    }

    /// Bytes between regions.
    public var paddingByteCount: Int {
        var used = Layout.headerByteCount + regionCount * Layout.regionRecordByteCount
        for index in 0..<regionCount { used += Int(region(index).byteCount) }
        return byteCount - used
    }
}
