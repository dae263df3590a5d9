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

    // MARK: Tensors

    private func validateTensors() throws(ModelFileError) {
        for index in 0..<tensorCount {
            let record = tensor(index)
            func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
                ModelFileError(lie, region: "tensors", index: index, a, b)
            }
            guard let encoding = Encoding(rawValue: record.encoding) else { throw lie(.unknownCode, Int64(record.encoding)) }
            if record.reserved.0 | record.reserved.1 != 0 { throw lie(.reservedNotZero) }
            let rows = Int(record.rows)
            let columns = Int(record.columns)
            let isVector = encoding == .int32Vector || encoding == .piecewiseLinear
            let mostRows = isVector ? 1 : Limit.rows
            if rows < 1 || rows > mostRows { throw lie(.countOutOfRange, Int64(rows), Int64(mostRows)) }
            // A bias may be as long as a matrix is high.
            let most = encoding == .int32Vector ? Limit.rows : encoding == .piecewiseLinear ? Limit.breakpoints : Limit.width
            if columns < 1 || columns > most { throw lie(.countOutOfRange, Int64(columns), Int64(most)) }
            let exponents: ClosedRange<Int32> = switch encoding {
            case .corrected: 0...0
            case _ where encoding.isMatrix: Limit.matrixExponent
            case .int32Vector, .piecewiseLinear: Limit.fractionBits
            default: 14...14
            }
            if !exponents.contains(record.exponent) { throw lie(.exponentOutOfRange, Int64(record.exponent)) }
            let need = encoding.byteCount(rows: rows, columns: columns)
            let have = Int(region(firstWeightsRegion + index).byteCount)
            if need != have { throw lie(.wrongTensorSize, Int64(need), Int64(have)) }
            if encoding == .piecewiseLinear {
                let points = tensorBytes(index)
                for k in 1..<max(1, columns)
                where points.load(fromByteOffset: 4 * k - 4, as: Int32.self) >= points.load(fromByteOffset: 4 * k, as: Int32.self) {
                    throw ModelFileError(.notAscending, region: "tensors", index: index)
                }
            }
        }
    }

    /// A record's reference to a tensor: in range, of a fitting encoding and shape.
    func requireTensor(
        _ tensorIndex: UInt32, _ region: StaticString, _ index: Int, rows: Int, columns: Int, _ fits: (Encoding) -> Bool
    ) throws(ModelFileError) {
        if tensorIndex >= UInt32(tensorCount) {
            throw ModelFileError(.indexOutOfRange, region: region, index: index, Int64(tensorIndex), Int64(tensorCount))
        }
        let record = tensor(Int(tensorIndex))
        if !fits(Encoding(rawValue: record.encoding)!) {
            throw ModelFileError(.wrongEncoding, region: region, index: index, Int64(record.encoding))
        }
        if Int(record.rows) != rows {
            throw ModelFileError(.wrongShape, region: region, index: index, Int64(record.rows), Int64(rows))
        }
        if Int(record.columns) != columns {
            throw ModelFileError(.wrongShape, region: region, index: index, Int64(record.columns), Int64(columns))
        }
    }

    func requireLinear(
        _ linear: LinearRecord, _ region: StaticString, _ index: Int, rows: Int, columns: Int
    ) throws(ModelFileError) {
        try requireTensor(linear.tensor, region, index, rows: rows, columns: columns) { $0 == .int8Rows || $0 == .int16Rows }
        let wide = tensor(Int(linear.tensor)).encoding == Encoding.int16Rows.rawValue
        if linear.activationBits != 16, wide || linear.activationBits != 8 {
            throw ModelFileError(.wrongActivationBits, region: region, index: index, Int64(linear.activationBits))
        }
        if linear.bias != Layout.none {
            try requireTensor(linear.bias, region, index, rows: 1, columns: rows) { $0 == .int32Vector }
        }
    }

    /// A matrix of any encoding.
    func requireMatrix(_ tensorIndex: UInt32, _ region: StaticString, rows: Int, columns: Int) throws(ModelFileError) {
        try requireTensor(tensorIndex, region, 0, rows: rows, columns: columns) { $0 == .int8Rows || $0 == .int16Rows }
    }

    /// The shape of a tensor that is there.
    func shape(_ tensorIndex: UInt32, _ region: StaticString, _ index: Int) throws(ModelFileError) -> (rows: Int, columns: Int) {
        if tensorIndex >= UInt32(tensorCount) {
            throw ModelFileError(.indexOutOfRange, region: region, index: index, Int64(tensorIndex), Int64(tensorCount))
        }
        let record = tensor(Int(tensorIndex))
        return (Int(record.rows), Int(record.columns))
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
