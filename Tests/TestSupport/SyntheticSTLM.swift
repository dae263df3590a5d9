import Checkpoints
import Foundation

/// An STLM model of any variant with seeded random weights, written the way STLM's trainer saves it.
///
/// Names, shapes and config keys are those of STLM's main branch, and of our byte decoder; values of the config are spelled as
/// there.
public struct SyntheticSTLM: Sendable {
    /// `generic` or `byte_level`
    public var embedder = "generic"
    /// `generic`, `byte_level` or `byte_decoder`
    public var head = "generic"
    /// `standard` or `byte_shell`
    public var shell = "standard"
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
    /// Of a generic head, or of everything in a byte decoder; like `hasHeadBias`.
    public var headNorm = "rms_norm"
    public var hasAttentionBias = false
    public var hasFeedForwardBias = false
    public var hasHeadBias = false
    /// gelu, relu, leakyrelu, tanh, sigmoid, silu, learned or none; only for `generic` feed-forward parts.
    public var activation = "gelu"
    /// `rope`, `learned`, `sincos` or `none`
    public var positions = "rope"
    /// Only between a generic embedder and a generic head.
    public var isTied = true
    public var isFeedForwardShared = false
    public var isCausal = true
    public var vocabularySize = 96
    public var contextSize = 16
    public var tokenizerType = "bpe"
    public var datasetName = "synthetic"
    /// C: symbols a block, where embedder or head is byte-level.
    public var blockSize = 12
    /// E: width of the slots in a byte embedder and a `byte_level` head.
    public var byteSize = 16
    public var byteVocabularySize = 258
    public var decoder = SyntheticByteDecoder()
    public var configStyle = ConfigStyle.omegaConfChild
    public var hasOptimizer = true
    public var seed: UInt64 = 1

    public init() {}

    /// The default model with some properties changed.
    public init(_ change: (inout SyntheticSTLM) -> Void) { change(&self) }

    public var headSize: Int { hiddenSize / headCount }
    public var takesBlocks: Bool { embedder == "byte_level" }
    public var writesBlocks: Bool { head != "generic" }
    public var isByteLevel: Bool { takesBlocks || writesBlocks }

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
}
