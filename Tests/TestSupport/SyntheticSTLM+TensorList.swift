extension SyntheticSTLM {
    /// The names and shapes of a state dict, as its modules add them.
    struct TensorList {
        var tensors: [Tensor] = []

        /// What generic blocks need to know of themselves.
        struct Blocks {
            let width, layerCount, groupSize: Int
            let feedForwardType: String
            let feedForwardSize: Int
            let activation: String
            let isFeedForwardShared: Bool
            let attentionNorm, feedForwardNorm: String
            let hasAttentionBias, hasFeedForwardBias: Bool
        }

        mutating func add(_ name: String, _ shape: [Int], sharing storage: String? = nil) {
            tensors.append(Tensor(name: name, shape: shape, storage: storage ?? name))
        }

        mutating func add(linear name: String, _ outputs: Int, _ inputs: Int, hasBias: Bool, sharing storage: String? = nil) {
            add(name + ".weight", [outputs, inputs], sharing: storage.map { $0 + ".weight" })
            if hasBias { add(name + ".bias", [outputs], sharing: storage.map { $0 + ".bias" }) }
        }

        mutating func add(norm name: String, _ kind: String, _ size: Int, hasBias: Bool) {
            if kind != "none" { add(name + ".weight", [size]) }
            if kind == "layer_norm" && hasBias { add(name + ".bias", [size]) }
        }

        /// Generic blocks below `part`, such as `core_model.`
        mutating func add(blocks part: String, _ blocks: Blocks) {
            let D = blocks.width, bias = blocks.hasFeedForwardBias
            for layer in 0..<blocks.layerCount {
                let prefix = part + "transformer.h.\(layer)."
                let shared = part + "transformer.h.\(blocks.isFeedForwardShared ? 0 : layer).ffn."
                add(norm: prefix + "attn_norm", blocks.attentionNorm, D, hasBias: blocks.hasAttentionBias)
                add(linear: prefix + "attn.c_attn", D + 2 * (D / blocks.groupSize), D, hasBias: blocks.hasAttentionBias)
                add(linear: prefix + "attn.c_proj", D, D, hasBias: blocks.hasAttentionBias)
                add(norm: prefix + "ffn_norm", blocks.feedForwardNorm, D, hasBias: bias)
                func addFeedForward(_ name: String, _ outputs: Int, _ inputs: Int) {
                    add(linear: prefix + "ffn." + name, outputs, inputs, hasBias: bias, sharing: shared + name)
                }
                addFeedForward("linear_1", blocks.feedForwardSize, D)
                if blocks.feedForwardType == "generic" && blocks.activation.lowercased() == "learned" {
                    let global = part + "transformer.h.0.ffn.activation."
                    add(linear: prefix + "ffn.activation.fc1", 10, 1, hasBias: true, sharing: global + "fc1")
                    add(linear: prefix + "ffn.activation.fc2", 1, 10, hasBias: true, sharing: global + "fc2")
                }
                addFeedForward("linear_2", D, blocks.feedForwardSize)
                if blocks.feedForwardType == "swiglu" { addFeedForward("linear_3", blocks.feedForwardSize, D) }
            }
        }

        /// A block of a byte embedder or a `byte_level` head.
        mutating func add(byteBlock prefix: String, _ width: Int, _ inner: Int, _ outputs: Int) {
            add(prefix + "attn_norm.weight", [width])
            add(prefix + "attn.c_attn.weight", [3 * width, width])
            add(prefix + "attn.c_proj.weight", [width, width])
            add(prefix + "ffn_norm.weight", [width])
            add(prefix + "ffn.linear_1.weight", [inner, width])
            add(prefix + "ffn.linear_2.weight", [outputs, inner])
        }
    }
}
