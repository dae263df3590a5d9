import Checkpoints

/// Builds the parts of an STLM model from a checkpoint whose config says which tensors there must be.
struct STLMBuilder {
    let configuration: STLMConfiguration
    private var shelf: TensorShelf
    private var learned: FloatActivation?

    init(_ checkpoint: TorchCheckpoint) throws(FloatModelError) {
        configuration = try STLMConfiguration(checkpoint)
        shelf = TensorShelf(checkpoint)
    }

    /// Epsilons are fixed in STLM's code, not in its config.
    private func epsilon(_ kind: NormKind) -> Double { kind == .layer ? 1e-5 : 1e-6 }

    private mutating func matrix(_ names: [String], _ rows: Int, _ columns: Int, _ keys: String) throws(FloatModelError) -> FloatMatrix {
        try shelf.matrix(names, rows: rows, columns: columns, shape: [rows, columns], keys: keys)
    }

    private mutating func vector(_ names: [String], _ size: Int, _ keys: String) throws(FloatModelError) -> FloatMatrix {
        try shelf.matrix(names, rows: 1, columns: size, shape: [size], keys: keys)
    }

    /// `prefixes` are all names of the same layer; `.weight` and `.bias` are added to each.
    private mutating func linear(
        _ prefixes: [String], _ outputs: Int, _ inputs: Int, hasBias: Bool, _ keys: String
    ) throws(FloatModelError) -> FloatLinear {
        let weight = try matrix(prefixes.map { $0 + ".weight" }, outputs, inputs, keys)
        return FloatLinear(weight: weight, bias: hasBias ? try vector(prefixes.map { $0 + ".bias" }, outputs, keys) : nil)
    }

    /// A norm has a bias only if it is a layer norm and the part it belongs to has biases.
    private mutating func norm(_ prefix: String, _ kind: NormKind, hasBias: Bool, _ key: String) throws(FloatModelError) -> FloatNorm {
        guard kind != .none else { return .none }
        let keys = "\(key) and model.hidden_dim"
        let weight = try vector([prefix + ".weight"], configuration.hiddenSize, keys)
        let bias = kind == .layer && hasBias ? try vector([prefix + ".bias"], configuration.hiddenSize, keys) : nil
        return FloatNorm(kind: kind, weight: weight, bias: bias, epsilon: epsilon(kind))
    }

    /// Embedding (V, H) and the weight of the head, one object if tied.
    mutating func tables() throws(FloatModelError) -> (embedding: FloatMatrix, head: FloatLinear) {
        let (V, H) = (configuration.vocabularySize, configuration.hiddenSize)
        let names = ["embedding_model.token_embedder.weight", "model_head.linear.weight"]
        let keys = "model.vocab_size and model.hidden_dim"
        let embedding = try matrix(configuration.isTied ? names : [names[0]], V, H, keys)
        let weight = configuration.isTied ? embedding : try matrix([names[1]], V, H, keys)
        let bias = configuration.hasHeadBias ? try vector(["model_head.linear.bias"], V, "model.lm_head.bias and model.vocab_size") : nil
        return (embedding, FloatLinear(weight: weight, bias: bias))
    }

    mutating func positions() throws(FloatModelError) -> FloatMatrix? {
        let (W, H) = (configuration.contextSize, configuration.hiddenSize)
        let keys = "model.positional_encoding_type, model.context_window and model.hidden_dim"
        switch configuration.positions {
        case .rope, .none: return nil
        case .learned: return try matrix(["embedding_model.positional_encodings.pe.weight"], W, H, keys)
        case .sincos:
            return try shelf.matrix(["embedding_model.positional_encodings.pe"], rows: W, columns: H, shape: [1, W, H], keys: keys)
        }
    }

    mutating func attentionNorm(layer: Int) throws(FloatModelError) -> FloatNorm {
        try norm("core_model.transformer.h.\(layer).attn_norm", configuration.attentionNorm,
                 hasBias: configuration.hasAttentionBias, "model.core_model.attn.normalization")
    }

    mutating func feedForwardNorm(layer: Int) throws(FloatModelError) -> FloatNorm {
        try norm("core_model.transformer.h.\(layer).ffn_norm", configuration.feedForwardNorm,
                 hasBias: configuration.hasFeedForwardBias, "model.core_model.ffn.normalization")
    }

    mutating func finalNorm() throws(FloatModelError) -> FloatNorm {
        try norm("model_head.layer_norm", configuration.headNorm, hasBias: configuration.hasHeadBias, "model.lm_head.normalization")
    }

    mutating func attention(layer: Int) throws(FloatModelError) -> FloatAttention {
        let prefix = "core_model.transformer.h.\(layer).attn.", c = configuration
        let qkv = try linear([prefix + "c_attn"], c.hiddenSize + 2 * c.kvSize, c.hiddenSize, hasBias: c.hasAttentionBias,
                             "model.core_model.attn.group_size and model.hidden_dim")
        let output = try linear([prefix + "c_proj"], c.hiddenSize, c.hiddenSize, hasBias: c.hasAttentionBias, "model.hidden_dim")
        return FloatAttention(qkv: qkv, output: output, headCount: c.headCount, kvHeadCount: c.kvHeadCount,
                              headSize: c.headSize, rotary: c.positions == .rope, ropeBase: 10_000, isCausal: c.isCausal)
    }

    /// The feed-forward part that acts in `layers`: one, or all if the config shares it.
    mutating func feedForward(layers: Range<Int>) throws(FloatModelError) -> FloatFeedForward {
        let c = configuration
        let keys = "model.core_model.ffn.ffn_dim and model.hidden_dim"
        func prefixes(_ name: String) -> [String] { layers.map { "core_model.transformer.h.\($0).ffn.\(name)" } }
        let first = try linear(prefixes("linear_1"), c.feedForwardSize, c.hiddenSize, hasBias: c.hasFeedForwardBias, keys)
        let down = try linear(prefixes("linear_2"), c.hiddenSize, c.feedForwardSize, hasBias: c.hasFeedForwardBias, keys)
        guard c.isGated else {
            return FloatFeedForward(gate: nil, up: first, down: down, activation: try activation())
        }
        let up = try linear(prefixes("linear_3"), c.feedForwardSize, c.hiddenSize, hasBias: c.hasFeedForwardBias, keys)
        return FloatFeedForward(gate: first, up: up, down: down, activation: try activation())
    }

    /// The learned function is one global object of the original code: all layers use it, whether they share parts or not.
    private mutating func activation() throws(FloatModelError) -> FloatActivation {
        guard configuration.activation == .learned else { return FloatActivation(kind: configuration.activation) }
        if let learned { return learned }
        let key = "model.core_model.ffn.activation"
        let layers = 0..<configuration.layerCount
        func names(_ name: String) -> [String] { layers.map { "core_model.transformer.h.\($0).ffn.activation.\(name)" } }
        let activation = FloatActivation(kind: .learned, learned: LearnedActivation(
            w1: try matrix(names("fc1.weight"), 10, 1, key), b1: try vector(names("fc1.bias"), 10, key),
            w2: try matrix(names("fc2.weight"), 1, 10, key), b2: try vector(names("fc2.bias"), 1, key)))
        learned = activation
        return activation
    }

    func finish() throws(FloatModelError) {
        try shelf.refuseLeftovers(prefixes: ["embedding_model.", "core_model.", "model_head."])
    }
}
