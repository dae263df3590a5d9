import Foundation

extension SyntheticSTLM {
    /// A tensor of the state dict and the name of the storage that it shares with its ties.
    struct Tensor {
        let name: String
        let shape: [Int]
        let storage: String
    }

    /// All tensors in the order of the original's state dict.
    func tensors() -> [Tensor] {
        var list: [Tensor] = []
        func add(_ name: String, _ shape: [Int], sharing storage: String? = nil) {
            list.append(Tensor(name: name, shape: shape, storage: storage ?? name))
        }
        func add(linear name: String, _ outputs: Int, _ inputs: Int, hasBias: Bool, sharing storage: String? = nil) {
            add(name + ".weight", [outputs, inputs], sharing: storage.map { $0 + ".weight" })
            if hasBias { add(name + ".bias", [outputs], sharing: storage.map { $0 + ".bias" }) }
        }
        func add(norm name: String, _ kind: String, hasBias: Bool) {
            if kind != "none" { add(name + ".weight", [hiddenSize]) }
            if kind == "layer_norm" && hasBias { add(name + ".bias", [hiddenSize]) }
        }
        let table = "embedding_model.token_embedder.weight"
        add(table, [vocabularySize, hiddenSize])
        if positions == "learned" { add("embedding_model.positional_encodings.pe.weight", [contextSize, hiddenSize]) }
        if positions == "sincos" { add("embedding_model.positional_encodings.pe", [1, contextSize, hiddenSize]) }
        for layer in 0..<layerCount {
            let prefix = "core_model.transformer.h.\(layer)."
            let shared = "core_model.transformer.h.\(isFeedForwardShared ? 0 : layer).ffn."
            let kvSize = hiddenSize / groupSize
            add(norm: prefix + "attn_norm", attentionNorm, hasBias: hasAttentionBias)
            add(linear: prefix + "attn.c_attn", hiddenSize + 2 * kvSize, hiddenSize, hasBias: hasAttentionBias)
            add(linear: prefix + "attn.c_proj", hiddenSize, hiddenSize, hasBias: hasAttentionBias)
            add(norm: prefix + "ffn_norm", feedForwardNorm, hasBias: hasFeedForwardBias)
            func addFeedForward(_ name: String, _ outputs: Int, _ inputs: Int) {
                add(linear: prefix + "ffn." + name, outputs, inputs, hasBias: hasFeedForwardBias, sharing: shared + name)
            }
            addFeedForward("linear_1", feedForwardSize, hiddenSize)
            if feedForwardType == "generic" && activation.lowercased() == "learned" {
                let global = "core_model.transformer.h.0.ffn.activation."
                add(linear: prefix + "ffn.activation.fc1", 10, 1, hasBias: true, sharing: global + "fc1")
                add(linear: prefix + "ffn.activation.fc2", 1, 10, hasBias: true, sharing: global + "fc2")
            }
            addFeedForward("linear_2", hiddenSize, feedForwardSize)
            if feedForwardType == "swiglu" { addFeedForward("linear_3", feedForwardSize, hiddenSize) }
        }
        add(norm: "model_head.layer_norm", headNorm, hasBias: hasHeadBias)
        add("model_head.linear.weight", [vocabularySize, hiddenSize], sharing: isTied ? table : nil)
        if hasHeadBias { add("model_head.linear.bias", [vocabularySize]) }
        return list
    }

    /// Norm weights near one, matrices that keep the size of what they multiply, small biases, a table of deviation 0.3.
    func values(_ tensor: Tensor, _ numbers: inout SeededNumbers) -> [Float] {
        let count = tensor.shape.reduce(1, *)
        if tensor.name == "embedding_model.positional_encodings.pe" { return sineTable() }
        let isNorm = tensor.name.hasSuffix("norm.weight")
        let isTable = tensor.name.hasPrefix("embedding_model.")
        let fanIn = Float(tensor.shape.count > 1 ? tensor.shape[1] : 1)
        let deviation: Float = isNorm || tensor.name.hasSuffix(".bias") ? 0.1 : isTable ? 0.3 : 1 / fanIn.squareRoot()
        return (0..<count).map { _ in (isNorm ? 1 : 0) + numbers.float(deviation: deviation) }
    }

    /// Even columns sin(p w), odd columns cos(p w), w = 10000^(−2i / H).
    private func sineTable() -> [Float] {
        (0..<contextSize * hiddenSize).map { index in
            let (position, column) = (index / hiddenSize, index % hiddenSize)
            let angle = Double(position) * pow(10_000, -Double(column / 2 * 2) / Double(hiddenSize))
            return Float(column % 2 == 0 ? sin(angle) : cos(angle))
        }
    }
}
