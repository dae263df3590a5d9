import Checkpoints

/// Generic blocks, one after another, as the config describes them: the core of a model, or the blocks of a byte decoder.
struct STLMStack {
    /// What the names of its tensors begin with, such as `core_model.`
    let prefix: String
    /// The config keys that its sizes stand under, for sentences.
    let keys: Keys
    let width: Int
    let layerCount: Int
    let headCount: Int
    /// Query heads a KV head.
    let groupSize: Int
    let attentionNorm: NormKind
    let hasAttentionBias: Bool
    let isRotary: Bool
    let isCausal: Bool
    let isGated: Bool
    let feedForwardSize: Int
    let feedForwardNorm: NormKind
    let hasFeedForwardBias: Bool
    let activation: ActivationKind
    let isFeedForwardShared: Bool

    struct Keys {
        let width: String
        /// The sections in which the keys of the attention and the feed-forward parts stand, such as `model.core_model.attn`.
        let attention: String
        let feedForward: String
    }

    var headSize: Int { width / headCount }
    var kvHeadCount: Int { headCount / groupSize }
    var kvSize: Int { kvHeadCount * headSize }

    init(core reader: ConfigReader, hiddenSize: Int, isRotary: Bool) throws(FloatModelError) {
        let keys = Keys(width: "model.hidden_dim", attention: "model.core_model.attn", feedForward: "model.core_model.ffn")
        try self.init(
            reader, keys, prefix: "core_model.", width: hiddenSize,
            layerCount: reader.count("model.core_model.num_layers", limit: 4096), isRotary: isRotary,
            isCausal: reader.flag("model.core_model.attn.is_causal"),
            isFeedForwardShared: reader.text("model.core_model.core_model_type") == "generic_ffn_sharing")
    }

    init(decoder reader: ConfigReader) throws(FloatModelError) {
        let keys = Keys(width: "model.lm_head.byte_decoder_dim", attention: "model.lm_head", feedForward: "model.lm_head")
        try self.init(
            reader, keys, prefix: "model_head.", width: reader.count(keys.width),
            layerCount: reader.count("model.lm_head.num_layers", limit: 4096), isRotary: false, isCausal: true,
            isFeedForwardShared: reader.flag("model.lm_head.ffn_sharing"))
    }

    private init(
        _ reader: ConfigReader, _ keys: Keys, prefix: String, width: Int, layerCount: Int, isRotary: Bool, isCausal: Bool,
        isFeedForwardShared: Bool
    ) throws(FloatModelError) {
        (self.prefix, self.keys, self.width, self.layerCount) = (prefix, keys, width, layerCount)
        (self.isRotary, self.isCausal, self.isFeedForwardShared) = (isRotary, isCausal, isFeedForwardShared)
        headCount = try reader.count(keys.attention + ".num_heads")
        groupSize = try reader.count(keys.attention + ".group_size")
        attentionNorm = try reader.norm(keys.attention + ".normalization")
        hasAttentionBias = try reader.flag(keys.attention + ".bias")
        isGated = try reader.choice(keys.feedForward + ".ffn_type", ["swiglu": true, "generic": false])
        feedForwardSize = try reader.count(keys.feedForward + ".ffn_dim")
        feedForwardNorm = try reader.norm(keys.feedForward + ".normalization")
        hasFeedForwardBias = try reader.flag(keys.feedForward + ".bias")
        activation = isGated ? .silu : try reader.choice(keys.feedForward + ".activation", ignoringCase: true, [
            "gelu": .gelu, "relu": .relu, "leakyrelu": .leakyRelu, "tanh": .tanh, "sigmoid": .sigmoid, "silu": .silu,
            "learned": .learned, "none": .identity,
        ])
        try checkDivisions()
    }

    /// The divisions that attention needs; with them no later size can be fractional.
    private func checkDivisions() throws(FloatModelError) {
        let heads = keys.attention + ".num_heads", group = keys.attention + ".group_size"
        guard width % headCount == 0 else {
            throw .config(key: heads, "\(heads) is \(headCount), which does not divide \(keys.width) \(width); "
                + "the config cannot belong to these weights.")
        }
        guard headCount % groupSize == 0 else {
            throw .config(key: group, "\(group) is \(groupSize), which does not divide \(heads) \(headCount); "
                + "the config cannot belong to these weights.")
        }
        guard !isRotary || headSize % 2 == 0 else {
            throw .config(key: heads, "\(heads) \(headCount) and \(keys.width) \(width) give heads of odd size \(headSize), "
                + "which rope cannot turn; the config cannot belong to these weights.")
        }
    }
}
