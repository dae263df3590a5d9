// Checks of the tokenizer's tables: stlm-1, section 8.

extension ModelFile {
    func validateTokenizer() throws(ModelFileError) {
        let present = tableByteCount(.tokenizer) > 0
        func requireTogether(_ kind: RegionKind) throws(ModelFileError) {
            if (tableByteCount(kind) > 0) != present {
                throw ModelFileError(.missingRegion, region: present ? kind.name : RegionKind.tokenizer.name)
            }
        }
        try requireTogether(.pieceOffsets)
        try requireTogether(.pieceBytes)
        try requireTogether(.adjacency)
        if !present {
            if tableByteCount(.merges) > 0 || tableByteCount(.characters) > 0 {
                throw ModelFileError(.missingRegion, region: RegionKind.tokenizer.name)
            }
            return
        }
        let record = tokenizer
        func lie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
            ModelFileError(lie, region: "tokenizer", index: 0, a, b)
        }
        guard let kind = TokenizerKind(rawValue: record.kind) else { throw lie(.unknownCode, Int64(record.kind)) }
        if record.flags & ~1 != 0 { throw lie(.reservedNotZero) }
        let fixedByteCount = MemoryLayout<TokenizerRecord>.size
        for offset in fixedByteCount..<RegionKind.tokenizer.recordByteCount
        where tableBytes(.tokenizer).load(fromByteOffset: offset, as: UInt8.self) != 0 {
            throw lie(.reservedNotZero)
        }
        let pieceCount = Int(record.pieceCount)
        let most = min(Limit.pieces, Int(model.vocabularySize))
        if pieceCount < 1 || pieceCount > most { throw lie(.countOutOfRange, Int64(pieceCount), Int64(most)) }
        for byte in 0..<256 where Int(record.byteTokens[byte]) >= pieceCount {
            throw lie(.indexOutOfRange, Int64(record.byteTokens[byte]), Int64(pieceCount))
        }
        try validatePieces(pieceCount, longest: Int(record.longestPiece))
        try validateMerges(pieceCount)
        if kind == .bytes, tableByteCount(.characters) > 0 { throw lie(.unknownCode, Int64(record.kind)) }
        try validateCharacters(pieceCount)
    }

    private func pieceOffset(_ index: Int) -> Int {
        Int(tableBytes(.pieceOffsets).load(fromByteOffset: 4 &* index, as: UInt32.self))
    }

    private func validatePieces(_ pieceCount: Int, longest: Int) throws(ModelFileError) {
        if recordCount(.pieceOffsets) != pieceCount + 1 {
            throw ModelFileError(.countOutOfRange, region: "piece offsets", Int64(recordCount(.pieceOffsets)), Int64(pieceCount + 1))
        }
        if longest > Limit.pieceByteCount {
            throw ModelFileError(.countOutOfRange, region: "tokenizer", Int64(longest), Int64(Limit.pieceByteCount))
        }
        var previous = 0
        var longestSeen = 0
        for index in 0...pieceCount {
            let offset = pieceOffset(index)
            if offset < previous || (index == 0 && offset != 0) {
                throw ModelFileError(.notAscending, region: "piece offsets", index: index)
            }
            longestSeen = max(longestSeen, offset - previous)
            previous = offset
        }
        let bytes = tableByteCount(.pieceBytes)
        if previous != bytes, !(previous == 0 && bytes == 1) {
            throw ModelFileError(.indexOutOfRange, region: "piece offsets", index: pieceCount, Int64(previous), Int64(bytes))
        }
        if longestSeen != longest {
            throw ModelFileError(.wrongShape, region: "tokenizer", index: 0, Int64(longest), Int64(longestSeen))
        }
    }

    private func validateMerges(_ pieceCount: Int) throws(ModelFileError) {
        var previous: Int64 = -1
        for index in 0..<recordCount(.merges) {
            let merge = record(.merges, index, as: MergeRecord.self)
            let key = Int64(merge.key)
            if key <= previous { throw ModelFileError(.notAscending, region: "merges", index: index) }
            previous = key
            let greatest = Int(max(max(merge.left, merge.right), merge.result))
            if greatest >= pieceCount {
                throw ModelFileError(.indexOutOfRange, region: "merges", index: index, Int64(greatest), Int64(pieceCount))
            }
            func length(_ token: UInt16) -> Int { pieceOffset(Int(token) + 1) - pieceOffset(Int(token)) }
            let made = length(merge.result)
            let from = length(merge.left) + length(merge.right)
            if made != from { throw ModelFileError(.mergeWrongLength, region: "merges", index: index, Int64(made), Int64(from)) }
        }
    }

    private func validateCharacters(_ pieceCount: Int) throws(ModelFileError) {
        var previous: Int64 = -1
        for index in 0..<recordCount(.characters) {
            let character = record(.characters, index, as: CharacterRecord.self)
            if Int64(character.scalar) <= previous { throw ModelFileError(.notAscending, region: "characters", index: index) }
            previous = Int64(character.scalar)
            if character.scalar > 0x10FFFF || (0xD800...0xDFFF).contains(character.scalar) {
                throw ModelFileError(.characterNotAScalar, region: "characters", index: index, Int64(character.scalar))
            }
            if character.token >= UInt32(pieceCount) {
                throw ModelFileError(.indexOutOfRange, region: "characters", index: index, Int64(character.token), Int64(pieceCount))
            }
        }
    }
}
