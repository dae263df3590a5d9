import ModelFile

/// Fields of the model record: stlm-1, section 3.
private enum Field {
    static let vocabulary = 4, blockSize = 20, bos = 32, endBlock = 144
    static let table = 212, slotPositions = 216, embedderBits = 220
    static let headKind = 240, inputNorm = 244, projection = 248, projectionBias = 252, projectionBits = 256
    static let byteTable = 260, headPositions = 264, headBits = 268, outputNorm = 272, output = 276, logitBits = 288
}

extension LieTrial {
    /// A u32 of the model record.
    private static func block(
        _ lie: Lie, _ region: String, at offset: Int, _ value: UInt32, says: [Int]? = nil, in sample: [UInt8] = Samples.slots
    ) -> LieTrial {
        LieTrial(lie, region, says: says ?? [Int(value)], in: sample) { $0.set(.model, at: offset, value) }
    }

    /// One field of the model record takes the value of another.
    private static func copy(
        _ lie: Lie, _ region: String, at offset: Int, of other: Int, says: [Int], in sample: [UInt8] = Samples.slots
    ) -> LieTrial {
        LieTrial(lie, region, says: says, in: sample) { $0.set(.model, at: offset, $0.field(.model, at: other)) }
    }

    private static func minus(_ value: Int32) -> UInt32 { UInt32(bitPattern: value) }

    /// stlm-1, section 3, in models with blocks: 4 slots, hidden size 12, byte blocks 8 wide, a byte decoder 20 wide.
    static let blocks: [LieTrial] = [
        block(.countOutOfRange, "model", at: Field.blockSize, 0, says: [0, 32]),
        block(.countOutOfRange, "model", at: Field.blockSize, 33, says: [33, 32]),
        block(.countOutOfRange, "model", at: Field.blockSize, 0, says: [0, 32], in: Samples.pooled),
        block(.countOutOfRange, "model", at: Field.blockSize, 0, says: [0, 32], in: Samples.written),
        block(.wrongShape, "embedder", at: Field.blockSize, 5, says: [4, 5]),
        block(.wrongShape, "head", at: Field.blockSize, 5, says: [4, 5], in: Samples.written),
        LieTrial(.indexOutOfRange, "model", says: [258], in: Samples.slots) { $0.set(.model, at: Field.endBlock + 2, UInt16(258)) },
        // A fifth symbol of four.
        LieTrial(.indexOutOfRange, "model", says: [1], in: Samples.slots) { $0.set(.model, at: Field.endBlock + 8, UInt16(1)) },
        block(.valueOutOfRange, "model", at: Field.bos, 1),
        block(.valueOutOfRange, "model", at: Field.bos, 1, in: Samples.pooled),
        block(.countOutOfRange, "model", at: Field.vocabulary, 0, in: Samples.pooled),
        block(.countOutOfRange, "model", at: Field.vocabulary, 0, in: Samples.written),

        block(.indexOutOfRange, "embedder", at: Field.table, 4_000),
        copy(.wrongShape, "embedder", at: Field.table, of: Field.slotPositions, says: [4, 258]),
        LieTrial(.wrongEncoding, "embedder", says: [3], in: Samples.slots) { $0.set(.model, at: Field.table, UInt32($0.normWeight)) },
        block(.indexOutOfRange, "embedder", at: Field.slotPositions, EvilFile.none),
        copy(.wrongShape, "embedder", at: Field.slotPositions, of: Field.table, says: [258, 4]),
        copy(.wrongShape, "embedder", at: Field.slotPositions, of: Field.headPositions, says: [20, 8], in: Samples.decoder),
        block(.exponentOutOfRange, "embedder", at: Field.embedderBits, 63),
        block(.exponentOutOfRange, "embedder", at: Field.embedderBits, minus(-33), says: [-33]),
        block(.reservedNotZero, "embedder", at: 232, 4, says: []),

        block(.unknownCode, "head", at: Field.headKind, 0),
        block(.unknownCode, "head", at: Field.headKind, 4),
        block(.valueOutOfRange, "head", at: Field.headKind, 1, says: []),
        LieTrial(.wrongShape, "head", says: [32, 8], in: Samples.slots) {
            // A decoder has one width in the end of its projection, not one a slot.
            $0.set(.model, at: Field.headKind, UInt32(3))
            $0.set(.model, at: Field.byteTable, $0.field(.model, at: Field.table))
        },
        LieTrial(.wrongShape, "head", says: [20, 80], in: Samples.decoder) {
            $0.set(.model, at: Field.headKind, UInt32(2))
            $0.set(.model, at: Field.byteTable, EvilFile.none)
        },
        block(.wrongShape, "head", at: Field.inputNorm, 0, says: [8, 12]),
        block(.indexOutOfRange, "head", at: Field.inputNorm, 4_001, in: Samples.decoder),
        block(.indexOutOfRange, "head", at: Field.projection, 4_002),
        copy(.wrongShape, "head", at: Field.projection, of: Field.output, says: [258, 32]),
        copy(.wrongShape, "head", at: Field.projection, of: Field.byteTable, says: [258, 20], in: Samples.decoder),
        block(.indexOutOfRange, "head", at: Field.projectionBias, 4_003),
        block(.wrongActivationBits, "head", at: Field.projectionBits, 0),
        copy(.valueOutOfRange, "head", at: Field.byteTable, of: Field.table, says: []),
        block(.indexOutOfRange, "head", at: Field.byteTable, EvilFile.none, in: Samples.decoder),
        copy(.wrongShape, "head", at: Field.byteTable, of: Field.table, says: [8, 20], in: Samples.decoder),
        copy(.wrongShape, "head", at: Field.byteTable, of: Field.headPositions, says: [4, 258], in: Samples.decoder),
        block(.indexOutOfRange, "head", at: Field.headPositions, EvilFile.none),
        copy(.wrongShape, "head", at: Field.headPositions, of: Field.output, says: [258, 4]),
        block(.exponentOutOfRange, "head", at: Field.headBits, 63),
        block(.exponentOutOfRange, "head", at: Field.headBits, minus(-33), says: [-33], in: Samples.decoder),
        block(.indexOutOfRange, "head", at: Field.outputNorm, 4_004),
        block(.wrongShape, "head", at: Field.outputNorm, 2, says: [16, 8]),
        block(.indexOutOfRange, "head", at: Field.output, 4_005),
        copy(.wrongShape, "head", at: Field.output, of: Field.projection, says: [32, 258]),
        copy(.wrongShape, "head", at: Field.output, of: Field.table, says: [8, 20], in: Samples.decoder),
        block(.exponentOutOfRange, "head", at: Field.logitBits, 63),
        block(.reservedNotZero, "head", at: 300, 4, says: []),
        LieTrial(.wrongShape, "attentions", says: [3, 4], in: Samples.short) {
            // Fewer angles than a block has slots.
            let rotation = $0.tensor(encoding: 4)
            $0.set(.tensors, rotation, at: 4, UInt32(3))
            $0[tensor: rotation].removeLast($0[tensor: rotation].count / 4)
        },
    ]
}
