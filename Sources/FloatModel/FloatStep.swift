/// One step of a schedule: x ← x + attention(norm(x)), then x ← x + feedForward(norm(x)), or x ← feedForward(norm(x)) if it
/// replaces. All are indices into the lists of `FloatModel`; nil leaves the part out.
public struct FloatStep: Sendable, Equatable {
    public var attention: Int?
    public var feedForward: Int?
    /// nil: the attention reads x as it is.
    public var attentionNorm: Int?
    public var feedForwardNorm: Int?
    /// The feed-forward part's result takes the place of x, whose width may change by it.
    public var replaces: Bool

    public init(attention: Int?, feedForward: Int?, attentionNorm: Int?, feedForwardNorm: Int?, replaces: Bool = false) {
        (self.attention, self.feedForward) = (attention, feedForward)
        (self.attentionNorm, self.feedForwardNorm) = (attentionNorm, feedForwardNorm)
        self.replaces = replaces
    }
}
