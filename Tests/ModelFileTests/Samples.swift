import Foundation
import ModelFile
import Packing
import TestSupport

/// A sample by name.
enum Sample: CaseIterable, Sendable {
    case plain, rich, characters, slots, decoder, pooled, written

    var bytes: [UInt8] {
        switch self {
        case .plain: Samples.plain
        case .rich: Samples.rich
        case .characters: Samples.characters
        case .slots: Samples.slots
        case .decoder: Samples.decoder
        case .pooled: Samples.pooled
        case .written: Samples.written
        }
    }
}

/// Small valid files from seeds.
enum Samples {
    /// A file with every table but characters: biases, layer norms, rotation, a piecewise linear activation, aliases, merges.
    static let rich = pack(tokenizer: Data("104 101\n256 108\n".utf8)) {
        $0.vocabularySize = 260
        ($0.feedForwardType, $0.activation) = ("generic", "learned")
        ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = ("layer_norm", "layer_norm", "layer_norm")
        ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (true, true, true)
    }

    /// No tokenizer, a learned table of positions, a gated feed-forward.
    static let plain = pack {
        $0.vocabularySize = 40
        $0.positions = "learned"
    }

    /// No norms, no positions and a head of its own.
    static let bare = pack {
        ($0.vocabularySize, $0.positions, $0.isTied) = (40, "none", false)
        ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = ("none", "none", "none")
    }

    /// A tokenizer of characters, a gated feed-forward.
    static let characters: [UInt8] = {
        let tokenizer = TokenizerBinary(characters: "abc é€😀", merges: ["ab", "abc", " a"])
        let model = SyntheticLlama2 {
            ($0.hiddenSize, $0.feedForwardSize, $0.headCount, $0.kvHeadCount) = (8, 12, 2, 1)
            ($0.vocabularySize, $0.contextSize) = (tokenizer.vocabularySize, 8)
        }
        return try! PackedModel(checkpoint: model.bytes(version: 0), tokenizers: [tokenizer.bytes()], width: .int8).bytes
    }()

    /// Blocks of 4 bytes in and out at once, no tokenizer.
    static let slots = pack(embedder: "byte_level", head: "byte_level") { $0.tokenizerType = "gpt2" }

    /// Blocks in, and out byte by byte; words.
    static let decoder = pack(embedder: "byte_level", head: "byte_decoder") { ($0.decoder.feedForwardType, $0.headNorm) = ("generic", "layer_norm") }

    /// Blocks in, tokens out.
    static let pooled = pack(tokenizer: Data("104 101\n256 108\n".utf8), embedder: "byte_level", head: "generic") { $0.vocabularySize = 260 }

    /// Tokens in, blocks out.
    static let written = pack(tokenizer: Data("104 101\n256 108\n".utf8), embedder: "generic", head: "byte_level") { $0.vocabularySize = 260 }

    /// Two positions, fewer than a block has slots.
    static let short = pack(embedder: "byte_level", head: "byte_level") { $0.contextSize = 1 }

    /// Models with blocks, of every kind of part and width.
    static let blocks: [[UInt8]] = [slots, decoder, pooled, written, short] + [
        pack(width: .int16, embedder: "byte_level", head: "byte_level") { ($0.positions, $0.isCausal, $0.blockSize) = ("none", false, 3) },
        pack(width: .int16, embedder: "byte_level", head: "byte_decoder") {
            ($0.hasHeadBias, $0.headNorm, $0.decoder.isTied, $0.decoder.isFeedForwardShared) = (true, "layer_norm", false, true)
        },
        pack(embedder: "generic", head: "byte_decoder") {
            ($0.positions, $0.headNorm, $0.isFeedForwardShared, $0.decoder.layerCount) = ("learned", "none", true, 1)
            ($0.decoder.feedForwardType, $0.decoder.activation, $0.vocabularySize) = ("generic", "learned", 40)
        },
        pack(embedder: "byte_level", head: "generic") { ($0.blockSize, $0.hasHeadBias, $0.headNorm, $0.vocabularySize) = (1, true, "none", 40) },
    ]

    /// Every norm, position, activation, width and kind of attention, without tokenizers.
    static let variants: [[UInt8]] = {
        var files: [[UInt8]] = []
        let activations = ["gelu", "relu", "leakyrelu", "tanh", "sigmoid", "silu", "learned", "none"]
        let norms = ["rms_norm", "layer_norm", "none"], positions = ["rope", "learned", "sincos", "none"]
        for (index, activation) in activations.enumerated() {
            for isGated in [false, true] where !isGated || index < 4 {
                files.append(pack(width: index % 3 == 2 ? .int16 : .int8) {
                    $0.vocabularySize = 40
                    $0.feedForwardType = isGated ? "swiglu" : "generic"
                    $0.activation = activation
                    ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = (norms[index % 3], norms[(index + 1) % 3], norms[(index / 2) % 3])
                    $0.positions = positions[(index + (isGated ? 1 : 0)) % 4]
                    $0.groupSize = 1 + index % 2
                    ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (index % 2 == 0, index % 4 < 2, index % 2 == 1)
                    $0.isTied = index % 3 != 0
                    $0.isCausal = index % 4 != 3
                    $0.isFeedForwardShared = index % 5 == 4
                })
            }
        }
        return files
    }()

    /// Blocks of 4 slots 8 wide; a decoder 20 wide, a core 12 wide.
    private static func pack(
        tokenizer: Data? = nil, width: WeightWidth = .int8, embedder: String, head: String, _ change: (inout SyntheticSTLM) -> Void = { _ in }
    ) -> [UInt8] {
        let model = SyntheticSTLM(embedder: embedder, head: head) {
            ($0.hiddenSize, $0.headCount, $0.groupSize, $0.feedForwardSize) = (12, 2, 1, 16)
            ($0.contextSize, $0.hasOptimizer, $0.blockSize, $0.byteSize) = (8, false, 4, 8)
            ($0.decoder.width, $0.decoder.headCount, $0.decoder.feedForwardSize) = (20, 2, 12)
            change(&$0)
        }
        return try! PackedModel(checkpoint: model.checkpointBytes(), tokenizers: tokenizer.map { [$0] } ?? [], width: width).bytes
    }

    private static func pack(
        tokenizer: Data? = nil, width: WeightWidth = .int8, _ change: (inout SyntheticSTLM) -> Void
    ) -> [UInt8] {
        let model = SyntheticSTLM {
            ($0.hiddenSize, $0.headCount, $0.groupSize, $0.feedForwardSize) = (8, 2, 1, 12)
            ($0.contextSize, $0.hasOptimizer) = (8, false)
            change(&$0)
        }
        return try! PackedModel(checkpoint: model.checkpointBytes(), tokenizers: tokenizer.map { [$0] } ?? [], width: width).bytes
    }
}

/// Opens bytes as the runtime does: at a multiple of 64, with a guard page behind them.
func open<Result>(_ bytes: [UInt8], _ body: (borrowing ModelFile) throws -> Result) throws -> Result {
    let memory = GuardedMemory(bytes, alignment: 64)
    let file = try ModelFile(memory.base, byteCount: bytes.count)
    return try withExtendedLifetime(memory) { try body(file) }
}

/// What is refused about a file, or nil.
func refusal(_ bytes: [UInt8]) -> ModelFileError? {
    do {
        try open(bytes) { _ in }
        return nil
    } catch {
        return error as? ModelFileError
    }
}
