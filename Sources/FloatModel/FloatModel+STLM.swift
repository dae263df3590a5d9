import Checkpoints

extension FloatModel {
    /// The model in a checkpoint of SuperTinyLanguageModels' main branch, sizes from its own config.
    ///
    /// - Throws: `FloatModelError` if the config is unsupported or disagrees with a tensor, or if a value is not finite.
    public init(stlm checkpoint: TorchCheckpoint) throws(FloatModelError) {
        var builder = try STLMBuilder(checkpoint)
        let c = builder.configuration
        // The attentions come first: every layer has one, so an absurd layer count ends at the first missing tensor
        // before anything is sized by it.
        var parts = PartLists()
        var attentionIndices: [Int] = []
        for layer in 0..<c.layerCount { attentionIndices.append(parts.add(try builder.attention(layer: layer))) }
        let sharedFeedForward = c.isFeedForwardShared ? parts.add(try builder.feedForward(layers: 0..<c.layerCount)) : nil
        var schedule: [FloatStep] = []
        for layer in 0..<c.layerCount {
            let attentionNorm = try builder.attentionNorm(layer: layer)
            let feedForwardNorm = try builder.feedForwardNorm(layer: layer)
            let feedForward: Int
            if let sharedFeedForward {
                feedForward = sharedFeedForward
            } else {
                feedForward = parts.add(try builder.feedForward(layers: layer..<layer + 1))
            }
            schedule.append(FloatStep(attention: attentionIndices[layer], feedForward: feedForward,
                                      attentionNorm: parts.add(attentionNorm), feedForwardNorm: parts.add(feedForwardNorm)))
        }
        let tables = try builder.tables()
        let positions = try builder.positions()
        let finalNorm = try builder.finalNorm()
        try builder.finish()

        let special = Self.specialIds(c)
        self.init(
            hiddenSize: c.hiddenSize, vocabularySize: c.vocabularySize, contextDefault: c.contextSize,
            // The rotary table has 2 W rows in the original; without positions nothing bounds the length, so the same holds.
            contextMaximum: positions == nil ? 2 * c.contextSize : c.contextSize,
            embedding: tables.embedding, positions: positions, attentions: parts.attentions, feedForwards: parts.feedForwards,
            norms: parts.norms, schedule: schedule, finalNorm: finalNorm, head: tables.head, isCausal: c.isCausal, bosId: nil,
            eosIds: special.eos, padId: special.pad, sourceKind: .stlm,
            sourceDescription: "STLM, \(c.isFeedForwardShared ? "generic_ffn_sharing" : "generic"), \(c.layerCount) layer\(c.layerCount == 1 ? "" : "s"), "
                + "hidden size \(c.hiddenSize), \(c.positions.rawValue) positions",
            tokenizerName: c.tokenizerName)
    }

    /// GPT-2 ends and pads with 50256; STLM's own tokenizer has pad and end of text as its last two ids.
    private static func specialIds(_ c: STLMConfiguration) -> (eos: [Int], pad: Int?) {
        switch c.tokenizerName {
        case "gpt2" where c.vocabularySize > 50_256: return ([50_256], 50_256)
        case "bpe" where c.vocabularySize >= 258: return ([c.vocabularySize - 1], c.vocabularySize - 2)
        default: return ([], nil)
        }
    }
}
