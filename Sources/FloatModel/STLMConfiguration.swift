import Checkpoints

/// What the config inside an STLM checkpoint says about its model, as far as inference needs it.
struct STLMConfiguration {
    enum Positions: String { case rope, learned, sincos, none }

    let hiddenSize: Int
    let vocabularySize: Int
    let contextSize: Int
    let positions: Positions
    let isTied: Bool
    let isFeedForwardShared: Bool
    let layerCount: Int
    let headCount: Int
    /// Query heads a KV head.
    let groupSize: Int
    let attentionNorm: NormKind
    let hasAttentionBias: Bool
    let isCausal: Bool
    let isGated: Bool
    let feedForwardSize: Int
    let feedForwardNorm: NormKind
    let hasFeedForwardBias: Bool
    let activation: ActivationKind
    let headNorm: NormKind
    let hasHeadBias: Bool
    let tokenizerName: String?
    let datasetName: String?

    var headSize: Int { hiddenSize / headCount }
    var kvHeadCount: Int { headCount / groupSize }
    var kvSize: Int { kvHeadCount * headSize }

    init(_ checkpoint: TorchCheckpoint) throws(FloatModelError) {
        guard let config = checkpoint.config else {
            let keys = checkpoint.rootKeys.prefix(8).map(quoted).joined(separator: ", ")
            throw .config(key: "config", "The checkpoint carries no config (its keys are \(keys)), so its heads and sizes are "
                + "unknown; give a checkpoint that was saved by the trainer of STLM.")
        }
        let reader = ConfigReader(config)
        try Self.refuseUnsupported(reader)
        hiddenSize = try reader.count("model.hidden_dim")
        vocabularySize = try reader.count("model.vocab_size")
        contextSize = try reader.count("model.context_window")
        positions = try reader.choice("model.positional_encoding_type", [
            "rope": .rope, "learned": .learned, "sincos": .sincos, "none": .none,
        ])
        isTied = try reader.flag("model.embedding_weight_tying")
        isFeedForwardShared = try reader.text("model.core_model.core_model_type") == "generic_ffn_sharing"
        layerCount = try reader.count("model.core_model.num_layers", limit: 4096)
        headCount = try reader.count("model.core_model.attn.num_heads")
        groupSize = try reader.count("model.core_model.attn.group_size")
        attentionNorm = try reader.norm("model.core_model.attn.normalization")
        hasAttentionBias = try reader.flag("model.core_model.attn.bias")
        isCausal = try reader.flag("model.core_model.attn.is_causal")
        isGated = try reader.choice("model.core_model.ffn.ffn_type", ["swiglu": true, "generic": false])
        feedForwardSize = try reader.count("model.core_model.ffn.ffn_dim")
        feedForwardNorm = try reader.norm("model.core_model.ffn.normalization")
        hasFeedForwardBias = try reader.flag("model.core_model.ffn.bias")
        activation = isGated ? .silu : try reader.choice("model.core_model.ffn.activation", ignoringCase: true, [
            "gelu": .gelu, "relu": .relu, "leakyrelu": .leakyRelu, "tanh": .tanh, "sigmoid": .sigmoid, "silu": .silu,
            "learned": .learned, "none": .identity,
        ])
        headNorm = try reader.norm("model.lm_head.normalization")
        hasHeadBias = try reader.flag("model.lm_head.bias")
        tokenizerName = reader.optionalText("model.embedder.tokenizer_type")
        datasetName = reader.optionalText("model.embedder.dataset_name")
        try checkDivisions()
    }

    private static func refuseUnsupported(_ reader: ConfigReader) throws(FloatModelError) {
        guard reader.config["model"] != nil else {
            throw .config(key: "model", "The config of the checkpoint has no section 'model', so it is not a config of STLM; "
                + "give a checkpoint that was saved by the trainer of STLM.")
        }
        if reader.config.node("model.core_model_type") != nil {
            throw .config(key: "model.core_model_type", "The config has the key model.core_model_type, so the checkpoint is of "
                + "STLM's 'rewrite' branch, whose models compute differently and are not supported; train with the main branch.")
        }
        let embedder = try reader.text("model.embedder.embedding_model_type")
        let head = try reader.text("model.lm_head.lm_head_type")
        for (key, value) in [("model.embedder.embedding_model_type", embedder), ("model.lm_head.lm_head_type", head)]
        where value == "byte_level" {
            throw .config(key: key, "\(key) is byte_level: byte_level embedders are not supported by this version; "
                + "use a model with generic embedder and head.")
        }
        try reader.require("model.embedder.embedding_model_type", oneOf: ["generic"])
        try reader.require("model.lm_head.lm_head_type", oneOf: ["generic"])
        try reader.require("model.core_model.core_model_type", oneOf: ["generic", "generic_ffn_sharing"])
        try reader.require("model.core_model.attn.attn_type", oneOf: ["generic"])
        if reader.config.node("model.model_shell_type") != nil {
            try reader.require("model.model_shell_type", oneOf: ["standard", "byte_shell"])
        }
    }

    /// The divisions that attention needs; with them no later size can be fractional.
    private func checkDivisions() throws(FloatModelError) {
        guard hiddenSize % headCount == 0 else {
            throw .config(key: "model.core_model.attn.num_heads", "model.core_model.attn.num_heads is \(headCount), which does "
                + "not divide model.hidden_dim \(hiddenSize); the config cannot belong to these weights.")
        }
        guard headCount % groupSize == 0 else {
            throw .config(key: "model.core_model.attn.group_size", "model.core_model.attn.group_size is \(groupSize), which does "
                + "not divide model.core_model.attn.num_heads \(headCount); the config cannot belong to these weights.")
        }
        guard positions != .rope || headSize % 2 == 0 else {
            throw .config(key: "model.core_model.attn.num_heads", "model.core_model.attn.num_heads \(headCount) and "
                + "model.hidden_dim \(hiddenSize) give heads of odd size \(headSize), which rope cannot turn; "
                + "the config cannot belong to these weights.")
        }
    }
}
