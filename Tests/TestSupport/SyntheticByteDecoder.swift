/// The sizes of a synthetic model's byte decoder; its norm and biases are the head's.
public struct SyntheticByteDecoder: Sendable {
    /// D
    public var width = 16
    public var layerCount = 2
    public var headCount = 4
    /// Query heads a KV head.
    public var groupSize = 2
    /// `swiglu` or `generic`
    public var feedForwardType = "swiglu"
    public var feedForwardSize = 24
    /// Only for `generic` feed-forward parts.
    public var activation = "gelu"
    public var isFeedForwardShared = false
    /// The output layer is the table of symbols.
    public var isTied = true

    public init() {}
}
