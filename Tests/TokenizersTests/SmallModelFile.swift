import ModelFile

/// The least model file that is valid around some tokenizer regions: two numbers wide, one step.
enum SmallModelFile {
    private struct Region {
        var kind: RegionKind
        var bytes: [UInt8]
    }

    /// - Parameters:
    ///   - blockSize: 0 for a model of tokens, else one that takes and writes blocks of so many symbols.
    static func bytes(tokenizer: [(kind: RegionKind, bytes: [UInt8])], vocabularySize: Int, blockSize: Int = 0) -> [UInt8] {
        // (rows, columns) of int8 matrices: the table, the two of the feed-forward, and with blocks positions and projection.
        var shapes = [(blockSize == 0 ? vocabularySize : Symbol.count, 2), (2, 2), (2, 2)]
        if blockSize > 0 { shapes += [(blockSize, 2), (blockSize * 2, 2)] }
        let output = LinearRecord(tensor: 0, activationBits: 8)
        var head = HeadRecord(kind: blockSize == 0 ? .linear : .byteSlots, output: output, logitFractionBits: 10)
        if blockSize > 0 {
            head.projection = LinearRecord(tensor: 4, activationBits: 8)
            head.positionTensor = 3
        }
        let embedder = blockSize == 0
            ? EmbedderRecord(kind: .tokens, table: 0, fractionBits: 0)
            : EmbedderRecord(kind: .bytes, table: 0, positionTensor: 3, fractionBits: 0)
        var model = ModelRecord(embedder: embedder, head: head)
        (model.hiddenSize, model.vocabularySize, model.contextDefault, model.contextMaximum) = (2, UInt32(vocabularySize), 1, 1)
        (model.blockSize, model.topP, model.repeatPenalty) = (UInt32(blockSize), 65_536, 65_536)
        let step = StepRecord(
            attention: Layout.none, feedForward: 0, attentionNorm: Layout.none, feedForwardNorm: Layout.none, kvSlot: Layout.none,
            section: .core, fractionBits: 0)
        let feedForward = FeedForwardRecord(
            kind: .plain, activation: .relu, gate: .absent, up: LinearRecord(tensor: 1, activationBits: 8),
            down: LinearRecord(tensor: 2, activationBits: 8), activationTensor: Layout.none)
        let name = NameRecord(text: TextRange(offset: 0, byteCount: 1), target: 0, firstRow: 0, rowCount: 1)
        let tensors = shapes.map { TensorRecord(encoding: .int8Rows, rows: $0.0, columns: $0.1, exponent: 0) }
        var regions = [
            Region(kind: .model, bytes: raw([model])), Region(kind: .schedule, bytes: raw([step])),
            Region(kind: .feedForwards, bytes: raw([feedForward])), Region(kind: .tensors, bytes: raw(tensors)),
            Region(kind: .names, bytes: raw([name])), Region(kind: .text, bytes: [0x61]),
        ]
        regions += tokenizer.map { Region(kind: $0.kind, bytes: $0.bytes) }
        regions += shapes.map {
            Region(kind: .weights, bytes: [UInt8](repeating: 0, count: Encoding.int8Rows.byteCount(rows: $0.0, columns: $0.1)))
        }
        return file(regions)
    }

    private static func file(_ regions: [Region]) -> [UInt8] {
        var content: [UInt8] = []
        var records: [RegionRecord] = []
        let start = 64 + 32 * regions.count
        for region in regions {
            content += [UInt8](repeating: 0, count: Layout.align(start + content.count, 64) - start - content.count)
            records.append(RegionRecord(
                kind: region.kind, alignment: 64, offset: start + content.count, byteCount: region.bytes.count,
                checksum: checksum(region.bytes)))
            content += region.bytes
        }
        var header = FileHeader(fileByteCount: UInt64(start + content.count), regionCount: UInt32(regions.count))
        header.checksum = checksum(raw([header]) + raw(records))
        return raw([header]) + raw(records) + content
    }

    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { CRC32.of($0.baseAddress!, byteCount: $0.count) }
    }

    private static func raw<Record>(_ records: [Record]) -> [UInt8] { records.withUnsafeBytes { Array($0) } }
}
