import Checkpoints
import Foundation
import ModelFile

/// The tokenizer regions of a model file: stlm-1, section 8.
package struct TokenizerTables {
    package var record: TokenizerRecord
    var pieces: [[UInt8]]
    package var merges: [MergeRecord]
    var characters: [CharacterRecord]

    /// The tables of what a tokenizer file holds.
    package init(_ source: TokenizerSource, vocabularySize: Int) throws(PackError) {
        switch source {
        case .llama2(let pieces): try self.init(llama2: pieces, vocabularySize: vocabularySize)
        case .merges(let merges): try self.init(merges: merges, vocabularySize: vocabularySize)
        case .byteLevel(let tokenizer): try self.init(tokenizer, vocabularySize: vocabularySize)
        }
    }

    /// Words, which need no table: for models that take and write blocks.
    package static var words: TokenizerTables {
        TokenizerTables(record: TokenizerRecord(kind: .words, flags: 0, pieceCount: 0, longestPiece: 0), pieces: [], merges: [], characters: [])
    }

    private init(record: TokenizerRecord, pieces: [[UInt8]], merges: [MergeRecord], characters: [CharacterRecord]) {
        self.record = record
        self.pieces = pieces
        self.merges = merges
        self.characters = characters
    }

    /// Byte-level BPE: pieces and merges as they are.
    package init(_ source: ByteLevelTokenizer, vocabularySize: Int) throws(PackError) {
        pieces = source.pieces
        if pieces.count != vocabularySize { throw .tokenizerMismatch(tokenizer: pieces.count, model: vocabularySize) }
        if pieces.count > Limit.pieces { throw .tokenizerTooLarge(count: pieces.count, limit: Limit.pieces) }
        for (id, piece) in pieces.enumerated() where piece.count > Limit.pieceByteCount {
            throw .pieceTooLong(token: id, byteCount: piece.count)
        }
        merges = source.merges.enumerated().map { rank, merge in
            MergeRecord(left: UInt16(merge.left), right: UInt16(merge.right), result: UInt16(merge.result), rank: UInt16(rank))
        }.sorted { $0.key < $1.key }
        characters = []
        record = TokenizerRecord(
            kind: .bytes, flags: 0, pieceCount: UInt32(pieces.count), longestPiece: UInt32(pieces.map(\.count).max() ?? 0),
            preSplit: source.isPreSplit ? 1 : 0)
        let special = Set(source.specialIds)
        for (id, piece) in pieces.enumerated() where piece.count == 1 && !special.contains(id) {
            record.byteTokens[Int(piece[0])] = UInt16(id)
        }
    }

    /// STLM's byte pair encoding: bytes, merges in the order of their ranks, then `<|pad|>` and `<|endoftext|>` as the last two ids.
    package init(merges pairs: [(Int, Int)], vocabularySize: Int) throws(PackError) {
        let count = 256 + pairs.count
        if vocabularySize > Limit.pieces { throw .tokenizerTooLarge(count: vocabularySize, limit: Limit.pieces) }
        if vocabularySize < count + 2 { throw .tokenizerMismatch(tokenizer: count + 2, model: vocabularySize) }
        if vocabularySize > count + 2 { throw .tokenizerMismatch(tokenizer: count + 2, model: vocabularySize) }
        pieces = (0..<256).map { [UInt8($0)] }
        var records: [MergeRecord] = []
        for (rank, (left, right)) in pairs.enumerated() {
            let piece = pieces[left] + pieces[right]
            if piece.count > Limit.pieceByteCount { throw .pieceTooLong(token: 256 + rank, byteCount: piece.count) }
            pieces.append(piece)
            records.append(MergeRecord(left: UInt16(left), right: UInt16(right), result: UInt16(256 + rank), rank: UInt16(rank)))
        }
        pieces += [Array("<|pad|>".utf8), Array("<|endoftext|>".utf8)]
        merges = records.sorted { $0.key < $1.key }
        characters = []
        record = TokenizerRecord(kind: .bytes, flags: 0, pieceCount: UInt32(pieces.count), longestPiece: 0)
        for byte in 0..<256 { record.byteTokens[byte] = UInt16(byte) }
        record.longestPiece = UInt32(pieces.map(\.count).max()!)
    }

    /// llama2.c's tokenizer: pieces with scores; ids 0 to 2 are control tokens, 3 to 258 the bytes.
    ///
    /// A merge there is any pair whose joined text is a piece, best score first. Scores become ranks, equal ones equal.
    package init(llama2 source: [(bytes: [UInt8], score: Float)], vocabularySize: Int) throws(PackError) {
        if source.count != vocabularySize { throw .tokenizerMismatch(tokenizer: source.count, model: vocabularySize) }
        if source.count > Limit.pieces { throw .tokenizerTooLarge(count: source.count, limit: Limit.pieces) }
        if source.count < 259 { throw .tokenizerMismatch(tokenizer: source.count, model: 259) }
        var byText: [[UInt8]: Int] = [:]
        for (id, piece) in source.enumerated() where byText[piece.bytes] == nil { byText[piece.bytes] = id }

        pieces = source.map(\.bytes)
        for byte in 0..<256 { pieces[3 + byte] = [UInt8(byte)] }
        let first = 259
        // Ranks of distinct scores, best first.
        let scores = Set(source[first...].map(\.score)).sorted(by: >)
        let rankOfScore = Dictionary(uniqueKeysWithValues: zip(scores, 0...))
        var records: [MergeRecord] = []
        for id in first..<max(first, source.count) where byText[source[id].bytes] == id {
            let text = source[id].bytes
            if text.count > Limit.pieceByteCount { throw .pieceTooLong(token: id, byteCount: text.count) }
            for cut in 1..<max(1, text.count) {
                guard let left = byText[Array(text[..<cut])], let right = byText[Array(text[cut...])],
                    left >= first, right >= first else { continue }
                records.append(MergeRecord(
                    left: UInt16(left), right: UInt16(right), result: UInt16(id), rank: UInt16(rankOfScore[source[id].score]!)))
            }
        }
        merges = records.sorted { $0.key < $1.key }
        var single: [UInt32: UInt32] = [:]
        for (text, id) in byText where id >= first {
            let scalars = String(decoding: text, as: UTF8.self).unicodeScalars
            if scalars.count == 1, Array(String(scalars.first!).utf8) == text { single[scalars.first!.value] = UInt32(id) }
        }
        characters = single.sorted { $0.key < $1.key }.map { CharacterRecord(scalar: $0.key, token: $0.value) }
        record = TokenizerRecord(kind: .characters, flags: 1, pieceCount: UInt32(pieces.count), longestPiece: 0)
        for byte in 0..<256 { record.byteTokens[byte] = UInt16(3 + byte) }
        record.longestPiece = UInt32(pieces.map(\.count).max()!)
    }

    /// Region 14: which bytes stand next to each other inside a piece.
    var adjacency: [UInt8] {
        var bits = [UInt8](repeating: 0, count: Layout.adjacencyByteCount)
        func mark(_ text: [UInt8]) {
            for k in 1..<max(1, text.count) {
                let bit = Int(text[k - 1]) << 8 | Int(text[k])
                bits[bit >> 3] |= 1 << UInt8(bit & 7)
            }
        }
        pieces.forEach(mark)
        return bits
    }

    /// The regions, ready to write.
    package var regions: [(kind: RegionKind, bytes: [UInt8])] {
        let padding = RegionKind.tokenizer.recordByteCount - MemoryLayout<TokenizerRecord>.size
        var result: [(RegionKind, [UInt8])] = [(.tokenizer, rawBytes([record]) + [UInt8](repeating: 0, count: padding))]
        if record.kind == TokenizerKind.words.rawValue { return result }
        var offsets: [UInt32] = [0]
        for piece in pieces { offsets.append(offsets.last! + UInt32(piece.count)) }
        result += [(.pieceOffsets, rawBytes(offsets)), (.pieceBytes, pieces.flatMap { $0 })]
        if !merges.isEmpty { result.append((.merges, rawBytes(merges))) }
        if !characters.isEmpty { result.append((.characters, rawBytes(characters))) }
        result.append((.adjacency, adjacency))
        return result
    }
}

/// The bytes of fixed-width records as they lie in memory, which on the little-endian machines that Swift runs on are those of the file.
func rawBytes<Record>(_ records: [Record]) -> [UInt8] {
    records.withUnsafeBytes { Array($0) }
}
