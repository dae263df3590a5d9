extension SyntheticSTLM {
    /// Every pair of embedder and head of which at least one is byte-level.
    public static let byteLevelPairs: [(embedder: String, head: String)] = [
        ("byte_level", "byte_level"), ("byte_level", "byte_decoder"), ("byte_level", "generic"), ("generic", "byte_level"),
        ("generic", "byte_decoder"),
    ]

    /// A model with these two parts and some properties changed; byte-level in and out, its tokenizer is `words`.
    public init(embedder: String, head: String, _ change: (inout SyntheticSTLM) -> Void = { _ in }) {
        (self.embedder, self.head) = (embedder, head)
        if takesBlocks && writesBlocks { tokenizerType = "words" }
        change(&self)
    }

    /// The shapes of STLM's configs/byte_level.yaml, about 56 million weights.
    public static let stockByteLevel = SyntheticSTLM(embedder: "byte_level", head: "byte_level") {
        ($0.hiddenSize, $0.layerCount, $0.headCount, $0.groupSize, $0.feedForwardSize) = (768, 10, 16, 4, 1536)
        ($0.contextSize, $0.vocabularySize, $0.byteSize, $0.tokenizerType) = (512, 50_257, 128, "gpt2")
        ($0.shell, $0.hasOptimizer) = ("byte_shell", false)
    }

    /// The shapes of STLM's configs/byte_level_ffn_sharing.yaml, about 18 million weights.
    public static let stockByteLevelSharing = SyntheticSTLM(embedder: "byte_level", head: "byte_level") {
        ($0.hiddenSize, $0.layerCount, $0.headCount, $0.groupSize, $0.feedForwardSize) = (512, 16, 16, 4, 1536)
        ($0.contextSize, $0.vocabularySize, $0.byteSize, $0.tokenizerType) = (512, 50_257, 128, "gpt2")
        ($0.isFeedForwardShared, $0.hasOptimizer) = (true, false)
    }
}
