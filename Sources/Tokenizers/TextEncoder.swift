import ModelFile

/// Cuts a text of any length into items, part by part, in fixed memory: stlm-1, sections 8.5 to 8.11. An item is a token, or a word
/// where the tokenizer has no tokens; either can be written as a block.
public struct TextEncoder {
    /// Bytes of text encoded at once; a text without a place to cut in so many bytes is refused.
    public static let partByteCount = 4096
    /// Scratch that `init` needs, at a multiple of 4.
    public static let scratchByteCount = (partByteCount + 1) * 6 + 6

    /// The text has no place to cut in `partByteCount` bytes after this offset.
    public struct NoPlaceToCut: Error {
        public var offset: Int
    }

    let tokenizer: Tokenizer
    private let text: ClassedText
    /// Symbols of a block.
    private let blockSize: Int
    /// Bytes of the text that are encoded.
    public private(set) var offset = 0
    private var partStart = 0
    /// Items of the part at hand.
    public private(set) var itemCount = 0
    /// A tokenizer that puts a space before a text does so before this one.
    private let putsSpaceFirst: Bool
    /// No merge crosses this place.
    private var pieceEnd = 0
    /// Rank of the merge of a token and its right neighbour, or `noMerge`.
    private let ranks: UnsafeMutablePointer<UInt32>
    /// Tokens of the last part; meaningless where the tokenizer has none.
    public let tokens: UnsafeMutablePointer<UInt16>

    private static let noMerge: UInt32 = .max

    /// - Parameters:
    ///   - blockSize: symbols of a block; 0 for a model that takes no blocks, and at least 1 for a tokenizer of words.
    ///   - isContinued: the text goes on after another
    public init(
        _ tokenizer: Tokenizer, blockSize: Int = 0, text: UnsafeBufferPointer<UInt8>, isContinued: Bool = false,
        scratch: UnsafeMutableRawPointer
    ) {
        precondition(blockSize > 0 || tokenizer.givesTokens, "words need a block size")
        self.tokenizer = tokenizer
        self.blockSize = blockSize
        putsSpaceFirst = tokenizer.putsSpaceFirst && !isContinued
        let bytes = text.baseAddress ?? UnsafePointer(scratch.assumingMemoryBound(to: UInt8.self))
        self.text = ClassedText(bytes: bytes, byteCount: text.count)
        ranks = scratch.assumingMemoryBound(to: UInt32.self)
        tokens = (scratch + (Self.partByteCount + 1) * 4).assumingMemoryBound(to: UInt16.self)
    }

    public var isAtEnd: Bool { offset == text.byteCount }

    /// Encodes the next part.
    /// - Returns: its count of items; 0 at the end of the text.
    public mutating func next() throws(NoPlaceToCut) -> Int {
        try beginPart()
        while !mergePart(most: .max) {}
        return itemCount
    }

    /// Begins the next part, for callers that work in portions: `mergePart` does the rest.
    public mutating func beginPart() throws(NoPlaceToCut) {
        itemCount = 0
        if isAtEnd { return }
        partStart = offset
        if !tokenizer.givesTokens {
            offset = text.wordEnd(from: offset, byteLimit: blockSize)
            itemCount = 1
            return
        }
        if offset == pieceEnd { pieceEnd = tokenizer.isPreSplit ? text.gpt2PieceEnd(from: offset) : text.byteCount }
        let end = try partEnd()
        itemCount = fill(to: end)
        offset = end
        for k in 0..<max(0, itemCount - 1) { ranks[k] = rank(k) }
    }

    /// Writes the block of item `k` of the last part: stlm-1, section 8.11.
    /// - Parameters:
    ///   - symbols: (blockSize)
    public func writeBlock(_ k: Int, into symbols: UnsafeMutablePointer<UInt32>) {
        if tokenizer.givesTokens {
            tokenizer.writeBlock(UInt32(tokens[k]), blockSize: blockSize, into: symbols)
        } else {
            let range = wordRange(k)
            let bytes = UnsafeBufferPointer(start: text.bytes + range.lowerBound, count: range.count)
            Tokenizers.writeBlock(bytes, blockSize: blockSize, into: symbols)
        }
    }

    /// The bytes of the text that item `k` of the last part is, where the tokenizer has no tokens.
    public func wordRange(_ k: Int) -> Range<Int> {
        precondition(k == 0 && !tokenizer.givesTokens, "only words have ranges, one a part")
        return partStart..<offset
    }

    /// The end of a part: a place to cut a little ahead, since merging takes time quadratic in the part.
    private func partEnd() throws(NoPlaceToCut) -> Int {
        let bytes = text.bytes
        var end = min(offset + 128, pieceEnd)
        let last = min(offset + Self.partByteCount, pieceEnd)
        while end < pieceEnd {
            if tokenizer.canCut(bytes[end - 1], bytes[end]) { return end }
            if end == last {
                // Perhaps there was one nearer.
                end = offset + 127
                while end > offset {
                    if tokenizer.canCut(bytes[end - 1], bytes[end]) { return end }
                    end -= 1
                }
                throw NoPlaceToCut(offset: offset)
            }
            end += 1
        }
        return pieceEnd
    }

    /// Section 8.6, steps 1 and 3: the tokens before any merge.
    private func fill(to end: Int) -> Int {
        var count = 0
        if offset == 0, putsSpaceFirst {
            tokens[0] = tokenizer.character(0x20) ?? tokenizer.byteTokens[0x20]
            count = 1
        }
        var at = offset
        while at < end {
            if tokenizer.kind == .characters, let character = UTF8Character(text.bytes + at, count: end - at),
                let token = tokenizer.character(character.scalar) {
                tokens[count] = token
                at += character.byteCount
            } else {
                tokens[count] = tokenizer.byteTokens[Int(text.bytes[at])]
                at += 1
            }
            count += 1
        }
        return count
    }

    /// Step 4: least rank first, leftmost among equals. Each merge looks at all of the part.
    /// - Returns: true if no two tokens merge any more; false after `most` merges
    public mutating func mergePart(most: Int) -> Bool {
        if !tokenizer.givesTokens { return true }
        var count = itemCount, left = most
        defer { itemCount = count }
        while count > 1 {
            if left == 0 { return false }
            left -= 1
            var best = Self.noMerge
            var at = 0
            for k in 0..<count &- 1 where ranks[k] < best {
                best = ranks[k]
                at = k
            }
            if best == Self.noMerge { break }
            tokens[at] = tokenizer.merge(tokens[at], tokens[at + 1])!.result
            count -= 1
            for k in at + 1..<max(at + 1, count) {
                tokens[k] = tokens[k + 1]
                ranks[k] = ranks[k + 1]
            }
            if at + 1 < count { ranks[at] = rank(at) }
            if at > 0 { ranks[at - 1] = rank(at - 1) }
        }
        return true
    }

    private func rank(_ k: Int) -> UInt32 {
        tokenizer.merge(tokens[k], tokens[k + 1]).map { UInt32($0.rank) } ?? Self.noMerge
    }
}
