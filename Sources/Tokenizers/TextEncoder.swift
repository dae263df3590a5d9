import ModelFile

/// Encodes a text of any length, part by part, in fixed memory: stlm-1, sections 8.5 and 8.6.
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
    let text: UnsafePointer<UInt8>
    let byteCount: Int
    public private(set) var offset = 0
    /// Rank of the merge of a token and its right neighbour, or `noMerge`.
    private let ranks: UnsafeMutablePointer<UInt32>
    /// Tokens of the last part.
    public let tokens: UnsafeMutablePointer<UInt16>

    private static let noMerge: UInt32 = .max

    public init(_ tokenizer: Tokenizer, text: UnsafeBufferPointer<UInt8>, scratch: UnsafeMutableRawPointer) {
        self.tokenizer = tokenizer
        self.text = text.baseAddress ?? UnsafePointer(scratch.assumingMemoryBound(to: UInt8.self))
        byteCount = text.count
        ranks = scratch.assumingMemoryBound(to: UInt32.self)
        tokens = (scratch + (Self.partByteCount + 1) * 4).assumingMemoryBound(to: UInt16.self)
    }

    public var isAtEnd: Bool { offset == byteCount }

    /// Encodes the next part into `tokens`.
    /// - Returns: their count; 0 at the end of the text.
    public mutating func next() throws(NoPlaceToCut) -> Int {
        if isAtEnd { return 0 }
        let end = try partEnd()
        var count = fill(to: end)
        offset = end
        count = mergeAll(count)
        return count
    }

    /// The end of a part: a place to cut a little ahead, since merging takes time quadratic in the part.
    private func partEnd() throws(NoPlaceToCut) -> Int {
        var end = min(offset + 128, byteCount)
        let last = min(offset + Self.partByteCount, byteCount)
        while end < byteCount {
            if tokenizer.canCut(text[end - 1], text[end]) { return end }
            if end == last {
                // Perhaps there was one nearer.
                end = offset + 127
                while end > offset {
                    if tokenizer.canCut(text[end - 1], text[end]) { return end }
                    end -= 1
                }
                throw NoPlaceToCut(offset: offset)
            }
            end += 1
        }
        return byteCount
    }

    /// Step 1 and 2: the tokens before any merge.
    private func fill(to end: Int) -> Int {
        var count = 0
        if offset == 0, tokenizer.putsSpaceFirst {
            tokens[0] = tokenizer.character(0x20) ?? tokenizer.byteTokens[0x20]
            count = 1
        }
        var at = offset
        while at < end {
            if tokenizer.kind == .characters, let character = UTF8Character(text + at, count: end - at),
                let token = tokenizer.character(character.scalar) {
                tokens[count] = token
                at += character.byteCount
            } else {
                tokens[count] = tokenizer.byteTokens[Int(text[at])]
                at += 1
            }
            count += 1
        }
        return count
    }

    /// Step 3: least rank first, leftmost among equals.
    private func mergeAll(_ initialCount: Int) -> Int {
        var count = initialCount
        for k in 0..<max(0, count - 1) { ranks[k] = rank(k) }
        while count > 1 {
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
        return count
    }

    private func rank(_ k: Int) -> UInt32 {
        tokenizer.merge(tokens[k], tokens[k + 1]).map { UInt32($0.rank) } ?? Self.noMerge
    }
}
