// Tensors, and what refers to them: stlm-1, sections 5.1 and 6.

extension ModelFile {
    func validateTensors() throws(ModelFileError) {
        for index in 0..<tensorCount {
            let record = tensor(index)
            func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
                ModelFileError(lie, region: "tensors", index: index, a, b)
            }
            guard let encoding = Encoding(rawValue: record.encoding) else { throw lie(.unknownCode, Int64(record.encoding)) }
            if record.reserved.0 | record.reserved.1 != 0 { throw lie(.reservedNotZero) }
            let rows = Int(clamping: record.rows)
            let columns = Int(clamping: record.columns)
            let isVector = encoding == .int32Vector || encoding == .piecewiseLinear
            let mostRows = isVector ? 1 : Limit.rows
            if rows < 1 || rows > mostRows { throw lie(.countOutOfRange, Int64(record.rows), Int64(mostRows)) }
            // A bias may be as long as a matrix is high.
            let most = switch encoding {
            case .int32Vector: Limit.rows
            case .piecewiseLinear: Limit.breakpoints
            case _ where encoding.groupBits > 0: Limit.groupColumns
            default: Limit.width
            }
            if columns < 1 || columns > most { throw lie(.countOutOfRange, Int64(record.columns), Int64(most)) }
            let exponents: ClosedRange<Int32> = switch encoding {
            case .corrected: 0...0
            case _ where encoding.isMatrix: Limit.matrixExponent
            case .int32Vector, .piecewiseLinear: Limit.fractionBits
            default: 14...14
            }
            if !exponents.contains(record.exponent) { throw lie(.exponentOutOfRange, Int64(record.exponent)) }
            // Of numbers within their limits the size is below 2^42, which may not fit in an Int.
            let exact = encoding.exactByteCount(rows: rows, columns: columns)
            let need = Int(clamping: exact), have = Int(region(firstWeightsRegion + index).byteCount)
            if exact != Int64(have) { throw lie(.wrongTensorSize, exact, Int64(have)) }
            let bytes = tensorBytes(index)
            for k in 1..<max(1, encoding == .piecewiseLinear ? columns : 1)
            where bytes.load(fromByteOffset: 4 * k - 4, as: Int32.self) >= bytes.load(fromByteOffset: 4 * k, as: Int32.self) {
                throw ModelFileError(.notAscending, region: "tensors", index: index)
            }
            for k in 0..<encoding.levelCount {
                let level = Int(bytes.load(fromByteOffset: need - encoding.levelCount + k, as: Int8.self))
                if level.magnitude > Limit.level { throw lie(.valueOutOfRange, Int64(level)) }
            }
        }
        // Now every tensor by itself is right.
        for index in 0..<tensorCount { try validateCorrection(index) }
    }

    /// The three matrices of a corrected one.
    private func validateCorrection(_ index: Int) throws(ModelFileError) {
        guard let parts = corrected(index) else { return }
        let record = tensor(index)
        let rows = Int(record.rows), columns = Int(record.columns)
        let rank = try shape(parts.up, "tensors", index).columns
        if rank > Limit.rank { throw ModelFileError(.countOutOfRange, region: "tensors", index: index, Int64(rank), Int64(Limit.rank)) }
        try requireTensor(parts.base, "tensors", index, rows: rows, columns: columns) { $0.isMatrix }
        try requireTensor(parts.down, "tensors", index, rows: rank, columns: columns) { $0.isMatrix }
        try requireTensor(parts.up, "tensors", index, rows: rows, columns: rank) { $0.isMatrix }
        try requireActivationBits(parts.activationBits, isWide(parts.up), "tensors", index)
    }

    private func isWide(_ matrix: UInt32) -> Bool { tensor(Int(matrix)).encoding == Encoding.int16Rows.rawValue }

    private func requireActivationBits(_ bits: UInt32, _ isWide: Bool, _ region: StaticString, _ index: Int) throws(ModelFileError) {
        if bits != 16, isWide || bits != 8 { throw ModelFileError(.wrongActivationBits, region: region, index: index, Int64(bits)) }
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
        try requireTensor(linear.tensor, region, index, rows: rows, columns: columns) { $0.isMatrix || $0 == .corrected }
        // A correction reads the codes that its base reads.
        let parts = corrected(Int(linear.tensor))
        let isWide = if let parts { isWide(parts.base) || isWide(parts.down) } else { isWide(linear.tensor) }
        try requireActivationBits(linear.activationBits, isWide, region, index)
        if linear.bias != Layout.none {
            try requireTensor(linear.bias, region, index, rows: 1, columns: rows) { $0 == .int32Vector }
        }
    }

    /// A matrix of any encoding, with weights of its own.
    func requireMatrix(_ tensorIndex: UInt32, _ region: StaticString, rows: Int, columns: Int) throws(ModelFileError) {
        try requireTensor(tensorIndex, region, 0, rows: rows, columns: columns) { $0.isMatrix }
    }

    /// The shape of a tensor that is there.
    func shape(_ tensorIndex: UInt32, _ region: StaticString, _ index: Int) throws(ModelFileError) -> (rows: Int, columns: Int) {
        if tensorIndex >= UInt32(tensorCount) {
            throw ModelFileError(.indexOutOfRange, region: region, index: index, Int64(tensorIndex), Int64(tensorCount))
        }
        let record = tensor(Int(tensorIndex))
        return (Int(record.rows), Int(record.columns))
    }
}
