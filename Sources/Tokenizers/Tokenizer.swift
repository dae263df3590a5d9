import ModelFile

/// A view of a model file's tokenizer tables, searched where they lie: stlm-1, section 8.
public struct Tokenizer {
    public let pieceCount: Int
    public let putsSpaceFirst: Bool
    public let kind: TokenizerKind
    /// Merges stay inside the pieces of GPT-2's rule.
    let isPreSplit: Bool
    let byteTokens: UnsafePointer<UInt16>
    let pieceOffsets: UnsafePointer<UInt32>
    let pieceBytes: UnsafePointer<UInt8>
    let merges: UnsafePointer<MergeRecord>
    let mergeCount: Int
    let characters: UnsafePointer<CharacterRecord>
    let characterCount: Int
    let adjacency: UnsafePointer<UInt8>

    /// nil if the file has no tokenizer.
    public init?(_ file: ModelFile) {
        guard file.hasTokenizer else { return nil }
        let record = file.tokenizer
        pieceCount = Int(record.pieceCount)
        putsSpaceFirst = record.putsSpaceFirst
        kind = TokenizerKind(rawValue: record.kind)!
        isPreSplit = record.preSplit != 0
        byteTokens = (file.tableBytes(.tokenizer) + 16).assumingMemoryBound(to: UInt16.self)
        pieceOffsets = file.tableBytes(.pieceOffsets).assumingMemoryBound(to: UInt32.self)
        pieceBytes = file.tableBytes(.pieceBytes).assumingMemoryBound(to: UInt8.self)
        merges = file.tableBytes(.merges).assumingMemoryBound(to: MergeRecord.self)
        mergeCount = file.recordCount(.merges)
        characters = file.tableBytes(.characters).assumingMemoryBound(to: CharacterRecord.self)
        characterCount = file.recordCount(.characters)
        adjacency = file.tableBytes(.adjacency).assumingMemoryBound(to: UInt8.self)
    }

    /// True if a text becomes tokens; words are blocks without ids.
    public var givesTokens: Bool { kind != .words }

    /// The bytes that a token stands for; none for a token beyond the pieces.
    public func piece(_ token: UInt32) -> UnsafeBufferPointer<UInt8> {
        guard token < UInt32(pieceCount) else { return UnsafeBufferPointer(start: nil, count: 0) }
        let start = Int(pieceOffsets[Int(token)])
        return UnsafeBufferPointer(start: pieceBytes + start, count: Int(pieceOffsets[Int(token) + 1]) - start)
    }

    /// The token whose piece is one byte.
    public func token(of byte: UInt8) -> UInt32 { UInt32(byteTokens[Int(byte)]) }

    /// The merge of two neighbouring tokens, or nil: binary search.
    @inline(__always)
    func merge(_ left: UInt16, _ right: UInt16) -> MergeRecord? {
        let key = UInt32(left) &<< 16 | UInt32(right)
        var low = 0
        var high = mergeCount
        while low < high {
            let middle = (low &+ high) / 2
            if merges[middle].key < key { low = middle &+ 1 } else { high = middle }
        }
        return low < mergeCount && merges[low].key == key ? merges[low] : nil
    }

    /// The token of a character that is one by itself, or nil.
    func character(_ scalar: UInt32) -> UInt16? {
        var low = 0
        var high = characterCount
        while low < high {
            let middle = (low &+ high) / 2
            if characters[middle].scalar < scalar { low = middle &+ 1 } else { high = middle }
        }
        return low < characterCount && characters[low].scalar == scalar ? UInt16(characters[low].token) : nil
    }

    /// True if a text may be cut between two bytes.
    @inline(__always)
    func canCut(_ a: UInt8, _ b: UInt8) -> Bool {
        let bit = Int(a) &<< 8 | Int(b)
        return adjacency[bit &>> 3] & (1 &<< UInt8(bit & 7)) == 0
    }
}
