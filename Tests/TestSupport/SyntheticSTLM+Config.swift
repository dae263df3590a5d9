import Checkpoints

extension SyntheticSTLM {
    public func config() -> ConfigNode {
        var model: [(String, ConfigNode)] = [
            ("core_model", coreConfig), ("embedder", embedderConfig), ("lm_head", headConfig),
            ("hidden_dim", .integer(hiddenSize)), ("context_window", .integer(contextSize)),
            ("vocab_size", .integer(vocabularySize)), ("model_shell_type", .string(shell)),
            ("embedding_weight_tying", .bool(isTied && !isByteLevel)), ("positional_encoding_type", .string(positions)),
        ]
        if isByteLevel {
            model += [("byte_vocab_size", .integer(byteVocabularySize)), ("byte_context_window", .integer(blockSize)),
                      ("byte_embedding_dim", .integer(byteSize))]
        }
        let trainer = section([
            ("eval", .list([.string("mcq")])), ("lr", .real(6e-4)), ("grad_clip", .null), ("dataset", .string(datasetName)),
        ])
        return section([("model", section(model)), ("trainer", trainer), ("general", section([("seed", .integer(489))]))])
    }

    private func section(_ entries: [(String, ConfigNode)]) -> ConfigNode {
        .dictionary(entries.map { ConfigNode.Entry(key: $0.0, value: $0.1) })
    }

    private var coreConfig: ConfigNode {
        let feedForward = section([
            ("ffn_type", .string(feedForwardType)), ("ffn_dim", .integer(feedForwardSize)),
            ("normalization", .string(feedForwardNorm)), ("bias", .bool(hasFeedForwardBias)), ("activation", .string(activation)),
        ])
        let attention = section([
            ("attn_type", .string("generic")), ("num_heads", .integer(headCount)), ("normalization", .string(attentionNorm)),
            ("group_size", .integer(groupSize)), ("bias", .bool(hasAttentionBias)), ("is_causal", .bool(isCausal)),
        ])
        return section([
            ("core_model_type", .string(isFeedForwardShared ? "generic_ffn_sharing" : "generic")),
            ("num_layers", .integer(layerCount)), ("ffn", feedForward), ("attn", attention),
        ])
    }

    private var embedderConfig: ConfigNode {
        var entries: [(String, ConfigNode)] = [
            ("tokenizer_type", .string(tokenizerType)), ("embedding_model_type", .string(embedder)),
            ("dataset_name", .string(datasetName)),
        ]
        if isByteLevel { entries += [("byte_tokenizer_type", .string("bpe")), ("byte_context_window", .integer(blockSize))] }
        return section(entries)
    }

    private var headConfig: ConfigNode {
        var entries: [(String, ConfigNode)] = [
            ("normalization", .string(headNorm)), ("bias", .bool(hasHeadBias)), ("lm_head_type", .string(head)),
        ]
        if head == "byte_decoder" {
            entries += [
                ("byte_decoder_dim", .integer(decoder.width)), ("num_layers", .integer(decoder.layerCount)),
                ("num_heads", .integer(decoder.headCount)), ("group_size", .integer(decoder.groupSize)),
                ("ffn_type", .string(decoder.feedForwardType)), ("ffn_dim", .integer(decoder.feedForwardSize)),
                ("activation", .string(decoder.activation)), ("ffn_sharing", .bool(decoder.isFeedForwardShared)),
                ("byte_weight_tying", .bool(decoder.isTied)),
            ]
        }
        return section(entries)
    }
}
