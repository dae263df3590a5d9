import FloatModel
import Foundation
import ModelFile

/// A float model to the bytes of a model file.
package struct ModelPacker {
    let store: MatrixStore
    let choices: MatrixChoices

    init(_ store: MatrixStore, _ choices: MatrixChoices) { (self.store, self.choices) = (store, choices) }

    /// - Parameters:
    ///   - ranges: those of the model
    ///   - ledger: what was measured, if anything
    ///   - byteLimit: the file's greatest size, if there is one; blocks begin on pages of their own only where that keeps it.
    /// - Returns: the file, and what stands in the report.
    func pack(
        _ model: FloatModel, _ ranges: Calibration, tokenizer: TokenizerTables?, ledger: Ledger? = nil, byteLimit: Int? = nil
    ) -> (bytes: [UInt8], shelf: TensorShelf) {
        let shelf = TensorShelf()
        var parts = PlacedParts(model)

        // In the order in which a computation first reads them.
        let embedder = place(model, ranges, &parts, shelf)
        place(model.schedule, .core, ranges.core, model, &parts, shelf)
        let head = placeHead(model, ranges, &parts, shelf)

        var record = ModelRecord(embedder: embedder, head: head)
        record.hiddenSize = UInt32(model.hiddenSize)
        record.vocabularySize = UInt32(model.vocabularySize)
        record.contextDefault = UInt32(model.contextDefault)
        record.contextMaximum = UInt32(model.contextMaximum)
        record.kvSlotCount = parts.slotCount
        record.blockSize = UInt32(model.blockSize)
        for (slot, symbol) in model.endBlock.enumerated() { record.endBlock[slot] = UInt16(symbol) }
        record.residualFractionBits = Int32(ranges.core.start)
        record.flags = model.isCausal ? 1 : 0
        setDefaults(&record, model)
        var text: [UInt8] = []
        record.description = append(model.sourceDescription, to: &text)
        let names = shelf.names(text: &text)
        record.uniqueParameterCount = UInt64(model.parameterCount)
        record.parameterCount = UInt64(model.matrices.reduce(0) { sum, matrix in
            sum + matrix.names.reduce(0) { $0 + $1.rowCount * matrix.columns }
        })

        let ledgerRecord = ledger?.record(text: &text)
        var writer = ModelFileWriter()
        writer.add(.model, rawBytes([record]))
        writer.add(.schedule, rawBytes(parts.steps))
        let attentions = parts.attentions.compactMap { $0 }, feedForwards = parts.feedForwards.compactMap { $0 }
        if !attentions.isEmpty { writer.add(.attentions, rawBytes(attentions)) }
        if !feedForwards.isEmpty { writer.add(.feedForwards, rawBytes(feedForwards)) }
        if !parts.norms.isEmpty { writer.add(.norms, rawBytes(parts.norms)) }
        writer.add(.tensors, rawBytes(shelf.entries.map(\.tensor.record)))
        writer.add(.names, rawBytes(names))
        writer.add(.text, text)
        for region in tokenizer?.regions ?? [] { writer.add(region.kind, region.bytes) }
        if let ledger, let ledgerRecord {
            writer.add(.ledger, rawBytes([ledgerRecord]))
            writer.add(.tensorErrors, rawBytes(shelf.entries.map { ledger.error(of: $0) }))
        }
        // Its checksums are put in when the file can be run: PackedFile.transcribed.
        writer.add(.transcript, rawBytes([TranscriptRecord(positionCount: TranscriptRecord.positionCount(record))]))
        for entry in shelf.entries { writer.add(.weights, entry.tensor.bytes, startsBlock: entry.startsBlock) }
        return (writer.bytes(limit: byteLimit), shelf)
    }

    // MARK: The rest of the model record

    private func setDefaults(_ record: inout ModelRecord, _ model: FloatModel) {
        record.bosToken = model.bosId.map(UInt32.init) ?? Layout.none
        record.padToken = model.padId.map(UInt32.init) ?? Layout.none
        record.endCount = UInt32(min(4, model.eosIds.count))
        for (k, id) in model.eosIds.prefix(4).enumerated() { record.endTokens[k] = UInt32(id) }
        // The sources' own: STLM's configs/generator/baseline.yaml, and llama2.c's run.c.
        switch model.sourceKind {
        case .stlm:
            record.temperature = 52_429  // 0.8
            record.topK = 10
            record.topP = 65_536
        case .llama2c:
            record.temperature = 65_536
            record.topK = 0
            record.topP = 58_982  // 0.9
        }
        record.minP = 0
        record.repeatPenalty = 65_536
        record.repeatWindow = 64
    }

    private func append(_ string: String, to text: inout [UInt8]) -> TextRange {
        // An empty text region is not allowed, and neither are NUL bytes.
        let bytes = string.isEmpty ? [0x3F] : Array(string.utf8.filter { $0 != 0 })
        let range = TextRange(offset: UInt32(text.count), byteCount: UInt32(bytes.count))
        text += bytes
        return range
    }

    /// Exponents and fraction bits of the format reach a little beyond 2^60.
    private static let greatestWeight: Float = 0x1p60

    /// Refuses what the format cannot hold.
    package static func checkLimits(_ model: FloatModel) throws(PackError) {
        func check(_ what: String, _ value: Int, _ limit: Int) throws(PackError) {
            if value > limit { throw .overLimit(what: what, value: value, limit: limit) }
        }
        try check("a hidden size", model.hiddenSize, Limit.width)
        try check("a vocabulary", model.vocabularySize, Limit.rows)
        try check("a context", model.contextMaximum, Limit.context)
        try check("a number of steps", model.allSteps.count, Limit.parts)
        try check("a block", model.blockSize, Limit.blockSize)
        for norm in model.norms { try check("a width", norm.weight?.columns ?? 0, Limit.width) }
        if case .byteSlots(let head) = model.head { try check("a projection", head.projection.weight.rows, Limit.rows) }
        for attention in model.attentions {
            try check("a head size", attention.headSize, Limit.headSize)
            try check("a width of all heads", attention.headCount * attention.headSize, Limit.width)
        }
        for part in model.feedForwards { try check("a feed-forward size", part.up.weight.rows, Limit.width) }
        for matrix in model.matrices {
            if let value = matrix.values.first(where: { abs($0) > greatestWeight }) {
                throw .weightTooLarge(tensor: matrix.names.first?.name ?? "", value: value)
            }
        }
    }
}
