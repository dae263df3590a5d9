/// One feed-forward part: down(act(gate x) ⊙ up x) with a gate (SwiGLU if act is SiLU), else down(act(up x)).
public struct FloatFeedForward: Sendable {
    /// (inner, inputs), or none.
    public let gate: FloatLinear?
    /// (inner, inputs)
    public let up: FloatLinear
    /// (outputs, inner)
    public let down: FloatLinear
    public let activation: FloatActivation

    public init(gate: FloatLinear?, up: FloatLinear, down: FloatLinear, activation: FloatActivation) {
        (self.gate, self.up, self.down, self.activation) = (gate, up, down, activation)
    }

    func isSame(as other: FloatFeedForward) -> Bool {
        let sameGate: Bool
        switch (gate, other.gate) {
        case (nil, nil): sameGate = true
        case (let own?, let others?): sameGate = own.isSame(as: others)
        default: sameGate = false
        }
        return sameGate && up.isSame(as: other.up) && down.isSame(as: other.down) && activation.isSame(as: other.activation)
    }
}
