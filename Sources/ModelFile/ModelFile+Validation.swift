// The inner half of the check: what the tables say about each other. Every index, count, shape and exponent that the
// runtime will use is checked here, so that a step never has to.

extension ModelFile {
    func validateModel() throws(ModelFileError) {
        try validateCounts()
        try validateTensors()
        try validateModelRecord()
        for index in 0..<normCount { try validateNorm(index) }
        for index in 0..<attentionCount { try validateAttention(index) }
        for index in 0..<feedForwardCount { try validateFeedForward(index) }
        try validateSchedule()
        try validateText()
        try validateNames()
        try validateTokenizer()
        try validateLedger()
        try validateTranscript()
    }

    private func validateCounts() throws(ModelFileError) {
        func limitParts(_ kind: RegionKind) throws(ModelFileError) {
            let count = recordCount(kind)
            if count > Limit.parts {
                throw ModelFileError(.countOutOfRange, region: kind.name, Int64(count), Int64(Limit.parts))
            }
        }
        try limitParts(.schedule)
        try limitParts(.attentions)
        try limitParts(.feedForwards)
        try limitParts(.norms)
        if nameCount > Limit.names {
            throw ModelFileError(.countOutOfRange, region: "names", Int64(nameCount), Int64(Limit.names))
        }
        if tableByteCount(.text) > Limit.textByteCount {
            throw ModelFileError(.countOutOfRange, region: "text", Int64(tableByteCount(.text)), Int64(Limit.textByteCount))
        }
        let regions = regionCount - firstWeightsRegion
        if tensorCount != regions {
            throw ModelFileError(.tensorWithoutRegion, region: "tensors", Int64(tensorCount), Int64(regions))
        }
    }

    // MARK: Names and text

    func requireText(_ range: TextRange, _ region: StaticString, _ index: Int) throws(ModelFileError) {
        let size = UInt64(tableByteCount(.text))
        if UInt64(range.offset) + UInt64(range.byteCount) > size {
            throw ModelFileError(.textOutOfRange, region: region, index: index, Int64(range.offset), Int64(size))
        }
    }

    private func validateText() throws(ModelFileError) {
        let text = tableBytes(.text)
        for offset in 0..<tableByteCount(.text) where text.load(fromByteOffset: offset, as: UInt8.self) == 0 {
            throw ModelFileError(.nulInText, region: "text", Int64(offset))
        }
    }

    private func validateNames() throws(ModelFileError) {
        for index in 0..<nameCount {
            let record = name(index)
            func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
                ModelFileError(lie, region: "names", index: index, a, b)
            }
            try requireText(record.text, "names", index)
            if record.isAlias {
                if record.firstRow != Layout.aliasFlag || record.rowCount != 0 { throw lie(.reservedNotZero) }
                if record.target >= UInt32(nameCount) { throw lie(.indexOutOfRange, Int64(record.target), Int64(nameCount)) }
                if name(Int(record.target)).isAlias { throw lie(.aliasOfAlias, Int64(record.target)) }
            } else {
                if record.target >= UInt32(tensorCount) { throw lie(.indexOutOfRange, Int64(record.target), Int64(tensorCount)) }
                let rows = UInt64(tensor(Int(record.target)).rows)
                let end = UInt64(record.firstRow) + UInt64(record.rowCount)
                if record.rowCount == 0 || end > rows { throw lie(.wrongShape, Int64(end), Int64(rows)) }
            }
        }
    }
}
