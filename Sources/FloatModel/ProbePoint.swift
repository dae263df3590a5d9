/// A named place in the forward pass, where a probe sees the numbers. `step` counts through the schedule.
public enum ProbePoint: Hashable, Sendable, CustomStringConvertible {
    /// The residual stream after embedding and positions, (S, H).
    case embedding
    /// The input of the QKV projection, after the norm, (S, H).
    case attentionInput(step: Int)
    /// Queries, keys and values after rotation, (S, (headCount + 2 · kvHeadCount) · headSize).
    case attentionVectors(step: Int)
    /// Heads side by side, the input of the output projection, (S, headCount · headSize).
    case attentionMix(step: Int)
    /// What attention adds to the stream, (S, H).
    case attentionOutput(step: Int)
    /// The residual stream between attention and feed-forward, (S, H).
    case middle(step: Int)
    /// The input of the feed-forward part, after the norm, (S, H).
    case feedForwardInput(step: Int)
    /// Results of gate and up before the activation, (S, F); the gate only where there is one.
    case feedForwardGate(step: Int), feedForwardUp(step: Int)
    /// The input of the down projection, (S, F).
    case feedForwardInner(step: Int)
    /// What the feed-forward part adds to the stream, (S, H).
    case feedForwardOutput(step: Int)
    /// The residual stream after the step, (S, H).
    case residual(step: Int)
    /// The input of the head, (S, H).
    case headInput
    /// (S, V)
    case logits

    public var description: String {
        switch self {
        case .embedding: return "embedding"
        case .attentionInput(let step): return "step \(step) attention input"
        case .attentionVectors(let step): return "step \(step) attention vectors"
        case .attentionMix(let step): return "step \(step) attention mix"
        case .attentionOutput(let step): return "step \(step) attention output"
        case .middle(let step): return "step \(step) middle"
        case .feedForwardInput(let step): return "step \(step) feed-forward input"
        case .feedForwardGate(let step): return "step \(step) feed-forward gate"
        case .feedForwardUp(let step): return "step \(step) feed-forward up"
        case .feedForwardInner(let step): return "step \(step) feed-forward inner"
        case .feedForwardOutput(let step): return "step \(step) feed-forward output"
        case .residual(let step): return "step \(step) residual"
        case .headInput: return "head input"
        case .logits: return "logits"
        }
    }
}
