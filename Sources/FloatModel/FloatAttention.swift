/// One attention part. Query head h uses KV head ⌊h · kvHeadCount / headCount⌋.
public struct FloatAttention: Sendable {
    /// ((headCount + 2 · kvHeadCount) · headSize, inputs): rows of all query heads, then keys, then values.
    public let qkv: FloatLinear
    /// (outputs, headCount · headSize)
    public let output: FloatLinear
    public let headCount: Int
    public let kvHeadCount: Int
    public let headSize: Int
    /// Rotary positions on adjacent pairs (2i, 2i + 1) of queries and keys (Su et al. 2021, RoFormer, section 3.4.2).
    public let rotary: Bool
    /// angle(p, i) = p · ropeBase^(−2i / headSize)
    public let ropeBase: Double
    /// False: every position sees all others.
    public let isCausal: Bool

    public init(qkv: FloatLinear, output: FloatLinear, headCount: Int, kvHeadCount: Int, headSize: Int, rotary: Bool,
                ropeBase: Double, isCausal: Bool) {
        (self.qkv, self.output) = (qkv, output)
        (self.headCount, self.kvHeadCount, self.headSize) = (headCount, kvHeadCount, headSize)
        (self.rotary, self.ropeBase, self.isCausal) = (rotary, ropeBase, isCausal)
    }

    func isSame(as other: FloatAttention) -> Bool {
        qkv.isSame(as: other.qkv) && output.isSame(as: other.output) && headCount == other.headCount
            && kvHeadCount == other.kvHeadCount && headSize == other.headSize && rotary == other.rotary
            && ropeBase == other.ropeBase && isCausal == other.isCausal
    }
}
