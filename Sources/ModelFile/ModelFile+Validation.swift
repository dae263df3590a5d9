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
            case .int8Rows, .int16Rows: Limit.matrixExponent
            case .int32Vector, .piecewiseLinear: Limit.fractionBits
            case .rotation: 14...14
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
    private func requireTensor(
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

    private func requireLinear(
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

    // MARK: Parts

    private func validateModelRecord() throws(ModelFileError) {
        let record = model
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "model", index: 0, a, b)
        }
        let hidden = Int(record.hiddenSize)
        let vocabulary = Int(record.vocabularySize)
        if hidden < 2 || hidden > Limit.width { throw lie(.countOutOfRange, Int64(hidden), Int64(Limit.width)) }
        if vocabulary < 1 || vocabulary > Limit.rows { throw lie(.countOutOfRange, Int64(vocabulary), Int64(Limit.rows)) }
        let maximum = Int(record.contextMaximum)
        if maximum < 1 || maximum > Limit.context { throw lie(.countOutOfRange, Int64(maximum), Int64(Limit.context)) }
        if record.contextDefault < 1 || record.contextDefault > record.contextMaximum {
            throw lie(.countOutOfRange, Int64(record.contextDefault), Int64(maximum))
        }
        try requireTensor(record.embeddingTensor, "model", 0, rows: vocabulary, columns: hidden) {
            $0 == .int8Rows || $0 == .int16Rows
        }
        if record.positionTensor != Layout.none {
            try requireTensor(record.positionTensor, "model", 0, rows: maximum, columns: hidden) {
                $0 == .int8Rows || $0 == .int16Rows
            }
        }
        if record.finalNorm != Layout.none, record.finalNorm >= UInt32(normCount) {
            throw lie(.indexOutOfRange, Int64(record.finalNorm), Int64(normCount))
        }
        try requireLinear(record.head, "model", 0, rows: vocabulary, columns: hidden)
        if !Limit.fractionBits.contains(record.residualFractionBits) {
            throw lie(.exponentOutOfRange, Int64(record.residualFractionBits))
        }
        if !Limit.fractionBits.contains(record.logitFractionBits) {
            throw lie(.exponentOutOfRange, Int64(record.logitFractionBits))
        }
        if record.flags & ~1 != 0 { throw lie(.reservedNotZero) }
        if record.bosToken != Layout.none, record.bosToken >= record.vocabularySize {
            throw lie(.indexOutOfRange, Int64(record.bosToken), Int64(vocabulary))
        }
        if record.padToken != Layout.none, record.padToken >= record.vocabularySize {
            throw lie(.indexOutOfRange, Int64(record.padToken), Int64(vocabulary))
        }
        if record.endCount > 4 { throw lie(.countOutOfRange, Int64(record.endCount), 4) }
        for k in 0..<4 {
            let token = record.endTokens[k]
            if k < Int(record.endCount) ? token >= record.vocabularySize : token != Layout.none {
                throw lie(.indexOutOfRange, Int64(token), Int64(vocabulary))
            }
        }
        try validateSettings(record)
        for k in 0..<11 where record.reserved[k] != 0 { throw lie(.reservedNotZero) }
    }

    private func validateSettings(_ record: ModelRecord) throws(ModelFileError) {
        func check(_ value: UInt32, _ range: ClosedRange<UInt32>) throws(ModelFileError) {
            if !range.contains(value) { throw ModelFileError(.valueOutOfRange, region: "model", Int64(value)) }
        }
        try check(record.temperature, 0...Limit.setting)
        try check(record.topP, 1...65_536)
        try check(record.minP, 0...65_536)
        try check(record.repeatPenalty, Limit.leastRepeatPenalty...Limit.setting)
        try check(record.repeatWindow, 0...UInt32(Limit.repeatWindow))
        if record.stopCount > 4 { throw ModelFileError(.countOutOfRange, region: "model", Int64(record.stopCount), 4) }
        for k in 0..<4 {
            let stop = record.stops[k]
            if k < Int(record.stopCount) {
                if stop.byteCount < 1 || stop.byteCount > 256 {
                    throw ModelFileError(.countOutOfRange, region: "model", Int64(stop.byteCount), 256)
                }
                try requireText(stop, "model", 0)
            } else if stop.offset | stop.byteCount != 0 {
                throw ModelFileError(.reservedNotZero, region: "model")
            }
        }
        try requireText(record.description, "model", 0)
    }

    private func requireText(_ range: TextRange, _ region: StaticString, _ index: Int) throws(ModelFileError) {
        let size = UInt64(tableByteCount(.text))
        if UInt64(range.offset) + UInt64(range.byteCount) > size {
            throw ModelFileError(.textOutOfRange, region: region, index: index, Int64(range.offset), Int64(size))
        }
    }

    private func validateNorm(_ index: Int) throws(ModelFileError) {
        let record = norm(index)
        if NormCode(rawValue: record.kind) == nil {
            throw ModelFileError(.unknownCode, region: "norms", index: index, Int64(record.kind))
        }
        let hidden = Int(model.hiddenSize)
        try requireTensor(record.weight, "norms", index, rows: 1, columns: hidden) { $0 == .int32Vector }
        if !Limit.fractionBits.contains(record.outputFractionBits) {
            throw ModelFileError(.exponentOutOfRange, region: "norms", index: index, Int64(record.outputFractionBits))
        }
        if record.bias != Layout.none {
            try requireTensor(record.bias, "norms", index, rows: 1, columns: hidden) { $0 == .int32Vector }
            let bits = tensor(Int(record.bias)).exponent
            if bits != record.outputFractionBits {
                throw ModelFileError(.wrongNormBias, region: "norms", index: index, Int64(bits), Int64(record.outputFractionBits))
            }
        }
        if record.reserved != 0 { throw ModelFileError(.reservedNotZero, region: "norms", index: index) }
    }

    private func validateAttention(_ index: Int) throws(ModelFileError) {
        let record = attention(index)
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "attentions", index: index, a, b)
        }
        let heads = Int(record.headCount)
        let kvHeads = Int(record.kvHeadCount)
        let size = Int(record.headSize)
        if size < 1 || size > Limit.headSize { throw lie(.countOutOfRange, Int64(size), Int64(Limit.headSize)) }
        if heads < 1 || heads > Limit.width / size { throw lie(.countOutOfRange, Int64(heads), Int64(Limit.width / size)) }
        if kvHeads < 1 || kvHeads > heads || heads % kvHeads != 0 { throw lie(.headsDoNotDivide, Int64(heads), Int64(kvHeads)) }
        let hidden = Int(model.hiddenSize)
        try requireLinear(record.qkv, "attentions", index, rows: (heads + 2 * kvHeads) * size, columns: hidden)
        try requireLinear(record.output, "attentions", index, rows: hidden, columns: heads * size)
        if record.rotationPairing != 0 { throw lie(.unknownCode, Int64(record.rotationPairing)) }
        if record.rotationTensor != Layout.none {
            if size % 2 != 0 { throw lie(.valueOutOfRange, Int64(size)) }
            if record.rotationTensor >= UInt32(tensorCount) {
                throw lie(.indexOutOfRange, Int64(record.rotationTensor), Int64(tensorCount))
            }
            let rows = max(Int(tensor(Int(record.rotationTensor)).rows), Int(model.contextMaximum))
            try requireTensor(record.rotationTensor, "attentions", index, rows: rows, columns: size / 2) { $0 == .rotation }
        }
        if record.scoreScaleMantissa < 1 << 30 || record.scoreScaleMantissa >= 1 << 31 {
            throw lie(.valueOutOfRange, Int64(record.scoreScaleMantissa))
        }
        if record.scoreScaleExponent < 0 || record.scoreScaleExponent > 64 {
            throw lie(.exponentOutOfRange, Int64(record.scoreScaleExponent))
        }
        if record.reserved.0 | record.reserved.1 | record.reserved.2 != 0 { throw lie(.reservedNotZero) }
    }

    private func validateFeedForward(_ index: Int) throws(ModelFileError) {
        let record = feedForward(index)
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "feed-forwards", index: index, a, b)
        }
        guard let kind = FeedForwardKind(rawValue: record.kind) else { throw lie(.unknownCode, Int64(record.kind)) }
        guard let activation = Activation(rawValue: record.activation) else { throw lie(.unknownCode, Int64(record.activation)) }
        if record.up.tensor >= UInt32(tensorCount) { throw lie(.indexOutOfRange, Int64(record.up.tensor), Int64(tensorCount)) }
        let size = Int(tensor(Int(record.up.tensor)).rows)
        if size > Limit.width { throw lie(.countOutOfRange, Int64(size), Int64(Limit.width)) }
        let hidden = Int(model.hiddenSize)
        try requireLinear(record.up, "feed-forwards", index, rows: size, columns: hidden)
        try requireLinear(record.down, "feed-forwards", index, rows: hidden, columns: size)
        if kind == .gated {
            try requireLinear(record.gate, "feed-forwards", index, rows: size, columns: hidden)
        } else if record.gate != .absent {
            throw lie(.valueOutOfRange, Int64(record.gate.tensor))
        }
        if activation == .piecewiseLinear {
            if record.activationTensor >= UInt32(tensorCount) {
                throw lie(.indexOutOfRange, Int64(record.activationTensor), Int64(tensorCount))
            }
            let columns = Int(tensor(Int(record.activationTensor)).columns)
            try requireTensor(record.activationTensor, "feed-forwards", index, rows: 1, columns: columns) { $0 == .piecewiseLinear }
        } else if record.activationTensor != Layout.none {
            throw lie(.valueOutOfRange, Int64(record.activationTensor))
        }
        let r = record.reserved
        if r.0 | r.1 | r.2 | r.3 != 0 { throw lie(.reservedNotZero) }
    }

    // MARK: Schedule

    private func validateSchedule() throws(ModelFileError) {
        let slotCount = Int(model.kvSlotCount)
        if slotCount > Limit.parts { throw ModelFileError(.countOutOfRange, region: "model", Int64(slotCount), Int64(Limit.parts)) }
        // One bit a slot: 4,096 slots at most.
        var used = InlineArray<64, UInt64>(repeating: 0)
        var usedCount = 0
        for index in 0..<stepCount {
            let record = step(index)
            func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
                ModelFileError(lie, region: "schedule", index: index, a, b)
            }
            func check(_ value: UInt32, _ count: Int) throws(ModelFileError) {
                if value != Layout.none, value >= UInt32(count) { throw lie(.indexOutOfRange, Int64(value), Int64(count)) }
            }
            try check(record.attention, attentionCount)
            try check(record.feedForward, feedForwardCount)
            try check(record.attentionNorm, normCount)
            try check(record.feedForwardNorm, normCount)
            let hasAttention = record.attention != Layout.none
            let hasFeedForward = record.feedForward != Layout.none
            if !hasAttention && !hasFeedForward { throw lie(.emptyStep) }
            if !hasAttention && record.attentionNorm != Layout.none { throw lie(.normWithoutPart) }
            if !hasFeedForward && record.feedForwardNorm != Layout.none { throw lie(.normWithoutPart) }
            if hasAttention == (record.kvSlot == Layout.none) { throw lie(.slotWithoutAttention) }
            if record.reserved != 0 { throw lie(.reservedNotZero) }
            if hasAttention {
                let slot = Int(record.kvSlot)
                if slot >= slotCount { throw lie(.indexOutOfRange, Int64(slot), Int64(slotCount)) }
                let bit: UInt64 = 1 &<< UInt64(slot % 64)
                if used[slot / 64] & bit != 0 { throw lie(.slotUsedTwice, Int64(slot)) }
                used[slot / 64] |= bit
                usedCount += 1
            }
        }
        if usedCount != slotCount { throw ModelFileError(.slotUnused, region: "schedule", Int64(slotCount), Int64(usedCount)) }
    }

    // MARK: Names and text

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
