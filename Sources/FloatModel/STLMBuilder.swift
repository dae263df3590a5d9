import Checkpoints

/// Builds the parts of an STLM model from a checkpoint whose config says which tensors there must be.
struct STLMBuilder {
    let configuration: STLMConfiguration
    var parts = PartLists()
    private var shelf: TensorShelf

    init(_ checkpoint: TorchCheckpoint) throws(FloatModelError) {
        configuration = try STLMConfiguration(checkpoint)
        shelf = TensorShelf(checkpoint)
    }

    /// Refuses tensors that the model which the config describes does not have.
    func finish() throws(FloatModelError) {
        try shelf.refuseLeftovers(prefixes: ["embedding_model.", "core_model.", "model_head."])
    }

    // MARK: Single tensors

    mutating func matrix(_ names: [String], _ rows: Int, _ columns: Int, _ keys: String) throws(FloatModelError) -> FloatMatrix {
        try shelf.matrix(names, rows: rows, columns: columns, shape: [rows, columns], keys: keys)
    }

    mutating func vector(_ names: [String], _ size: Int, _ keys: String) throws(FloatModelError) -> FloatMatrix {
        try shelf.matrix(names, rows: 1, columns: size, shape: [size], keys: keys)
    }

    /// `prefixes` are all names of the same layer; `.weight` and `.bias` are added to each.
    mutating func linear(
        _ prefixes: [String], _ outputs: Int, _ inputs: Int, hasBias: Bool, _ keys: String
    ) throws(FloatModelError) -> FloatLinear {
        let weight = try matrix(prefixes.map { $0 + ".weight" }, outputs, inputs, keys)
        return FloatLinear(weight: weight, bias: hasBias ? try vector(prefixes.map { $0 + ".bias" }, outputs, keys) : nil)
    }

    /// A norm has a bias only if it is a layer norm and the part it belongs to has biases.
    mutating func norm(
        _ prefix: String, _ kind: NormKind, _ size: Int, hasBias: Bool, _ keys: String
    ) throws(FloatModelError) -> FloatNorm {
        guard kind != .none else { return .none }
        let weight = try vector([prefix + ".weight"], size, keys)
        let bias = kind == .layer && hasBias ? try vector([prefix + ".bias"], size, keys) : nil
        // Epsilons are fixed in STLM's code, not in its config.
        return FloatNorm(kind: kind, weight: weight, bias: bias, epsilon: kind == .layer ? 1e-5 : 1e-6)
    }

    // MARK: Embedder and head of ids

    /// The embedder's table (V, H) under all its names: two if the head is tied to it.
    mutating func tokenEmbedder() throws(FloatModelError) -> FloatEmbedder {
        let (V, H) = (configuration.vocabularySize, configuration.hiddenSize)
        let names = ["embedding_model.token_embedder.weight"] + (configuration.isTied ? ["model_head.linear.weight"] : [])
        let table = try matrix(names, V, H, "model.vocab_size and model.hidden_dim")
        return .tokens(table: table, positions: try positions())
    }

    private mutating func positions() throws(FloatModelError) -> FloatMatrix? {
        let (W, H) = (configuration.contextSize, configuration.hiddenSize)
        let keys = "model.positional_encoding_type, model.context_window and model.hidden_dim"
        switch configuration.positions {
        case .rope, .none: return nil
        case .learned: return try matrix(["embedding_model.positional_encodings.pe.weight"], W, H, keys)
        case .sincos:
            return try shelf.matrix(["embedding_model.positional_encodings.pe"], rows: W, columns: H, shape: [1, W, H], keys: keys)
        }
    }

    /// The output layer is the object `table` if the config ties them.
    mutating func linearHead(_ kind: NormKind, hasBias: Bool, tiedTo table: FloatMatrix?) throws(FloatModelError) -> FloatHead {
        let (V, H) = (configuration.vocabularySize, configuration.hiddenSize)
        let weight = if let table { table } else {
            try matrix(["model_head.linear.weight"], V, H, "model.vocab_size and model.hidden_dim")
        }
        let bias = hasBias ? try vector(["model_head.linear.bias"], V, "model.lm_head.bias and model.vocab_size") : nil
        let norm = try norm("model_head.layer_norm", kind, H, hasBias: hasBias, "model.lm_head.normalization and model.hidden_dim")
        return .linear(norm: norm, output: FloatLinear(weight: weight, bias: bias))
    }
}
