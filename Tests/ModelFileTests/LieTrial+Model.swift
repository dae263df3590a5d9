import ModelFile

extension LieTrial {
    /// A u32 of the model record.
    private static func model(
        _ lie: Lie, _ region: String = "model", at offset: Int, _ value: UInt32, says: [Int]? = nil, in sample: [UInt8] = Samples.rich
    ) -> LieTrial {
        LieTrial(lie, region, says: says ?? [Int(value)], in: sample) { $0.set(.model, at: offset, value) }
    }

    private static func minus(_ value: Int32) -> UInt32 { UInt32(bitPattern: value) }

    /// stlm-1, section 3, in models of tokens.
    static let model: [LieTrial] = [
        model(.countOutOfRange, at: 0, 1),
        model(.countOutOfRange, at: 0, 65_537),
        model(.wrongShape, "embedder", at: 0, 9, says: [8, 9]),
        model(.countOutOfRange, at: 4, 0),
        model(.countOutOfRange, at: 4, 1_048_577),
        model(.wrongShape, "embedder", at: 4, 261, says: [260, 261]),
        model(.countOutOfRange, at: 8, 0),
        model(.countOutOfRange, at: 8, 17),
        model(.countOutOfRange, at: 12, 0),
        model(.countOutOfRange, at: 12, 65_537),
        model(.countOutOfRange, at: 16, 4_097),
        model(.countOutOfRange, at: 20, 4, says: [4, 0]),
        model(.exponentOutOfRange, at: 24, 63),
        model(.exponentOutOfRange, at: 24, minus(-33), says: [-33]),
        model(.reservedNotZero, at: 28, 3, says: []),
        model(.indexOutOfRange, at: 32, 260),
        model(.indexOutOfRange, at: 36, 261),
        model(.countOutOfRange, at: 40, 5, says: [5, 4]),
        LieTrial(.indexOutOfRange, "model", says: [262, 260]) {
            $0.set(.model, at: 40, UInt32(1))
            $0.set(.model, at: 44, UInt32(262))
        },
        model(.indexOutOfRange, at: 56, 3),
        model(.valueOutOfRange, at: 60, 6_553_601),
        model(.valueOutOfRange, at: 68, 0),
        model(.valueOutOfRange, at: 68, 65_537),
        model(.valueOutOfRange, at: 72, 65_537),
        model(.valueOutOfRange, at: 76, 6_553),
        model(.valueOutOfRange, at: 76, 6_553_601),
        model(.valueOutOfRange, at: 80, 65_537),
        model(.countOutOfRange, at: 84, 5, says: [5, 4]),
        LieTrial(.countOutOfRange, "model", says: [257, 256]) {
            $0.set(.model, at: 84, UInt32(1))
            $0.set(.model, at: 92, UInt32(257))
        },
        LieTrial(.countOutOfRange, "model", says: [0]) { $0.set(.model, at: 84, UInt32(1)) },
        LieTrial(.textOutOfRange, "model", says: [1_000_000]) {
            $0.set(.model, at: 84, UInt32(1))
            $0.set(.model, at: 88, UInt32(1_000_000))
            $0.set(.model, at: 92, UInt32(1))
        },
        model(.reservedNotZero, at: 116, 1, says: []),
        model(.textOutOfRange, at: 120, .max, says: [Int(UInt32.max)]),
        model(.textOutOfRange, at: 124, .max, says: []),
        // No block has a symbol, not even the first.
        model(.indexOutOfRange, at: 144, 1, says: [1]),
        model(.indexOutOfRange, at: 204, 7 << 16, says: [7]),
        model(.reservedNotZero, at: 320, 1, says: []),
        model(.reservedNotZero, at: 380, 1 << 31, says: []),

        model(.unknownCode, "embedder", at: 208, 0),
        model(.unknownCode, "embedder", at: 208, 3),
        model(.countOutOfRange, at: 208, 2, says: [0, 32]),
        model(.indexOutOfRange, "embedder", at: 212, 4_000),
        LieTrial(.wrongEncoding, "embedder", says: [3]) { $0.set(.model, at: 212, UInt32($0.normWeight)) },
        model(.indexOutOfRange, "embedder", at: 216, 4_001, in: Samples.plain),
        LieTrial(.wrongShape, "embedder", says: [8, 7], in: Samples.plain) {
            $0.set(.model, at: 8, UInt32(7))
            $0.set(.model, at: 12, UInt32(7))
        },
        model(.exponentOutOfRange, "embedder", at: 220, 63),
        model(.exponentOutOfRange, "embedder", at: 220, minus(-33), says: [-33]),
        // Those of the core are others.
        LieTrial(.exponentOutOfRange, "embedder", says: [5]) {
            $0.set(.model, at: 24, UInt32(6))
            $0.set(.model, at: 220, UInt32(5))
        },
        model(.reservedNotZero, "embedder", at: 224, 1, says: []),
        model(.reservedNotZero, "embedder", at: 236, 1 << 31, says: []),

        model(.countOutOfRange, at: 240, 2, says: [0, 32]),
        model(.countOutOfRange, at: 240, 3, says: [0, 32]),
        model(.indexOutOfRange, "head", at: 244, 5),
        model(.valueOutOfRange, "head", at: 248, 4),
        model(.valueOutOfRange, "head", at: 252, 5, says: []),
        model(.valueOutOfRange, "head", at: 256, 8, says: []),
        model(.valueOutOfRange, "head", at: 260, 2),
        model(.valueOutOfRange, "head", at: 264, 3),
        model(.exponentOutOfRange, "head", at: 268, 1),
        model(.valueOutOfRange, "head", at: 272, 0),
        model(.indexOutOfRange, "head", at: 276, 4_002),
        LieTrial(.wrongShape, "head", says: [24, 260]) { $0.set(.model, at: 276, $0.field(.attentions, at: 0)) },
        LieTrial(.wrongEncoding, "head", says: [3]) { $0.set(.model, at: 276, UInt32($0.normWeight)) },
        LieTrial(.wrongEncoding, "head", says: [1]) { $0.set(.model, at: 280, UInt32($0.embedding)) },
        LieTrial(.wrongShape, "head", says: [8, 260]) { $0.set(.model, at: 280, UInt32($0.normWeight)) },
        model(.wrongActivationBits, "head", at: 284, 9),
        model(.wrongActivationBits, "head", at: 284, 0),
        model(.exponentOutOfRange, "head", at: 288, 63),
        model(.exponentOutOfRange, "head", at: 288, minus(.min), says: [Int(Int32.min)]),
        model(.reservedNotZero, "head", at: 292, 1, says: []),
        model(.reservedNotZero, "head", at: 316, 1 << 31, says: []),
    ]
}
