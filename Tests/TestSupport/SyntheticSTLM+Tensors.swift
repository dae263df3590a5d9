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
        var list = TensorList()
        let table = "embedding_model.token_embedder.weight"
        if takesBlocks {
            list.add("embedding_model.pos_encoder.pe.weight", [blockSize, byteSize])
            list.add("embedding_model.byte_token_embedder.weight", [258, byteSize])
            let E = byteSize, sizes = [(E, 4 * E, 2 * E), (2 * E, 8 * E, 2 * E), (2 * E, 8 * E, 2 * E), (2 * E, 8 * E, hiddenSize)]
            for (layer, size) in sizes.enumerated() {
                list.add(byteBlock: "embedding_model.transformer.\(layer).", size.0, size.1, size.2)
            }
        } else {
            list.add(table, [vocabularySize, hiddenSize])
            if positions == "learned" { list.add("embedding_model.positional_encodings.pe.weight", [contextSize, hiddenSize]) }
            if positions == "sincos" { list.add("embedding_model.positional_encodings.pe", [1, contextSize, hiddenSize]) }
        }
        list.add(blocks: "core_model.", coreBlocks)
        switch head {
        case "byte_level":
            list.add("model_head.projection.weight", [blockSize * byteSize, hiddenSize])
            list.add("model_head.pos_encoder.pe.weight", [blockSize, byteSize])
            for layer in 0..<7 { list.add(byteBlock: "model_head.transformer.\(layer).", byteSize, 4 * byteSize, byteSize) }
            list.add("model_head.lm_head.weight", [258, byteSize])
        case "byte_decoder":
            let symbols = "model_head.byte_token_embedder.weight"
            list.add(norm: "model_head.core_norm", headNorm, hiddenSize, hasBias: hasHeadBias)
            list.add(linear: "model_head.projection", decoder.width, hiddenSize, hasBias: hasHeadBias)
            list.add(symbols, [258, decoder.width])
            list.add("model_head.pos_encoder.pe.weight", [blockSize, decoder.width])
            list.add(blocks: "model_head.", decoderBlocks)
            list.add(norm: "model_head.layer_norm", headNorm, decoder.width, hasBias: hasHeadBias)
            list.add("model_head.lm_head.weight", [258, decoder.width], sharing: decoder.isTied ? symbols : nil)
            if hasHeadBias { list.add("model_head.lm_head.bias", [258]) }
        default:
            list.add(norm: "model_head.layer_norm", headNorm, hiddenSize, hasBias: hasHeadBias)
            list.add("model_head.linear.weight", [vocabularySize, hiddenSize], sharing: isTied && !takesBlocks ? table : nil)
            if hasHeadBias { list.add("model_head.linear.bias", [vocabularySize]) }
        }
        return list.tensors
    }

    private var coreBlocks: TensorList.Blocks {
        TensorList.Blocks(
            width: hiddenSize, layerCount: layerCount, groupSize: groupSize, feedForwardType: feedForwardType,
            feedForwardSize: feedForwardSize, activation: activation, isFeedForwardShared: isFeedForwardShared,
            attentionNorm: attentionNorm, feedForwardNorm: feedForwardNorm, hasAttentionBias: hasAttentionBias,
            hasFeedForwardBias: hasFeedForwardBias)
    }

    private var decoderBlocks: TensorList.Blocks {
        TensorList.Blocks(
            width: decoder.width, layerCount: decoder.layerCount, groupSize: decoder.groupSize,
            feedForwardType: decoder.feedForwardType, feedForwardSize: decoder.feedForwardSize, activation: decoder.activation,
            isFeedForwardShared: decoder.isFeedForwardShared, attentionNorm: headNorm, feedForwardNorm: headNorm,
            hasAttentionBias: hasHeadBias, hasFeedForwardBias: hasHeadBias)
    }

    /// Norm weights near one, matrices that keep the size of what they multiply, small biases, tables of deviation 0.3.
    func values(_ tensor: Tensor, _ numbers: inout SeededNumbers) -> [Float] {
        let count = tensor.shape.reduce(1, *)
        if tensor.name == "embedding_model.positional_encodings.pe" { return sineTable() }
        let isNorm = tensor.name.hasSuffix("norm.weight")
        let isTable = ["token_embedder", "positional_encodings", "pos_encoder"].contains { tensor.name.contains($0) }
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
