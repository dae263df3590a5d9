import ModelFile

extension LieTrial {
    private static func tokenizer(_ lie: Lie, at offset: Int, _ value: UInt32, says: [Int]? = nil) -> LieTrial {
        LieTrial(lie, "tokenizer", says: says ?? [Int(value)]) { $0.set(.tokenizer, at: offset, value) }
    }

    /// A file whose tokenizer is of words, without tables.
    private static let wordsSample: [UInt8] = {
        var file = EvilFile(Samples.slots)
        putWords(&file)
        return file.bytes()
    }()

    /// Words in place of the tokenizer that is there.
    @Sendable private static func putWords(_ file: inout EvilFile) {
        for kind in [RegionKind.tokenizer, .pieceOffsets, .pieceBytes, .merges, .characters, .adjacency] { file.remove(kind) }
        insert(.tokenizer, [UInt8](repeating: 0, count: 1024), &file)
        file.set(.tokenizer, at: 0, TokenizerKind.words.rawValue)
    }

    /// Puts a region where its kind belongs.
    private static func insert(_ kind: RegionKind, _ bytes: [UInt8], _ file: inout EvilFile) {
        let place = file.regions.firstIndex { $0.kind > kind.rawValue }!
        file.regions.insert(.init(kind: kind.rawValue, alignment: 64, bytes: bytes), at: place)
    }

    /// A field of the record of words that is not zero.
    private static func words(_ lie: Lie, at offset: Int, _ value: some FixedWidthInteger & Sendable, says: [Int]) -> LieTrial {
        LieTrial(lie, "tokenizer", says: says, in: wordsSample) { $0.set(.tokenizer, at: offset, value) }
    }

    /// A table that words do not have.
    private static func stray(_ kind: RegionKind, count: Int) -> LieTrial {
        LieTrial(.strayTokenizerRegion, "\(kind.name)", says: [3], in: wordsSample) { insert(kind, [UInt8](repeating: 0, count: count), &$0) }
    }

    private static func character(_ lie: Lie, says: [Int] = [], _ tell: @escaping @Sendable (inout EvilFile) -> Void) -> LieTrial {
        LieTrial(lie, "characters", says: says, in: Samples.characters, tell)
    }

    /// stlm-1, section 8. The rich sample has bytes, "he", "hel" and two control tokens of at most 13 bytes.
    static let tokenizer: [LieTrial] = [
        tokenizer(.unknownCode, at: 0, 0),
        tokenizer(.unknownCode, at: 0, 4),
        LieTrial(.strayTokenizerRegion, "characters", says: [1], in: Samples.characters) { $0.set(.tokenizer, at: 0, UInt32(1)) },
        tokenizer(.reservedNotZero, at: 4, 2, says: []),
        tokenizer(.countOutOfRange, at: 8, 0),
        tokenizer(.countOutOfRange, at: 8, 261, says: [261, 260]),
        LieTrial(.countOutOfRange, "piece offsets", says: [261, 260]) { $0.set(.tokenizer, at: 8, UInt32(259)) },
        tokenizer(.wrongShape, at: 12, 12, says: [12, 13]),
        tokenizer(.countOutOfRange, at: 12, 4_097, says: [4_097, 4_096]),
        tokenizer(.unknownCode, at: 528, 2),
        LieTrial(.unknownCode, "tokenizer", says: [1], in: Samples.characters) { $0.set(.tokenizer, at: 528, UInt32(1)) },
        LieTrial(.reservedNotZero, "tokenizer") { $0.set(.tokenizer, at: 4, UInt32(1)); $0.set(.tokenizer, at: 528, UInt32(1)) },
        tokenizer(.reservedNotZero, at: 532, 1, says: []),
        tokenizer(.reservedNotZero, at: 1_020, 1 << 31, says: []),
        LieTrial(.indexOutOfRange, "tokenizer", says: [260]) { $0.set(.tokenizer, at: 16 + 2 * 65, UInt16(260)) },
        LieTrial(.wrongBytePiece, "tokenizer", says: [66, 65]) { $0.set(.tokenizer, at: 16 + 2 * 65, UInt16(66)) },
        LieTrial(.wrongBytePiece, "tokenizer", says: [256, 104]) { $0.set(.tokenizer, at: 16 + 2 * 104, UInt16(256)) },

        LieTrial(.notAscending, "piece offsets", says: [0]) { $0.set(.pieceOffsets, 0, at: 0, UInt32(1)) },
        LieTrial(.notAscending, "piece offsets", says: [101]) { $0.set(.pieceOffsets, 101, at: 0, UInt32(99)) },
        LieTrial(.indexOutOfRange, "piece offsets", says: [260]) { $0.set(.pieceOffsets, 260, at: 0, UInt32(1_000_000)) },
        LieTrial(.indexOutOfRange, "piece offsets", says: [260]) { $0[.pieceBytes].append(0x61) },

        LieTrial(.notAscending, "merges", says: [1]) { $0[.merges] = [UInt8]($0[.merges][8...] + $0[.merges][..<8]) },
        LieTrial(.notAscending, "merges", says: [1]) { $0[.merges].replaceSubrange(8..., with: $0[.merges][..<8]) },
        LieTrial(.indexOutOfRange, "merges", says: [0, 260]) { $0.set(.merges, 0, at: 4, UInt16(260)) },
        LieTrial(.indexOutOfRange, "merges", says: [1, 300]) { $0.set(.merges, 1, at: 2, UInt16(300)) },
        LieTrial(.wrongMergePiece, "merges", says: [0, 257]) { $0.set(.merges, 0, at: 4, UInt16(257)) },
        LieTrial(.wrongMergePiece, "merges", says: [0, 256]) { $0.set(.merges, 0, at: 2, UInt16(102)) },

        character(.notAscending, says: [1]) { $0[.characters].replaceSubrange(8..<16, with: $0[.characters][..<8]) },
        character(.characterNotAScalar, says: [0x11_0000]) { $0.set(.characters, $0.count(.characters) - 1, at: 0, UInt32(0x11_0000)) },
        character(.characterNotAScalar, says: [0xDFFF]) {
            // In place of the last, which is beyond the surrogates.
            $0.set(.characters, $0.count(.characters) - 1, at: 0, UInt32(0xDFFF))
        },
        character(.indexOutOfRange, says: [0, 70_000]) { $0.set(.characters, 0, at: 4, UInt32(70_000)) },
        character(.wrongCharacterPiece, says: [0, 3]) { $0.set(.characters, 0, at: 4, UInt32(3)) },
        character(.wrongCharacterPiece) { $0.set(.characters, $0.count(.characters) - 1, at: 0, UInt32(0x1F601)) },

        LieTrial(.wrongAdjacency, "adjacency") { $0[.adjacency][1_000] ^= 4 },
        LieTrial(.wrongAdjacency, "adjacency", says: [1_023]) { $0[.adjacency][8_191] ^= 128 },
        LieTrial(.wrongAdjacency, "adjacency") { $0[.adjacency] = [UInt8](repeating: 0, count: 8_192) },

        stray(.pieceOffsets, count: 4), stray(.pieceBytes, count: 1), stray(.merges, count: 8), stray(.characters, count: 8),
        stray(.adjacency, count: 8_192),
        words(.reservedNotZero, at: 4, UInt32(1), says: []),
        words(.countOutOfRange, at: 8, UInt32(256), says: [256, 0]),
        words(.countOutOfRange, at: 12, UInt32(1), says: [1, 0]),
        words(.indexOutOfRange, at: 16 + 2 * 255, UInt16(7), says: [7, 0]),
        words(.unknownCode, at: 528, UInt32(1), says: [1]),
        words(.reservedNotZero, at: 1_020, UInt32(1), says: []),
        LieTrial(.missingRegion, "piece offsets", in: wordsSample) { $0.set(.tokenizer, at: 0, UInt32(1)) },
        LieTrial(.strayTokenizerRegion, "piece offsets", says: [3]) { $0.set(.tokenizer, at: 0, UInt32(3)) },
        // Words in models that take tokens, or give them, or both.
        LieTrial(.wordsWithoutBlocks, "tokenizer", says: [1, 1], in: Samples.plain, putWords),
        LieTrial(.wordsWithoutBlocks, "tokenizer", says: [2, 1], in: Samples.pooled, putWords),
        LieTrial(.wordsWithoutBlocks, "tokenizer", says: [1, 2], in: Samples.written, putWords),
    ]
}
