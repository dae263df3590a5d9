/// The scalar function inside a feed-forward part.
public enum ActivationKind: String, Sendable, Equatable, CaseIterable {
    /// x Φ(x), with the error function, not its tanh approximation.
    case gelu
    case relu
    /// Slope 0.01 below zero.
    case leakyRelu
    case tanh, sigmoid
    /// x σ(x)
    case silu
    case identity
    /// b₂ + Σ w₂ⱼ relu(w₁ⱼ x + b₁ⱼ), with weights from the checkpoint.
    case learned
}

/// The weights of a learned scalar function; ten hidden units in STLM.
public struct LearnedActivation: Sendable {
    /// (units, 1)
    public let w1: FloatMatrix
    /// (1, units)
    public let b1: FloatMatrix
    /// (1, units)
    public let w2: FloatMatrix
    /// (1, 1)
    public let b2: FloatMatrix

    public init(w1: FloatMatrix, b1: FloatMatrix, w2: FloatMatrix, b2: FloatMatrix) {
        (self.w1, self.b1, self.w2, self.b2) = (w1, b1, w2, b2)
    }
}

public struct FloatActivation: Sendable {
    public let kind: ActivationKind
    /// Present exactly for `.learned`.
    public let learned: LearnedActivation?

    public init(kind: ActivationKind, learned: LearnedActivation? = nil) {
        (self.kind, self.learned) = (kind, learned)
    }

    func isSame(as other: FloatActivation) -> Bool {
        kind == other.kind && learned?.w1 === other.learned?.w1 && learned?.b1 === other.learned?.b1
            && learned?.w2 === other.learned?.w2 && learned?.b2 === other.learned?.b2
    }
}
