// The model record with its embedder and head: stlm-1, section 3.

extension ModelFile {
    func validateModelRecord() throws(ModelFileError) {
        let record = model
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "model", index: 0, a, b)
        }
        // Where Int has 32 bits, a greater number becomes the greatest, which no limit allows.
        let hidden = Int(clamping: record.hiddenSize)
        let vocabulary = Int(clamping: record.vocabularySize)
        if hidden < 2 || hidden > Limit.width { throw lie(.countOutOfRange, Int64(record.hiddenSize), Int64(Limit.width)) }
        let least = record.takesBlocks && record.writesBlocks ? 0 : 1
        if vocabulary < least || vocabulary > Limit.rows { throw lie(.countOutOfRange, Int64(record.vocabularySize), Int64(Limit.rows)) }
        let maximum = Int(clamping: record.contextMaximum)
        if maximum < 1 || maximum > Limit.context { throw lie(.countOutOfRange, Int64(record.contextMaximum), Int64(Limit.context)) }
        if record.contextDefault < 1 || record.contextDefault > record.contextMaximum {
            throw lie(.countOutOfRange, Int64(record.contextDefault), Int64(maximum))
        }
        if !Limit.fractionBits.contains(record.residualFractionBits) {
            throw lie(.exponentOutOfRange, Int64(record.residualFractionBits))
        }
        if record.kvSlotCount > UInt32(Limit.parts) { throw lie(.countOutOfRange, Int64(record.kvSlotCount), Int64(Limit.parts)) }
        try validateBlocks(record)
        try validateEmbedder(record)
        try validateHead(record)
        if record.flags & ~1 != 0 { throw lie(.reservedNotZero) }
        if record.bosToken != Layout.none, record.takesBlocks { throw lie(.valueOutOfRange, Int64(record.bosToken)) }
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
        for k in 0..<8 where record.reserved[k] != 0 { throw lie(.reservedNotZero) }
    }

    private func validateBlocks(_ record: ModelRecord) throws(ModelFileError) {
        if EmbedderKind(rawValue: record.embedder.kind) == nil {
            throw ModelFileError(.unknownCode, region: "embedder", Int64(record.embedder.kind))
        }
        if HeadKind(rawValue: record.head.kind) == nil {
            throw ModelFileError(.unknownCode, region: "head", Int64(record.head.kind))
        }
        let size = Int(clamping: record.blockSize)
        let hasBlocks = record.takesBlocks || record.writesBlocks
        if size > Limit.blockSize || hasBlocks != (size > 0) {
            throw ModelFileError(.countOutOfRange, region: "model", Int64(record.blockSize), Int64(hasBlocks ? Limit.blockSize : 0))
        }
        for k in 0..<Limit.blockSize {
            let symbol = Int(record.endBlock[k])
            let limit = k < size ? Symbol.count : 1
            if symbol >= limit { throw ModelFileError(.indexOutOfRange, region: "model", Int64(symbol), Int64(limit)) }
        }
    }

    private func validateEmbedder(_ record: ModelRecord) throws(ModelFileError) {
        let part = record.embedder
        let kind = EmbedderKind(rawValue: part.kind)!
        switch kind {
        case .tokens:
            let hidden = Int(record.hiddenSize)
            try requireMatrix(part.table, "embedder", rows: Int(record.vocabularySize), columns: hidden)
            if part.positionTensor != Layout.none {
                try requireMatrix(part.positionTensor, "embedder", rows: Int(record.contextMaximum), columns: hidden)
            }
        case .bytes:
            let width = try shape(part.table, "embedder", 0).columns
            try requireMatrix(part.table, "embedder", rows: Symbol.count, columns: width)
            try requireMatrix(part.positionTensor, "embedder", rows: Int(record.blockSize), columns: width)
        }
        let isFixed = kind == .tokens
        if !Limit.fractionBits.contains(part.fractionBits) || (isFixed && part.fractionBits != record.residualFractionBits) {
            throw ModelFileError(.exponentOutOfRange, region: "embedder", Int64(part.fractionBits))
        }
        if part.reserved.0 | part.reserved.1 != 0 { throw ModelFileError(.reservedNotZero, region: "embedder") }
    }

    /// What of the head does not depend on the schedule; the width of its output does.
    private func validateHead(_ record: ModelRecord) throws(ModelFileError) {
        let part = record.head
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "head", index: 0, a, b)
        }
        let kind = HeadKind(rawValue: part.kind)!
        let hidden = Int(record.hiddenSize)
        try requireNorm(part.inputNorm, size: hidden)
        if kind == .linear {
            if part.projection != .absent { throw lie(.valueOutOfRange, Int64(part.projection.tensor)) }
            if part.positionTensor != Layout.none { throw lie(.valueOutOfRange, Int64(part.positionTensor)) }
            if part.outputNorm != Layout.none { throw lie(.valueOutOfRange, Int64(part.outputNorm)) }
            if part.fractionBits != 0 { throw lie(.exponentOutOfRange, Int64(part.fractionBits)) }
        } else {
            let slots = Int(record.blockSize)
            let width = try shape(part.positionTensor, "head", 0).columns
            try requireMatrix(part.positionTensor, "head", rows: slots, columns: width)
            let rows = kind == .byteSlots ? slots * width : width
            try requireLinear(part.projection, "head", 0, rows: rows, columns: hidden)
        }
        if kind == .byteDecoder {
            try requireMatrix(part.byteTable, "head", rows: Symbol.count, columns: try shape(part.positionTensor, "head", 0).columns)
        } else if part.byteTable != Layout.none {
            throw lie(.valueOutOfRange, Int64(part.byteTable))
        }
        if !Limit.fractionBits.contains(part.fractionBits) { throw lie(.exponentOutOfRange, Int64(part.fractionBits)) }
        if !Limit.fractionBits.contains(part.logitFractionBits) { throw lie(.exponentOutOfRange, Int64(part.logitFractionBits)) }
        for k in 0..<7 where part.reserved[k] != 0 { throw lie(.reservedNotZero) }
    }

    /// A norm of the head: none, or one of that size.
    func requireNorm(_ index: UInt32, size: Int) throws(ModelFileError) {
        if index == Layout.none { return }
        if index >= UInt32(normCount) { throw ModelFileError(.indexOutOfRange, region: "head", Int64(index), Int64(normCount)) }
        let have = try shape(norm(Int(index)).weight, "norms", Int(index)).columns
        if have != size { throw ModelFileError(.wrongShape, region: "head", Int64(have), Int64(size)) }
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
}
