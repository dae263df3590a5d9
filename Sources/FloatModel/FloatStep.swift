/// One step of the schedule: x ← x + attention(norm(x)), then x ← x + feedForward(norm(x)). All are indices into the
/// lists of `FloatModel`; nil leaves the part out.
public struct FloatStep: Sendable, Equatable {
    public var attention: Int?
    public var feedForward: Int?
    /// nil: the attention reads x as it is.
    public var attentionNorm: Int?
    public var feedForwardNorm: Int?

    public init(attention: Int?, feedForward: Int?, attentionNorm: Int?, feedForwardNorm: Int?) {
        (self.attention, self.feedForward) = (attention, feedForward)
        (self.attentionNorm, self.feedForwardNorm) = (attentionNorm, feedForwardNorm)
    }
}
