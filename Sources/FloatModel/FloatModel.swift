/// A language model as a neutral description with float weights: an embedder, a core and a head, made of parts, with schedules
/// that say in which order the parts act.
///
/// Parts that share all weights stand in a list once; the schedules name them as often as they act.
public struct FloatModel: Sendable {
    /// H: width of the core's residual stream.
    public var hiddenSize: Int
    /// V: number of ids, and of logits a position; for information where neither embedder nor head has to do with ids.
    public var vocabularySize: Int
    /// W: the number of positions to use unless told otherwise.
    public var contextDefault: Int
    /// The number of positions beyond which the model is undefined.
    public var contextMaximum: Int
    /// C: symbols a block; 0 if neither embedder nor head is byte-level.
    public var blockSize: Int
    /// The C symbols that end a text, and begin one; empty if `blockSize` is 0.
    public var endBlock: [Int]
    public var embedder: FloatEmbedder
    /// Of all schedules; widths may differ from part to part.
    public var attentions: [FloatAttention]
    public var feedForwards: [FloatFeedForward]
    public var norms: [FloatNorm]
    /// The core's.
    public var schedule: [FloatStep]
    public var head: FloatHead
    /// Of the core. False: every position sees all others, and no key or value can be kept from step to step.
    public var isCausal: Bool
    public var bosId: Int?
    /// Ids that end a text; empty if ids neither go in nor come out.
    public var eosIds: [Int]
    public var padId: Int?
    public var sourceKind: SourceKind
    /// One line for people: where the model comes from and of which variant it is.
    public var sourceDescription: String
    /// The tokenizer that the source names, such as `gpt2`, `bpe` or `words`; nil if it names none.
    public var tokenizerName: String?

    public enum SourceKind: String, Sendable {
        case stlm, llama2c
    }

    /// Bytes, a pad (256) and an end (257), which both close a block of a byte decoder.
    public static let symbolCount = 258
    /// The least symbol that is no byte.
    public static let padSymbol = 256
    public static let endSymbol = 257

    public init(hiddenSize: Int, vocabularySize: Int, contextDefault: Int, contextMaximum: Int, blockSize: Int = 0,
                endBlock: [Int] = [], embedder: FloatEmbedder, attentions: [FloatAttention], feedForwards: [FloatFeedForward],
                norms: [FloatNorm], schedule: [FloatStep], head: FloatHead, isCausal: Bool, bosId: Int?, eosIds: [Int],
                padId: Int?, sourceKind: SourceKind, sourceDescription: String, tokenizerName: String?) {
        (self.hiddenSize, self.vocabularySize) = (hiddenSize, vocabularySize)
        (self.contextDefault, self.contextMaximum) = (contextDefault, contextMaximum)
        (self.blockSize, self.endBlock) = (blockSize, endBlock)
        (self.embedder, self.head) = (embedder, head)
        (self.attentions, self.feedForwards, self.norms, self.schedule) = (attentions, feedForwards, norms, schedule)
        (self.isCausal, self.bosId, self.eosIds, self.padId) = (isCausal, bosId, eosIds, padId)
        (self.sourceKind, self.sourceDescription, self.tokenizerName) = (sourceKind, sourceDescription, tokenizerName)
    }

    /// True if blocks of bytes go in, not ids.
    public var takesBlocks: Bool {
        if case .bytes = embedder { return true }
        return false
    }

    /// True if blocks of bytes come out, not ids.
    public var writesBlocks: Bool {
        if case .linear = head { return false }
        return true
    }

    /// True if the output layer uses the table of what goes in: of ids, or of a byte decoder's symbols.
    public var isTied: Bool {
        switch (embedder, head) {
        case (.tokens(let table, _), .linear(_, let output)): return output.weight === table
        case (_, .byteDecoder(let decoder)): return decoder.output.weight === decoder.table
        default: return false
        }
    }
}
