extension STLMBuilder {
    /// The steps of generic blocks, whose parts are added to `parts`.
    mutating func steps(_ stack: STLMStack) throws(FloatModelError) -> [FloatStep] {
        // The learned activation is one global object of the original code: all layers use it, whether they share parts or not.
        let activation = try activation(stack)
        var steps: [FloatStep] = []
        var feedForward = 0
        for layer in 0..<stack.layerCount {
            let prefix = "\(stack.prefix)transformer.h.\(layer)."
            let attentionNorm = try norm(
                prefix + "attn_norm", stack.attentionNorm, stack.width, hasBias: stack.hasAttentionBias,
                "\(stack.keys.attention).normalization and \(stack.keys.width)")
            let attention = parts.add(try attention(stack, prefix + "attn."))
            let feedForwardNorm = try norm(
                prefix + "ffn_norm", stack.feedForwardNorm, stack.width, hasBias: stack.hasFeedForwardBias,
                "\(stack.keys.feedForward).normalization and \(stack.keys.width)")
            if layer == 0 || !stack.isFeedForwardShared {
                let layers = stack.isFeedForwardShared ? 0..<stack.layerCount : layer..<layer + 1
                feedForward = parts.add(try self.feedForward(stack, layers, activation))
            }
            steps.append(FloatStep(attention: attention, feedForward: feedForward, attentionNorm: parts.add(attentionNorm),
                                   feedForwardNorm: parts.add(feedForwardNorm)))
        }
        return steps
    }

    private mutating func attention(_ stack: STLMStack, _ prefix: String) throws(FloatModelError) -> FloatAttention {
        let D = stack.width, bias = stack.hasAttentionBias
        let qkv = try linear([prefix + "c_attn"], D + 2 * stack.kvSize, D, hasBias: bias,
                             "\(stack.keys.attention).group_size and \(stack.keys.width)")
        let output = try linear([prefix + "c_proj"], D, D, hasBias: bias, stack.keys.width)
        return FloatAttention(qkv: qkv, output: output, headCount: stack.headCount, kvHeadCount: stack.kvHeadCount,
                              headSize: stack.headSize, rotary: stack.isRotary, ropeBase: 10_000, isCausal: stack.isCausal)
    }

    /// The feed-forward part that acts in `layers`: one, or all if the config shares it.
    private mutating func feedForward(
        _ stack: STLMStack, _ layers: Range<Int>, _ activation: FloatActivation
    ) throws(FloatModelError) -> FloatFeedForward {
        let (D, F, bias) = (stack.width, stack.feedForwardSize, stack.hasFeedForwardBias)
        let keys = "\(stack.keys.feedForward).ffn_dim and \(stack.keys.width)"
        func prefixes(_ name: String) -> [String] { layers.map { "\(stack.prefix)transformer.h.\($0).ffn.\(name)" } }
        let first = try linear(prefixes("linear_1"), F, D, hasBias: bias, keys)
        let down = try linear(prefixes("linear_2"), D, F, hasBias: bias, keys)
        guard stack.isGated else { return FloatFeedForward(gate: nil, up: first, down: down, activation: activation) }
        let up = try linear(prefixes("linear_3"), F, D, hasBias: bias, keys)
        return FloatFeedForward(gate: first, up: up, down: down, activation: activation)
    }

    private mutating func activation(_ stack: STLMStack) throws(FloatModelError) -> FloatActivation {
        guard stack.activation == .learned else { return FloatActivation(kind: stack.activation) }
        let key = stack.keys.feedForward + ".activation"
        func names(_ name: String) -> [String] {
            (0..<stack.layerCount).map { "\(stack.prefix)transformer.h.\($0).ffn.activation.\(name)" }
        }
        return FloatActivation(kind: .learned, learned: LearnedActivation(
            w1: try matrix(names("fc1.weight"), 10, 1, key), b1: try vector(names("fc1.bias"), 10, key),
            w2: try matrix(names("fc2.weight"), 1, 10, key), b2: try vector(names("fc2.bias"), 1, key)))
    }
}
