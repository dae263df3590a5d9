/// A named place in the forward pass, where a probe sees the numbers. `step` counts through the schedule of its part.
///
/// R rows: in the core one a position, (S); in a byte embedder or byte head one a slot, position after position, (S · C) — of a
/// byte decoder only the slots up to the one that closes their block. D is the width of the part's stream at the step.
public enum ProbePoint: Hashable, Sendable, CustomStringConvertible {
    /// The stream of slots at the start of a byte embedder or byte head, (R, D).
    case start(part: FloatSection)
    /// The residual stream of the core at its start, (S, H).
    case embedding
    /// The input of the QKV projection, after the norm, (R, D).
    case attentionInput(step: Int, part: FloatSection = .core)
    /// Queries, keys and values after rotation, (R, (headCount + 2 · kvHeadCount) · headSize).
    case attentionVectors(step: Int, part: FloatSection = .core)
    /// Heads side by side, the input of the output projection, (R, headCount · headSize).
    case attentionMix(step: Int, part: FloatSection = .core)
    /// What attention adds to the stream, (R, D).
    case attentionOutput(step: Int, part: FloatSection = .core)
    /// The residual stream between attention and feed-forward, (R, D).
    case middle(step: Int, part: FloatSection = .core)
    /// The input of the feed-forward part, after the norm, (R, D).
    case feedForwardInput(step: Int, part: FloatSection = .core)
    /// Results of gate and up before the activation, (R, F); the gate only where there is one.
    case feedForwardGate(step: Int, part: FloatSection = .core), feedForwardUp(step: Int, part: FloatSection = .core)
    /// The input of the down projection, (R, F).
    case feedForwardInner(step: Int, part: FloatSection = .core)
    /// What the feed-forward part adds to the stream or puts in its place, (R, D of the next step).
    case feedForwardOutput(step: Int, part: FloatSection = .core)
    /// The residual stream after the step, (R, D of the next step).
    case residual(step: Int, part: FloatSection = .core)
    /// The input of the head's first linear layer, after the norm if there is one, (S, H).
    case headInput
    /// The result of a byte head's first linear layer, (S, C · E) or (S, D).
    case projection
    /// The input of a byte head's output layer, after the norm if there is one, (R, D).
    case outputInput
    /// (S, V), or (R, 258) of a byte head.
    case logits

    public var description: String {
        func text(_ step: Int, _ part: FloatSection, _ what: String) -> String {
            (part == .core ? "" : part.rawValue + " ") + "step \(step) \(what)"
        }
        switch self {
        case .start(let part): return "\(part.rawValue) start"
        case .embedding: return "embedding"
        case .attentionInput(let step, let part): return text(step, part, "attention input")
        case .attentionVectors(let step, let part): return text(step, part, "attention vectors")
        case .attentionMix(let step, let part): return text(step, part, "attention mix")
        case .attentionOutput(let step, let part): return text(step, part, "attention output")
        case .middle(let step, let part): return text(step, part, "middle")
        case .feedForwardInput(let step, let part): return text(step, part, "feed-forward input")
        case .feedForwardGate(let step, let part): return text(step, part, "feed-forward gate")
        case .feedForwardUp(let step, let part): return text(step, part, "feed-forward up")
        case .feedForwardInner(let step, let part): return text(step, part, "feed-forward inner")
        case .feedForwardOutput(let step, let part): return text(step, part, "feed-forward output")
        case .residual(let step, let part): return text(step, part, "residual")
        case .headInput: return "head input"
        case .projection: return "head projection"
        case .outputInput: return "head output input"
        case .logits: return "logits"
        }
    }
}
