/// Byte pair encoding over bytes, as GPT-2 and its relatives have it: every byte is a piece, and so is the result of every merge.
public struct ByteLevelTokenizer: Sendable {
    /// Three ids; the piece of the third is that of the first followed by that of the second.
    public typealias Merge = (left: Int, right: Int, result: Int)

    /// The bytes of each id, at least one.
    public var pieces: [[UInt8]]
    /// The first is tried first.
    public var merges: [Merge]
    /// Merges stay inside the pieces of GPT-2's rule.
    public var isPreSplit: Bool
    /// Ids that no text becomes, ascending, such as `<|endoftext|>`: neither bytes nor results of merges.
    public var specialIds: [Int]

    public init(pieces: [[UInt8]], merges: [Merge], isPreSplit: Bool, specialIds: [Int]) {
        self.pieces = pieces
        self.merges = merges
        self.isPreSplit = isPreSplit
        self.specialIds = specialIds
    }
}
