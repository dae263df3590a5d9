/// Which normalisation stands before a part of the model.
public enum NormKind: Sendable, Equatable {
    case none
    /// x / sqrt(mean(x²) + epsilon) · weight
    case rms
    /// (x − mean) / sqrt(variance + epsilon) · weight + bias, with the biased variance.
    case layer
}

public struct FloatNorm: Sendable {
    public let kind: NormKind
    /// (1, size); nil only for `.none`.
    public let weight: FloatMatrix?
    /// (1, size); only ever for `.layer`.
    public let bias: FloatMatrix?
    public let epsilon: Double

    public init(kind: NormKind, weight: FloatMatrix?, bias: FloatMatrix?, epsilon: Double) {
        (self.kind, self.weight, self.bias, self.epsilon) = (kind, weight, bias, epsilon)
    }

    /// No normalisation at all.
    public static var none: FloatNorm { FloatNorm(kind: .none, weight: nil, bias: nil, epsilon: 0) }

    func isSame(as other: FloatNorm) -> Bool {
        kind == other.kind && weight === other.weight && bias === other.bias && epsilon == other.epsilon
    }
}
