// Checks of the tokenizer's tables: stlm-1, section 8.

extension ModelFile {
    func validateTokenizer() throws(ModelFileError) {
        if tableByteCount(.tokenizer) == 0 {
            for kind in RegionKind.pieceOffsets.rawValue...RegionKind.adjacency.rawValue where tables[Int(kind)].byteCount > 0 {
                throw ModelFileError(.missingRegion, region: RegionKind.tokenizer.name)
            }
            return
        }
        let record = tokenizer
        guard let kind = TokenizerKind(rawValue: record.kind) else { throw tokenizerLie(.unknownCode, Int64(record.kind)) }
        let fixedByteCount = MemoryLayout<TokenizerRecord>.size
        for offset in fixedByteCount..<RegionKind.tokenizer.recordByteCount
        where tableBytes(.tokenizer).load(fromByteOffset: offset, as: UInt8.self) != 0 {
            throw tokenizerLie(.reservedNotZero)
        }
        if kind == .words { try validateWords(record) } else { try validateTokens(record, kind) }
    }

    private func tokenizerLie(_ lie: Lie, _ a: Int64 = 0, _ b: Int64 = 0) -> ModelFileError {
        ModelFileError(lie, region: "tokenizer", index: 0, a, b)
    }

    /// A tokenizer without tables, for a model of blocks only.
    private func validateWords(_ record: TokenizerRecord) throws(ModelFileError) {
        for raw in RegionKind.pieceOffsets.rawValue...RegionKind.adjacency.rawValue where tables[Int(raw)].byteCount > 0 {
            let name = RegionKind(rawValue: raw)!.name
            throw ModelFileError(.strayTokenizerRegion, region: name, Int64(record.kind))
        }
        if record.flags != 0 { throw tokenizerLie(.reservedNotZero) }
        if record.pieceCount != 0 { throw tokenizerLie(.countOutOfRange, Int64(record.pieceCount), 0) }
        if record.longestPiece != 0 { throw tokenizerLie(.countOutOfRange, Int64(record.longestPiece), 0) }
        for byte in 0..<256 where record.byteTokens[byte] != 0 {
            throw tokenizerLie(.indexOutOfRange, Int64(record.byteTokens[byte]), 0)
        }
        if record.preSplit != 0 { throw tokenizerLie(.unknownCode, Int64(record.preSplit)) }
        if !model.takesBlocks || !model.writesBlocks {
            throw tokenizerLie(.wordsWithoutBlocks, Int64(model.embedder.kind), Int64(model.head.kind))
        }
    }

    private func validateTokens(_ record: TokenizerRecord, _ kind: TokenizerKind) throws(ModelFileError) {
        func require(_ kind: RegionKind) throws(ModelFileError) {
            if tableByteCount(kind) == 0 { throw ModelFileError(.missingRegion, region: kind.name) }
        }
        try require(.pieceOffsets)
        try require(.pieceBytes)
        try require(.adjacency)
        if record.preSplit > 1 || (record.preSplit == 1 && kind != .bytes) {
            throw tokenizerLie(.unknownCode, Int64(record.preSplit))
        }
        // The rule of pieces knows no space put before the text.
        let allowed: UInt32 = record.preSplit == 0 ? 1 : 0
        if record.flags & ~allowed != 0 { throw tokenizerLie(.reservedNotZero) }
        let pieceCount = Int(clamping: record.pieceCount)
        let most = min(Limit.pieces, Int(model.vocabularySize))
        if pieceCount < 1 || pieceCount > most { throw tokenizerLie(.countOutOfRange, Int64(record.pieceCount), Int64(most)) }
        try validatePieces(pieceCount, longest: record.longestPiece)
        for byte in 0..<256 {
            let token = Int(record.byteTokens[byte])
            if token >= pieceCount { throw tokenizerLie(.indexOutOfRange, Int64(token), Int64(pieceCount)) }
            if !isPiece(token, UInt8(byte)) { throw tokenizerLie(.wrongBytePiece, Int64(token), Int64(byte)) }
        }
        try validateMerges(pieceCount)
        if kind == .bytes, tableByteCount(.characters) > 0 {
            throw ModelFileError(.strayTokenizerRegion, region: RegionKind.characters.name, Int64(record.kind))
        }
        try validateCharacters(pieceCount)
        try validateAdjacency()
    }

    private func pieceByte(_ offset: Int) -> UInt8 { tableBytes(.pieceBytes).load(fromByteOffset: offset, as: UInt8.self) }
    private func pieceLength(_ token: Int) -> Int { pieceOffset(token + 1) - pieceOffset(token) }

    private func isPiece(_ token: Int, _ byte: UInt8) -> Bool {
        pieceLength(token) == 1 && pieceByte(pieceOffset(token)) == byte
    }

    /// True if a piece is one character in UTF-8.
    private func isPiece(_ token: Int, scalar: UInt32) -> Bool {
        let start = pieceOffset(token)
        let length = scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4
        if pieceLength(token) != length { return false }
        if length == 1 { return UInt32(pieceByte(start)) == scalar }
        let mark: UInt32 = length == 2 ? 0xC0 : length == 3 ? 0xE0 : 0xF0
        for k in 0..<length {
            let shift = UInt32(6 * (length - 1 - k))
            let expected = k == 0 ? mark | scalar >> shift : 0x80 | scalar >> shift & 0x3F
            if UInt32(pieceByte(start + k)) != expected { return false }
        }
        return true
    }

    private func pieceOffset(_ index: Int) -> Int {
        Int(tableBytes(.pieceOffsets).load(fromByteOffset: 4 &* index, as: UInt32.self))
    }

    private func validatePieces(_ pieceCount: Int, longest: UInt32) throws(ModelFileError) {
        if recordCount(.pieceOffsets) != pieceCount + 1 {
            throw ModelFileError(.countOutOfRange, region: "piece offsets", Int64(recordCount(.pieceOffsets)), Int64(pieceCount + 1))
        }
        if longest > UInt32(Limit.pieceByteCount) {
            throw ModelFileError(.countOutOfRange, region: "tokenizer", Int64(longest), Int64(Limit.pieceByteCount))
        }
        var previous: UInt32 = 0
        var longestSeen: UInt32 = 0
        for index in 0...pieceCount {
            let offset = tableBytes(.pieceOffsets).load(fromByteOffset: 4 &* index, as: UInt32.self)
            if offset < previous || (index == 0 && offset != 0) {
                throw ModelFileError(.notAscending, region: "piece offsets", index: index)
            }
            longestSeen = max(longestSeen, offset - previous)
            previous = offset
        }
        let bytes = tableByteCount(.pieceBytes)
        if UInt64(previous) != UInt64(bytes) {
            throw ModelFileError(.indexOutOfRange, region: "piece offsets", index: pieceCount, Int64(previous), Int64(bytes))
        }
        if longestSeen != longest {
            throw ModelFileError(.wrongShape, region: "tokenizer", index: 0, Int64(longest), Int64(longestSeen))
        }
    }

    private func validateMerges(_ pieceCount: Int) throws(ModelFileError) {
        // Tens of thousands of merges are checked at every opening: plain pointers, read once.
        let merges = tableBytes(.merges).assumingMemoryBound(to: MergeRecord.self)
        let offsets = tableBytes(.pieceOffsets).assumingMemoryBound(to: UInt32.self)
        let bytes = tableBytes(.pieceBytes).assumingMemoryBound(to: UInt8.self)
        var previous: Int64 = -1
        for index in 0..<recordCount(.merges) {
            let merge = merges[index]
            let key = Int64(merge.key)
            if key <= previous { throw ModelFileError(.notAscending, region: "merges", index: index) }
            previous = key
            let greatest = Int(max(max(merge.left, merge.right), merge.result))
            if greatest >= pieceCount {
                throw ModelFileError(.indexOutOfRange, region: "merges", index: index, Int64(greatest), Int64(pieceCount))
            }
            if !isJoined(merge, offsets, bytes) { throw ModelFileError(.wrongMergePiece, region: "merges", index: index, Int64(merge.result)) }
        }
    }

    /// True if the piece of a merge's result is that of its left part followed by that of its right part.
    @inline(__always)
    private func isJoined(_ merge: MergeRecord, _ offsets: UnsafePointer<UInt32>, _ bytes: UnsafePointer<UInt8>) -> Bool {
        func range(_ token: UInt16) -> (start: Int, count: Int) {
            let start = Int(offsets[Int(token)])
            return (start, Int(offsets[Int(token) &+ 1]) &- start)
        }
        let left = range(merge.left), right = range(merge.right), result = range(merge.result)
        if result.count != left.count &+ right.count { return false }
        for k in 0..<left.count where bytes[result.start &+ k] != bytes[left.start &+ k] { return false }
        for k in 0..<right.count where bytes[result.start &+ left.count &+ k] != bytes[right.start &+ k] { return false }
        return true
    }

    /// The set of neighbouring bytes, computed anew and compared: a text cut at a wrong place would encode otherwise.
    private func validateAdjacency() throws(ModelFileError) {
        var bits = InlineArray<1024, UInt64>(repeating: 0)
        let offsets = tableBytes(.pieceOffsets).assumingMemoryBound(to: UInt32.self)
        let bytes = tableBytes(.pieceBytes).assumingMemoryBound(to: UInt8.self)
        for token in 0..<Int(tokenizer.pieceCount) {
            var k = Int(offsets[token]) &+ 1
            let end = Int(offsets[token &+ 1])
            while k < end {
                let bit = Int(bytes[k &- 1]) &<< 8 | Int(bytes[k])
                bits[bit &>> 6] |= 1 &<< UInt64(bit & 63)
                k &+= 1
            }
        }
        let stored = tableBytes(.adjacency)
        for word in 0..<1024 where stored.load(fromByteOffset: word * 8, as: UInt64.self) != bits[word] {
            throw ModelFileError(.wrongAdjacency, region: "adjacency", index: word)
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
            if !isPiece(Int(character.token), scalar: character.scalar) {
                throw ModelFileError(.wrongCharacterPiece, region: "characters", index: index, Int64(character.token))
            }
        }
    }
}
