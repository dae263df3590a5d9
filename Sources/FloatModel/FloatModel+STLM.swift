import Checkpoints

extension FloatModel {
    /// The model in a checkpoint of SuperTinyLanguageModels' main branch, or with a byte decoder, sizes from its own config.
    ///
    /// - Throws: `FloatModelError` if the config is unsupported or disagrees with a tensor, or if a value is not finite.
    public init(stlm checkpoint: TorchCheckpoint) throws(FloatModelError) {
        var builder = try STLMBuilder(checkpoint)
        let c = builder.configuration
        let embedder = try c.embedder == .bytes ? builder.byteEmbedder() : builder.tokenEmbedder()
        let schedule = try builder.steps(c.core)
        let head: FloatHead
        switch c.head {
        case .linear(let norm, let hasBias):
            var tiedTable: FloatMatrix?
            if c.isTied, case .tokens(let table, _) = embedder { tiedTable = table }
            head = try builder.linearHead(norm, hasBias: hasBias, tiedTo: tiedTable)
        case .byteSlots: head = try builder.byteSlots()
        case .byteDecoder(let stack, let isTied): head = try builder.byteDecoder(stack, isTied: isTied)
        }
        try builder.finish()

        let parts = builder.parts, special = Self.specialIds(c)
        var hasPositions = false
        if case .tokens(_, _?) = embedder { hasPositions = true }
        self.init(
            hiddenSize: c.hiddenSize, vocabularySize: c.vocabularySize, contextDefault: c.contextSize,
            // The rotary table has 2 W rows in the original; without positions nothing bounds the length, so the same holds.
            contextMaximum: hasPositions ? c.contextSize : 2 * c.contextSize,
            blockSize: c.blockSize, endBlock: c.blockSize == 0 ? [] : Self.endBlock(c.tokenizerName, c.blockSize),
            embedder: embedder, attentions: parts.attentions, feedForwards: parts.feedForwards, norms: parts.norms,
            schedule: schedule, head: head, isCausal: c.core.isCausal, bosId: nil, eosIds: special.eos, padId: special.pad,
            sourceKind: .stlm, sourceDescription: Self.description(c), tokenizerName: c.tokenizerName)
    }

    private static func description(_ c: STLMConfiguration) -> String {
        let bytes = c.blockSize == 0 ? "" : "\(c.typeNames.embedder) embedder, \(c.typeNames.head) head, "
        return "STLM, \(bytes)\(c.typeNames.core)\(c.blockSize == 0 ? "" : " core"), "
            + "\(c.core.layerCount) layer\(c.core.layerCount == 1 ? "" : "s"), hidden size \(c.hiddenSize), "
            + "\(c.positions.rawValue) positions"
    }

    /// GPT-2 ends and pads with 50256; STLM's own tokenizer has pad and end of text as its last two ids.
    private static func specialIds(_ c: STLMConfiguration) -> (eos: [Int], pad: Int?) {
        guard c.usesIds else { return ([], nil) }
        switch c.tokenizerName {
        case "gpt2" where c.vocabularySize > 50_256: return ([50_256], 50_256)
        case "bpe" where c.vocabularySize >= 258: return ([c.vocabularySize - 1], c.vocabularySize - 2)
        default: return ([], nil)
        }
    }

    /// `words` closes a block without bytes; STLM's tokenizers spell their end of text out, cut to a block.
    private static func endBlock(_ tokenizerName: String?, _ blockSize: Int) -> [Int] {
        let symbols = tokenizerName == "words" ? [endSymbol] : "<|endoftext|>".utf8.map(Int.init)
        return symbols.prefix(blockSize) + Array(repeating: padSymbol, count: max(0, blockSize - symbols.count))
    }
}
