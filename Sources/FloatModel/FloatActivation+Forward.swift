import Foundation

extension FloatActivation {
    func applied(to input: Activations) -> Activations {
        var result = input
        for index in result.values.indices { result.values[index] = value(at: result.values[index]) }
        return result
    }

    /// The function at one point.
    public func value(at x: Double) -> Double {
        switch kind {
        case .gelu: return 0.5 * x * (1 + erf(x * 0.5.squareRoot()))
        case .relu: return max(0, x)
        case .leakyRelu: return x >= 0 ? x : 0.01 * x
        case .tanh: return Foundation.tanh(x)
        case .sigmoid: return 1 / (1 + exp(-x))
        case .silu: return x / (1 + exp(-x))
        case .identity: return x
        case .learned:
            guard let learned else { return x }
            var sum = Double(learned.b2.values[0])
            for unit in learned.w1.values.indices {
                let inner = Double(learned.w1.values[unit]) * x + Double(learned.b1.values[unit])
                sum += Double(learned.w2.values[unit]) * max(0, inner)
            }
            return sum
        }
    }
}
