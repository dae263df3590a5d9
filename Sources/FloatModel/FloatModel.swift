/// A language model as a neutral description with float weights: parts, and a schedule that says in which order they act.
///
/// Parts that share all weights stand in a list once; the schedule names them as often as they act.
public struct FloatModel: Sendable {
    /// H: width of the residual stream.
    public var hiddenSize: Int
    /// V: number of ids, and of logits a position.
    public var vocabularySize: Int
    /// W: the number of positions to use unless told otherwise.
    public var contextDefault: Int
    /// The number of positions beyond which the model is undefined.
    public var contextMaximum: Int
    /// (V, H)
    public var embedding: FloatMatrix
    /// (positions, H), added to the embedding; nil if positions are rotary or absent.
    public var positions: FloatMatrix?
    public var attentions: [FloatAttention]
    public var feedForwards: [FloatFeedForward]
    public var norms: [FloatNorm]
    public var schedule: [FloatStep]
    public var finalNorm: FloatNorm
    /// (V, H); its weight is the object `embedding` when tied.
    public var head: FloatLinear
    /// False: every position sees all others, and no key or value can be kept from step to step.
    public var isCausal: Bool
    public var bosId: Int?
    /// Ids that end a text.
    public var eosIds: [Int]
    public var padId: Int?
    public var sourceKind: SourceKind
    /// One line for people: where the model comes from and of which variant it is.
    public var sourceDescription: String
    /// The tokenizer that the source names, such as `gpt2` or `bpe`; nil if it names none.
    public var tokenizerName: String?

    public enum SourceKind: String, Sendable {
        case stlm, llama2c
    }

    /// True if the output layer uses the embedding table.
    public var isTied: Bool { head.weight === embedding }

    public init(hiddenSize: Int, vocabularySize: Int, contextDefault: Int, contextMaximum: Int, embedding: FloatMatrix,
                positions: FloatMatrix?, attentions: [FloatAttention], feedForwards: [FloatFeedForward], norms: [FloatNorm],
                schedule: [FloatStep], finalNorm: FloatNorm, head: FloatLinear, isCausal: Bool, bosId: Int?, eosIds: [Int],
                padId: Int?, sourceKind: SourceKind, sourceDescription: String, tokenizerName: String?) {
        (self.hiddenSize, self.vocabularySize) = (hiddenSize, vocabularySize)
        (self.contextDefault, self.contextMaximum) = (contextDefault, contextMaximum)
        (self.embedding, self.positions) = (embedding, positions)
        (self.attentions, self.feedForwards, self.norms, self.schedule) = (attentions, feedForwards, norms, schedule)
        (self.finalNorm, self.head, self.isCausal) = (finalNorm, head, isCausal)
        (self.bosId, self.eosIds, self.padId) = (bosId, eosIds, padId)
        (self.sourceKind, self.sourceDescription, self.tokenizerName) = (sourceKind, sourceDescription, tokenizerName)
    }

    /// Every matrix of the model once, in the order in which a forward pass meets them.
    public var matrices: [FloatMatrix] {
        var found: [FloatMatrix] = [], seen: Set<ObjectIdentifier> = []
        func add(_ matrix: FloatMatrix?) {
            if let matrix, seen.insert(ObjectIdentifier(matrix)).inserted { found.append(matrix) }
        }
        func add(_ linear: FloatLinear?) { add(linear?.weight); add(linear?.bias) }
        func add(_ norm: FloatNorm) { add(norm.weight); add(norm.bias) }
        add(embedding)
        add(positions)
        for step in schedule {
            if let index = step.attentionNorm { add(norms[index]) }
            if let index = step.attention { add(attentions[index].qkv); add(attentions[index].output) }
            if let index = step.feedForwardNorm { add(norms[index]) }
            if let index = step.feedForward {
                let part = feedForwards[index]
                add(part.gate); add(part.up); add(part.down)
                add(part.activation.learned?.w1); add(part.activation.learned?.b1)
                add(part.activation.learned?.w2); add(part.activation.learned?.b2)
            }
        }
        add(finalNorm)
        add(head)
        return found
    }

    /// Number of weights, each counted once however often it is used.
    public var parameterCount: Int { matrices.reduce(0) { $0 + $1.values.count } }
}
