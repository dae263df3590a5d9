import Checkpoints
import Foundation

/// An STLM model of any generic variant with seeded random weights, written the way STLM's trainer saves it.
///
/// Names, shapes and config keys are those of STLM's main branch; values of the config are spelled as there.
public struct SyntheticSTLM: Sendable {
    public var hiddenSize = 32
    public var layerCount = 2
    public var headCount = 4
    /// Query heads a KV head.
    public var groupSize = 2
    /// `swiglu` or `generic`
    public var feedForwardType = "swiglu"
    public var feedForwardSize = 48
    /// `rms_norm`, `layer_norm` or `none`
    public var attentionNorm = "rms_norm"
    public var feedForwardNorm = "rms_norm"
    public var headNorm = "rms_norm"
    public var hasAttentionBias = false
    public var hasFeedForwardBias = false
    public var hasHeadBias = false
    /// gelu, relu, leakyrelu, tanh, sigmoid, silu, learned or none; only for `generic` feed-forward parts.
    public var activation = "gelu"
    /// `rope`, `learned`, `sincos` or `none`
    public var positions = "rope"
    public var isTied = true
    public var isFeedForwardShared = false
    public var isCausal = true
    public var vocabularySize = 96
    public var contextSize = 16
    public var tokenizerType = "bpe"
    public var datasetName = "synthetic"
    public var configStyle = ConfigStyle.omegaConfChild
    public var hasOptimizer = true
    public var seed: UInt64 = 1

    public init() {}

    /// The default model with some properties changed.
    public init(_ change: (inout SyntheticSTLM) -> Void) { change(&self) }

    public var headSize: Int { hiddenSize / headCount }

    public func checkpointBytes() -> Data { file().bytes() }

    /// The checkpoint before it is written, for tests that falsify it.
    public func file() -> TorchFile {
        var file = TorchFile()
        file.config = config()
        file.configStyle = configStyle
        var keys: [String: String] = [:]
        var numbers = SeededNumbers(seed: seed)
        for tensor in tensors() {
            let shared = tensor.storage
            if keys[shared] == nil {
                keys[shared] = String(file.storages.count)
                file.storages.append((keys[shared]!, TorchFile.content(values(tensor, &numbers))))
            }
            file.tensors.append(TensorRecord(name: tensor.name, shape: tensor.shape, storageKey: keys[shared]!))
        }
        if hasOptimizer {
            file.optimizerStorages = file.storages.enumerated().map {
                (String(file.storages.count + $0), [UInt8](repeating: 7, count: $1.content.count))
            }
        }
        return file
    }

    public func config() -> ConfigNode {
        func section(_ entries: (String, ConfigNode)...) -> ConfigNode {
            .dictionary(entries.map { ConfigNode.Entry(key: $0.0, value: $0.1) })
        }
        let feedForward = section(
            ("ffn_type", .string(feedForwardType)), ("ffn_dim", .integer(feedForwardSize)),
            ("normalization", .string(feedForwardNorm)), ("bias", .bool(hasFeedForwardBias)), ("activation", .string(activation)))
        let attention = section(
            ("attn_type", .string("generic")), ("num_heads", .integer(headCount)), ("normalization", .string(attentionNorm)),
            ("group_size", .integer(groupSize)), ("bias", .bool(hasAttentionBias)), ("is_causal", .bool(isCausal)))
        let model = section(
            ("core_model", section(
                ("core_model_type", .string(isFeedForwardShared ? "generic_ffn_sharing" : "generic")),
                ("num_layers", .integer(layerCount)), ("ffn", feedForward), ("attn", attention))),
            ("embedder", section(
                ("tokenizer_type", .string(tokenizerType)), ("embedding_model_type", .string("generic")),
                ("dataset_name", .string(datasetName)))),
            ("lm_head", section(
                ("normalization", .string(headNorm)), ("bias", .bool(hasHeadBias)), ("lm_head_type", .string("generic")))),
            ("hidden_dim", .integer(hiddenSize)), ("context_window", .integer(contextSize)),
            ("vocab_size", .integer(vocabularySize)), ("model_shell_type", .string("standard")),
            ("embedding_weight_tying", .bool(isTied)), ("positional_encoding_type", .string(positions)))
        let trainer = section(
            ("eval", .list([.string("mcq")])), ("lr", .real(6e-4)), ("grad_clip", .null), ("dataset", .string(datasetName)))
        return section(("model", model), ("trainer", trainer), ("general", section(("seed", .integer(489)))))
    }
}
