import ModelFile

extension LieTrial {
    private static func attention(_ lie: Lie, at offset: Int, _ value: UInt32, says: [Int]? = nil) -> LieTrial {
        LieTrial(lie, "attentions", says: says ?? [1, Int(value)]) { $0.set(.attentions, 1, at: offset, value) }
    }

    private static func feedForward(
        _ lie: Lie, at offset: Int, _ value: UInt32, says: [Int]? = nil, in sample: [UInt8] = Samples.rich
    ) -> LieTrial {
        LieTrial(lie, "feed-forwards", says: says ?? [1, Int(value)], in: sample) { $0.set(.feedForwards, 1, at: offset, value) }
    }

    private static func norm(_ lie: Lie, at offset: Int, _ value: UInt32, says: [Int]? = nil) -> LieTrial {
        LieTrial(lie, "norms", says: says ?? [2, Int(value)]) { $0.set(.norms, 2, at: offset, value) }
    }

    private static func step(_ lie: Lie, at offset: Int, _ value: UInt32, says: [Int]? = nil) -> LieTrial {
        LieTrial(lie, "schedule", says: says ?? [1, Int(value)]) { $0.set(.schedule, 1, at: offset, value) }
    }

    private static func minus(_ value: Int32) -> UInt32 { UInt32(bitPattern: value) }

    /// stlm-1, sections 4 and 5. Both heads of both attentions have 4 elements.
    static let parts: [LieTrial] = [
        attention(.indexOutOfRange, at: 0, 4_000),
        attention(.indexOutOfRange, at: 4, 4_001),
        attention(.wrongActivationBits, at: 8, 4),
        attention(.indexOutOfRange, at: 12, 4_002),
        LieTrial(.wrongShape, "attentions", says: [1, 260, 24]) { $0.set(.attentions, 1, at: 0, UInt32($0.embedding)) },
        LieTrial(.wrongEncoding, "attentions", says: [1, 3]) { $0.set(.attentions, 1, at: 12, UInt32($0.normWeight)) },
        attention(.wrongActivationBits, at: 20, 32),
        attention(.countOutOfRange, at: 24, 0),
        attention(.countOutOfRange, at: 24, 16_385, says: [16_385, 16_384]),
        attention(.headsDoNotDivide, at: 28, 0, says: [2, 0]),
        attention(.headsDoNotDivide, at: 28, 3, says: [2, 3]),
        LieTrial(.headsDoNotDivide, "attentions", says: [3, 2]) { $0.set(.attentions, 1, at: 24, UInt32(3)) },
        attention(.wrongShape, at: 28, 1, says: [24, 16]),
        attention(.countOutOfRange, at: 32, 0),
        attention(.countOutOfRange, at: 32, 4_097, says: [4_097, 4_096]),
        attention(.indexOutOfRange, at: 36, 4_003),
        LieTrial(.wrongEncoding, "attentions", says: [1, 3]) { $0.set(.attentions, 1, at: 36, UInt32($0.normWeight)) },
        LieTrial(.wrongShape, "attentions", says: [16, 33]) {
            // More positions than the table has angles for.
            $0.set(.model, at: 12, UInt32(33))
        },
        LieTrial(.valueOutOfRange, "attentions", says: [1]) {
            // Eight heads of one element have the same widths, but no pairs.
            $0.set(.attentions, 0, at: 24, UInt32(8))
            $0.set(.attentions, 0, at: 28, UInt32(8))
            $0.set(.attentions, 0, at: 32, UInt32(1))
        },
        attention(.unknownCode, at: 40, 1),
        attention(.valueOutOfRange, at: 44, 0x3FFF_FFFF),
        attention(.valueOutOfRange, at: 44, 0x8000_0000),
        attention(.exponentOutOfRange, at: 48, 65),
        attention(.exponentOutOfRange, at: 48, minus(-1), says: [-1]),
        attention(.reservedNotZero, at: 60, 1, says: [1]),

        feedForward(.unknownCode, at: 0, 0),
        feedForward(.unknownCode, at: 0, 3),
        feedForward(.unknownCode, at: 4, 8),
        feedForward(.indexOutOfRange, at: 0, 2, says: [Int(UInt32.max)]),
        feedForward(.valueOutOfRange, at: 8, 3),
        feedForward(.valueOutOfRange, at: 12, 0, says: [1]),
        feedForward(.valueOutOfRange, at: 16, 8, says: [1]),
        feedForward(.indexOutOfRange, at: 8, 4_004, in: Samples.plain),
        feedForward(.indexOutOfRange, at: 20, 4_005),
        LieTrial(.countOutOfRange, "feed-forwards", says: [65_537, 65_536]) {
            // A taller matrix than a feed-forward may be wide.
            let index = Int($0.field(.feedForwards, 1, at: 20))
            $0.set(.tensors, index, at: 4, UInt32(65_537))
            $0[tensor: index] = [UInt8](repeating: 0, count: 65_552 * 8 + 2 * 65_552)
            for name in 0..<$0.count(.names) where $0.field(.names, name, at: 8) == index { $0.set(.names, name, at: 16, UInt32(1)) }
        },
        feedForward(.wrongActivationBits, at: 28, 24),
        feedForward(.indexOutOfRange, at: 32, 4_006),
        LieTrial(.wrongShape, "feed-forwards", says: [1, 12, 8]) { $0.set(.feedForwards, 1, at: 32, $0.field(.feedForwards, 1, at: 20)) },
        feedForward(.wrongActivationBits, at: 40, 1),
        feedForward(.indexOutOfRange, at: 44, 4_007),
        LieTrial(.wrongEncoding, "feed-forwards", says: [1, 3]) { $0.set(.feedForwards, 1, at: 44, UInt32($0.normWeight)) },
        feedForward(.valueOutOfRange, at: 4, 6, says: [1]),
        feedForward(.reservedNotZero, at: 60, 1, says: [1]),

        norm(.unknownCode, at: 0, 0),
        norm(.unknownCode, at: 0, 3),
        norm(.indexOutOfRange, at: 4, 4_008),
        LieTrial(.wrongEncoding, "norms", says: [2, 1]) { $0.set(.norms, 2, at: 4, UInt32($0.embedding)) },
        LieTrial(.wrongShape, "norms", says: [2, 24, 8]) { $0.set(.norms, 2, at: 4, $0.field(.attentions, at: 4)) },
        norm(.indexOutOfRange, at: 8, 4_009),
        norm(.exponentOutOfRange, at: 12, 63),
        norm(.exponentOutOfRange, at: 12, minus(-33), says: [2, -33]),
        norm(.wrongNormBias, at: 12, 3),
        norm(.reservedNotZero, at: 28, 1, says: [2]),

        step(.indexOutOfRange, at: 0, 2),
        step(.indexOutOfRange, at: 4, 2),
        step(.indexOutOfRange, at: 8, 5),
        step(.indexOutOfRange, at: 12, 5),
        step(.indexOutOfRange, at: 16, 2),
        step(.unknownCode, at: 20, 0),
        step(.unknownCode, at: 20, 4),
        // A model of tokens has steps in its core alone.
        LieTrial(.stepWithoutSection, "schedule", says: [0]) { $0.set(.schedule, 0, at: 20, UInt32(1)) },
        step(.stepWithoutSection, at: 20, 3, says: [1]),
        step(.notAscending, at: 20, 1, says: [1]),
        step(.reservedNotZero, at: 24, 2, says: [1]),
        step(.valueOutOfRange, at: 24, 1),
        step(.exponentOutOfRange, at: 28, 63),
        step(.exponentOutOfRange, at: 28, 3),
        step(.normWithoutPart, at: 4, EvilFile.none, says: [1]),
        LieTrial(.normWithoutPart, "schedule", says: [1]) {
            $0.set(.schedule, 1, at: 0, EvilFile.none)
            $0.set(.schedule, 1, at: 16, EvilFile.none)
        },
        LieTrial(.emptyStep, "schedule", says: [1]) { file in
            for offset in stride(from: 0, to: 20, by: 4) { file.set(.schedule, 1, at: offset, EvilFile.none) }
        },
        step(.slotWithoutAttention, at: 16, EvilFile.none, says: [1]),
        LieTrial(.slotWithoutAttention, "schedule", says: [1]) {
            $0.set(.schedule, 1, at: 0, EvilFile.none)
            $0.set(.schedule, 1, at: 8, EvilFile.none)
        },
        step(.slotUsedTwice, at: 16, 0, says: [1, 0]),
        LieTrial(.slotUnused, "schedule", says: [3, 2]) { $0.set(.model, at: 16, UInt32(3)) },
    ]
}
