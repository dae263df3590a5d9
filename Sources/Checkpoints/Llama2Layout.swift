/// The order and sizes of the weights in a llama2.c file.
struct Llama2Layout {
    /// One kind of weight: a single tensor, or one a layer.
    private struct Run {
        let name: String
        let shape: [Int]
        let isPerLayer: Bool
        /// Norms stay float32 in version 2.
        let isNorm: Bool
    }

    private let header: Llama2Header
    private var runs: [Run] = []
    /// Bytes of the rotary tables of version 0, which are skipped because they follow from the sizes.
    private var skippedByteCount = 0

    init(_ header: Llama2Header) {
        self.header = header
        let hidden = header.hiddenSize, inner = header.feedForwardSize
        let embedding = Run(name: "tok_embeddings.weight", shape: [header.vocabularySize, hidden], isPerLayer: false,
                            isNorm: false)
        let output = Run(name: "output.weight", shape: embedding.shape, isPerLayer: false, isNorm: false)
        let finalNorm = Run(name: "norm.weight", shape: [hidden], isPerLayer: false, isNorm: true)
        func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Run {
            Run(name: name, shape: [rows, columns], isPerLayer: true, isNorm: false)
        }
        func norm(_ name: String) -> Run { Run(name: name, shape: [hidden], isPerLayer: true, isNorm: true) }
        let attention = [
            matrix("attention.wq.weight", hidden, hidden), matrix("attention.wk.weight", header.kvSize, hidden),
            matrix("attention.wv.weight", header.kvSize, hidden), matrix("attention.wo.weight", hidden, hidden),
        ]
        let feedForward = [
            matrix("feed_forward.w1.weight", inner, hidden), matrix("feed_forward.w2.weight", hidden, inner),
            matrix("feed_forward.w3.weight", inner, hidden),
        ]
        if header.version == 0 {
            runs = [embedding, norm("attention_norm.weight")] + attention + [norm("ffn_norm.weight")] + feedForward
            runs.append(finalNorm)
            skippedByteCount = header.contextSize * (header.headSize / 2) * 2 * 4
        } else {
            runs = [norm("attention_norm.weight"), norm("ffn_norm.weight"), finalNorm, embedding] + attention + feedForward
        }
        if !header.isHeadShared { runs.append(output) }
    }

    /// What the whole file must measure. `Llama2Header` bounds the numbers so that nothing here overflows.
    var byteCount: Int {
        runs.reduce(header.byteCount + skippedByteCount) { sum, run in
            sum + byteCount(run) * (run.isPerLayer ? header.layerCount : 1)
        }
    }

    /// Names and element counts of the matrices that version 2 stores in groups.
    var quantisedSizes: [(String, Int)] {
        runs.filter { !$0.isNorm }.map { ($0.name, $0.shape.reduce(1, *)) }
    }

    /// All tensors with their places; to be called when the length of the file has been found right.
    func tensors() -> [Llama2Tensor] {
        var tensors: [Llama2Tensor] = []
        var offset = header.byteCount
        for run in runs {
            if run.name == "output.weight" { offset += skippedByteCount }
            for layer in 0..<(run.isPerLayer ? header.layerCount : 1) {
                let name = run.isPerLayer ? "layers.\(layer).\(run.name)" : run.name
                tensors.append(Llama2Tensor(name: name, shape: run.shape, byteOffset: offset,
                                            isQuantised: header.version == 2 && !run.isNorm))
                offset += byteCount(run)
            }
        }
        return tensors
    }

    private func byteCount(_ run: Run) -> Int {
        let count = run.shape.reduce(1, *)
        guard let group = header.groupSize, !run.isNorm else { return 4 * count }
        return count + 4 * (count / group)
    }
}
