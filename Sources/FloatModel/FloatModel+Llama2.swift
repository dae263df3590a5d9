import Checkpoints

extension FloatModel {
    /// The model in a llama2.c file: RMS norms with epsilon 1e-5, rotary positions with base 10000, SwiGLU.
    ///
    /// Llama's wq, wk and wv become one matrix, whose names say which rows each covers.
    ///
    /// - Throws: `FloatModelError.checkpoint` if a weight is not finite.
    public init(llama2 checkpoint: Llama2Checkpoint) throws(FloatModelError) {
        let header = checkpoint.header
        func values(_ name: String) throws(FloatModelError) -> [Float] {
            guard let tensor = checkpoint.tensor(named: name) else {
                throw .tensor(name: name, "The llama2.c file has no tensor \(quoted(name)); export it again.")
            }
            do { return try checkpoint.floats(tensor) } catch { throw .checkpoint(error) }
        }
        func matrix(_ name: String, _ rows: Int) throws(FloatModelError) -> FloatMatrix {
            let values = try values(name)
            return FloatMatrix(rows: rows, columns: values.count / rows, values: values, name: name)
        }
        func norm(_ name: String) throws(FloatModelError) -> FloatNorm {
            FloatNorm(kind: .rms, weight: try matrix(name, 1), bias: nil, epsilon: 1e-5)
        }
        var parts = PartLists()
        var schedule: [FloatStep] = []
        for layer in 0..<header.layerCount {
            let prefix = "layers.\(layer)."
            var names: [TensorName] = [], stacked: [Float] = [], rowCount = 0
            for (name, rows) in [("wq", header.hiddenSize), ("wk", header.kvSize), ("wv", header.kvSize)] {
                let full = prefix + "attention.\(name).weight"
                names.append(TensorName(name: full, firstRow: rowCount, rowCount: rows))
                stacked += try values(full)
                rowCount += rows
            }
            let qkv = FloatMatrix(rows: rowCount, columns: header.hiddenSize, values: stacked, names: names)
            let output = try matrix(prefix + "attention.wo.weight", header.hiddenSize)
            let attention = FloatAttention(
                qkv: FloatLinear(weight: qkv), output: FloatLinear(weight: output), headCount: header.headCount,
                kvHeadCount: header.kvHeadCount, headSize: header.headSize, rotary: true, ropeBase: 10_000, isCausal: true)
            let feedForward = FloatFeedForward(
                gate: FloatLinear(weight: try matrix(prefix + "feed_forward.w1.weight", header.feedForwardSize)),
                up: FloatLinear(weight: try matrix(prefix + "feed_forward.w3.weight", header.feedForwardSize)),
                down: FloatLinear(weight: try matrix(prefix + "feed_forward.w2.weight", header.hiddenSize)),
                activation: FloatActivation(kind: .silu))
            let attentionNorm = try norm(prefix + "attention_norm.weight"), feedForwardNorm = try norm(prefix + "ffn_norm.weight")
            schedule.append(FloatStep(
                attention: parts.add(attention), feedForward: parts.add(feedForward), attentionNorm: parts.add(attentionNorm),
                feedForwardNorm: parts.add(feedForwardNorm)))
        }
        let embedding = try matrix("tok_embeddings.weight", header.vocabularySize)
        let head = header.isHeadShared ? embedding : try matrix("output.weight", header.vocabularySize)
        // An id beyond the vocabulary, in a toy model, is no id.
        let known = { (id: Int) in id < header.vocabularySize }
        self.init(
            hiddenSize: header.hiddenSize, vocabularySize: header.vocabularySize, contextDefault: header.contextSize,
            contextMaximum: header.contextSize, embedder: .tokens(table: embedding, positions: nil), attentions: parts.attentions,
            feedForwards: parts.feedForwards, norms: parts.norms, schedule: schedule,
            head: .linear(norm: try norm("norm.weight"), output: FloatLinear(weight: head)), isCausal: true,
            bosId: known(1) ? 1 : nil, eosIds: [1, 2].filter(known), padId: nil,
            sourceKind: .llama2c,
            sourceDescription: "llama2.c version \(header.version), \(header.layerCount) layer\(header.layerCount == 1 ? "" : "s"), "
                + "hidden size \(header.hiddenSize)",
            tokenizerName: nil)
    }
}
