/// y = W x + b.
public struct FloatLinear: Sendable {
    /// (outputs, inputs).
    public let weight: FloatMatrix
    /// (1, outputs), or none.
    public let bias: FloatMatrix?

    public init(weight: FloatMatrix, bias: FloatMatrix? = nil) {
        self.weight = weight
        self.bias = bias
    }

    func isSame(as other: FloatLinear) -> Bool { weight === other.weight && bias === other.bias }
}
