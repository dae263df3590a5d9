extension STLMBuilder {
    private static let sizeKeys = "model.byte_context_window and model.byte_embedding_dim"

    mutating func byteEmbedder() throws(FloatModelError) -> FloatEmbedder {
        let (C, E, H) = (configuration.blockSize, configuration.byteSize, configuration.hiddenSize)
        let table = try matrix(["embedding_model.byte_token_embedder.weight"], FloatModel.symbolCount, E,
                               "model.byte_vocab_size and model.byte_embedding_dim")
        let positions = try matrix(["embedding_model.pos_encoder.pe.weight"], C, E, Self.sizeKeys)
        let sizes = [(E, 4 * E, 2 * E), (2 * E, 8 * E, 2 * E), (2 * E, 8 * E, 2 * E), (2 * E, 8 * E, H)]
        let keys = "model.byte_embedding_dim and model.hidden_dim"
        var schedule: [FloatStep] = []
        for (layer, size) in sizes.enumerated() {
            schedule.append(try byteBlock("embedding_model.transformer.\(layer).", size.0, size.1, size.2, keys))
        }
        return .bytes(FloatByteEmbedder(table: table, slotPositions: positions, schedule: schedule))
    }

    mutating func byteSlots() throws(FloatModelError) -> FloatHead {
        let (C, E, H) = (configuration.blockSize, configuration.byteSize, configuration.hiddenSize)
        let projection = try linear(["model_head.projection"], C * E, H, hasBias: false, Self.sizeKeys + " and model.hidden_dim")
        let positions = try matrix(["model_head.pos_encoder.pe.weight"], C, E, Self.sizeKeys)
        var schedule: [FloatStep] = []
        for layer in 0..<7 {
            schedule.append(try byteBlock("model_head.transformer.\(layer).", E, 4 * E, E, "model.byte_embedding_dim"))
        }
        let output = try linear(["model_head.lm_head"], FloatModel.symbolCount, E, hasBias: false,
                                "model.byte_vocab_size and model.byte_embedding_dim")
        return .byteSlots(FloatByteSlots(projection: projection, slotPositions: positions, schedule: schedule, output: output))
    }

    /// A block of STLM's byte embedder and byte head, `width` wide: all slots see one another, and the feed-forward part
    /// replaces the stream by one of `outputs`.
    private mutating func byteBlock(
        _ prefix: String, _ width: Int, _ inner: Int, _ outputs: Int, _ keys: String
    ) throws(FloatModelError) -> FloatStep {
        let heads = STLMConfiguration.byteHeadCount
        let attentionNorm = try norm(prefix + "attn_norm", .rms, width, hasBias: false, keys)
        let attention = FloatAttention(
            qkv: try linear([prefix + "attn.c_attn"], 3 * width, width, hasBias: false, keys),
            output: try linear([prefix + "attn.c_proj"], width, width, hasBias: false, keys), headCount: heads, kvHeadCount: heads,
            headSize: width / heads, rotary: false, ropeBase: 10_000, isCausal: false)
        let feedForwardNorm = try norm(prefix + "ffn_norm", .rms, width, hasBias: false, keys)
        let feedForward = FloatFeedForward(
            gate: nil, up: try linear([prefix + "ffn.linear_1"], inner, width, hasBias: false, keys),
            down: try linear([prefix + "ffn.linear_2"], outputs, inner, hasBias: false, keys),
            activation: FloatActivation(kind: .gelu))
        return FloatStep(
            attention: parts.add(attention), feedForward: parts.add(feedForward), attentionNorm: parts.add(attentionNorm),
            feedForwardNorm: parts.add(feedForwardNorm), replaces: true)
    }

    /// Of the decoder's own keys, `normalization` holds for all of its norms and `bias` for all of its linear layers and norms.
    mutating func byteDecoder(_ stack: STLMStack, isTied: Bool) throws(FloatModelError) -> FloatHead {
        let (C, H, D) = (configuration.blockSize, configuration.hiddenSize, stack.width), width = stack.keys.width
        let (kind, hasBias) = (stack.attentionNorm, stack.hasAttentionBias)
        let norm = try norm("model_head.core_norm", kind, H, hasBias: hasBias, "model.lm_head.normalization and model.hidden_dim")
        let projection = try linear(["model_head.projection"], D, H, hasBias: hasBias, "\(width) and model.hidden_dim")
        let names = ["model_head.byte_token_embedder.weight", "model_head.lm_head.weight"]
        let tableKeys = "model.byte_vocab_size and \(width)"
        let table = try matrix(isTied ? names : [names[0]], FloatModel.symbolCount, D, tableKeys)
        let positions = try matrix(["model_head.pos_encoder.pe.weight"], C, D, "model.byte_context_window and \(width)")
        let schedule = try steps(stack)
        let finalNorm = try self.norm("model_head.layer_norm", kind, D, hasBias: hasBias, "model.lm_head.normalization and \(width)")
        let output = FloatLinear(
            weight: isTied ? table : try matrix([names[1]], FloatModel.symbolCount, D, tableKeys),
            bias: hasBias ? try vector(["model_head.lm_head.bias"], FloatModel.symbolCount, "model.lm_head.bias") : nil)
        return .byteDecoder(FloatByteDecoder(
            norm: norm, projection: projection, table: table, slotPositions: positions, schedule: schedule, finalNorm: finalNorm,
            output: output))
    }
}
