// The schedule: stlm-1, section 4. Every step is followed as the runtime will, width by width.

extension ModelFile {
    /// Width and fraction bits of a section's stream.
    private struct Stream {
        var width: Int
        var fractionBits: Int32
    }

    func validateSchedule() throws(ModelFileError) {
        let record = model
        let slotCount = Int(record.kvSlotCount)
        // One bit a slot: 4,096 slots at most.
        var used = InlineArray<64, UInt64>(repeating: 0)
        var usedCount = 0
        var section = ModelSection.embedder
        var stream = try start(of: .embedder, record)
        for index in 0..<stepCount {
            let step = step(index)
            func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
                ModelFileError(lie, region: "schedule", index: index, a, b)
            }
            try validateReferences(step, index)
            guard let own = ModelSection(rawValue: step.section) else { throw lie(.unknownCode, Int64(step.section)) }
            if own.rawValue < section.rawValue { throw lie(.notAscending) }
            while section != own {
                try finish(section, stream, record)
                section = ModelSection(rawValue: section.rawValue + 1)!
                stream = try start(of: section, record)
            }
            if own == .embedder && !record.takesBlocks || own == .head && !record.writesBlocks { throw lie(.stepWithoutSection) }
            try follow(step, index, own, &stream)
            let hasAttention = step.attention != Layout.none
            if own != .core {
                if step.kvSlot != Layout.none { throw lie(.slotWithoutAttention) }
            } else {
                if hasAttention == (step.kvSlot == Layout.none) { throw lie(.slotWithoutAttention) }
                if hasAttention {
                    if step.kvSlot >= record.kvSlotCount { throw lie(.indexOutOfRange, Int64(step.kvSlot), Int64(slotCount)) }
                    let slot = Int(step.kvSlot)
                    let bit: UInt64 = 1 &<< UInt64(slot % 64)
                    if used[slot / 64] & bit != 0 { throw lie(.slotUsedTwice, Int64(slot)) }
                    used[slot / 64] |= bit
                    usedCount += 1
                }
            }
        }
        while true {
            try finish(section, stream, record)
            guard let next = ModelSection(rawValue: section.rawValue + 1) else { break }
            section = next
            stream = try start(of: next, record)
        }
        if usedCount != slotCount { throw ModelFileError(.slotUnused, region: "schedule", Int64(slotCount), Int64(usedCount)) }
    }

    private func start(of section: ModelSection, _ record: ModelRecord) throws(ModelFileError) -> Stream {
        switch section {
        case .embedder:
            Stream(width: try shape(record.embedder.table, "embedder", 0).columns, fractionBits: record.embedder.fractionBits)
        case .core:
            Stream(width: Int(record.hiddenSize), fractionBits: record.residualFractionBits)
        case .head:
            record.writesBlocks
                ? Stream(width: try shape(record.head.positionTensor, "head", 0).columns, fractionBits: record.head.fractionBits)
                : Stream(width: Int(record.hiddenSize), fractionBits: record.residualFractionBits)
        }
    }

    /// What a section's stream must be at its end.
    private func finish(_ section: ModelSection, _ stream: Stream, _ record: ModelRecord) throws(ModelFileError) {
        switch section {
        case .embedder:
            if stream.width != Int(record.hiddenSize) {
                throw ModelFileError(.wrongShape, region: "embedder", Int64(stream.width), Int64(record.hiddenSize))
            }
            if stream.fractionBits != record.residualFractionBits {
                throw ModelFileError(.exponentOutOfRange, region: "embedder", Int64(stream.fractionBits))
            }
        case .core: break
        case .head:
            let rows = record.writesBlocks ? Symbol.count : Int(record.vocabularySize)
            try requireLinear(record.head.output, "head", 0, rows: rows, columns: stream.width)
            try requireNorm(record.head.outputNorm, size: stream.width)
        }
    }

    private func validateReferences(_ step: StepRecord, _ index: Int) throws(ModelFileError) {
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "schedule", index: index, a, b)
        }
        func check(_ value: UInt32, _ count: Int) throws(ModelFileError) {
            if value != Layout.none, value >= UInt32(count) { throw lie(.indexOutOfRange, Int64(value), Int64(count)) }
        }
        try check(step.attention, attentionCount)
        try check(step.feedForward, feedForwardCount)
        try check(step.attentionNorm, normCount)
        try check(step.feedForwardNorm, normCount)
        let hasAttention = step.attention != Layout.none
        let hasFeedForward = step.feedForward != Layout.none
        if !hasAttention && !hasFeedForward { throw lie(.emptyStep) }
        if !hasAttention && step.attentionNorm != Layout.none { throw lie(.normWithoutPart) }
        if !hasFeedForward && step.feedForwardNorm != Layout.none { throw lie(.normWithoutPart) }
        if step.flags & ~1 != 0 { throw lie(.reservedNotZero) }
        if step.replaces && !hasFeedForward { throw lie(.valueOutOfRange, Int64(step.flags)) }
    }

    /// Widths and fraction bits through one step.
    private func follow(
        _ step: StepRecord, _ index: Int, _ section: ModelSection, _ stream: inout Stream
    ) throws(ModelFileError) {
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "schedule", index: index, a, b)
        }
        func check(_ have: UInt32) throws(ModelFileError) {
            if Int(have) != stream.width { throw lie(.wrongShape, Int64(have), Int64(stream.width)) }
        }
        func checkNorm(_ norm: UInt32) throws(ModelFileError) {
            if norm != Layout.none { try check(tensor(Int(self.norm(Int(norm)).weight)).columns) }
        }
        if step.attention != Layout.none {
            try checkNorm(step.attentionNorm)
            try check(tensor(Int(attention(Int(step.attention)).qkv.tensor)).columns)
        }
        if step.feedForward != Layout.none {
            try checkNorm(step.feedForwardNorm)
            let part = feedForward(Int(step.feedForward))
            try check(tensor(Int(part.up.tensor)).columns)
            let output = tensor(Int(part.down.tensor)).rows
            if step.replaces { stream.width = Int(output) } else { try check(output) }
        }
        if step.replaces {
            if section == .core { throw lie(.valueOutOfRange, Int64(step.flags)) }
            stream.fractionBits = step.fractionBits
        }
        if step.fractionBits != stream.fractionBits || !Limit.fractionBits.contains(step.fractionBits) {
            throw lie(.exponentOutOfRange, Int64(step.fractionBits))
        }
    }
}
