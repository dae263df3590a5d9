import Kernels
import ModelFile
import Tokenizers

/// What a session is to be able to do; all of it sizes the arena.
public struct SessionOptions: Sendable {
    /// Positions of the key-value cache; nil is the model's default.
    public var contextTokenCount: Int?
    /// Positions computed at once while a prompt is read. A model that is not causal needs all of them at once.
    public var batchTokenCount = 16
    /// Rows of logits kept: 1 for generation, more where every position is wanted.
    public var logitRowCount = 1
    public var threadCount = 1
    public var sampling: SamplingSettings
    public var kernels: KernelSet

    public init(_ model: Model, kernels: KernelSet = .detected) {
        sampling = SamplingSettings(model.record)
        self.kernels = kernels
    }
}

/// Where everything that a session writes lies in its arena: offsets and sizes in bytes, each region at a multiple of 64.
/// Known before the session exists; `arenaByteCount` is exact.
public struct MemoryPlan: Sendable {
    public struct Region: Sendable {
        public var offset = 0
        public var byteCount = 0
    }

    public let contextTokenCount: Int
    public let batchTokenCount: Int
    public let logitRowCount: Int
    public let threadCount: Int
    /// Greatest widths among the layers.
    let wideCount: Int
    let codeStride: Int
    let headCount: Int
    let queryCount: Int

    /// (batch, hidden) Int32 with the model's residual fraction bits
    public private(set) var residual = Region()
    /// (batch, hidden) Int32, normalised
    public private(set) var normal = Region()
    /// (batch, codeStride) codes of a layer's input
    public private(set) var codes = Region()
    /// (batch) VectorScale
    public private(set) var scales = Region()
    /// (batch, wide) Int32: queries, keys and values, or the gate
    public private(set) var wide = Region()
    /// (batch, wide) Int32: the result of attention, or the other half of a gated feed-forward
    public private(set) var other = Region()
    /// (2, batch) Int: fraction bits of `wide` and `other`
    public private(set) var fractionBits = Region()
    /// (batch, heads * headSize) Int16, then (batch, heads) VectorScale
    public private(set) var queries = Region()
    public private(set) var queryScales = Region()
    /// (threads, context) Int32 and (threads, headSize) Int64
    public private(set) var attentionWeights = Region()
    public private(set) var attentionSums = Region()
    /// (logitRows, vocabulary) Int32
    public private(set) var logits = Region()
    /// For each KV slot: keys, key scales, values, value scales; each (kvHeads, context, ...)
    public private(set) var keyValues = Region()
    /// (context) UInt32
    public private(set) var history = Region()
    /// (candidates) UInt64
    public private(set) var candidates = Region()
    /// (repeatWindow) UInt32, then a set of vocabulary bits
    public private(set) var recent = Region()
    public private(set) var seen = Region()
    /// Scratch of `TextEncoder`; none without a tokenizer
    public private(set) var encoder = Region()
    /// Bytes of generated text held back
    public private(set) var pending = Region()
    /// The thread pool
    public private(set) var pool = Region()

    public private(set) var arenaByteCount = 0

    public init(_ model: Model, _ options: SessionOptions) throws(SessionError) {
        let file = model.file
        let maximum = Int(model.record.contextMaximum)
        let context = options.contextTokenCount ?? Int(model.record.contextDefault)
        if context < 1 || context > maximum { throw .contextOutOfRange(asked: context, maximum: maximum) }
        let batch = model.record.isCausal ? max(1, min(options.batchTokenCount, context)) : context
        contextTokenCount = context
        batchTokenCount = batch
        logitRowCount = max(1, min(options.logitRowCount, batch))
        threadCount = max(1, min(options.threadCount, 64))

        var wide = 0
        var code = Self.codeByteCount(model.linear(model.record.head))
        var heads = 0
        var queryWidth = 0
        var headSize = 0
        for index in 0..<file.attentionCount {
            let record = file.attention(index)
            wide = max(wide, Int(record.headCount + 2 * record.kvHeadCount) * Int(record.headSize))
            code = max(code, max(Self.codeByteCount(model.linear(record.qkv)), Self.codeByteCount(model.linear(record.output))))
            heads = max(heads, Int(record.headCount))
            queryWidth = max(queryWidth, Int(record.headCount * record.headSize))
            headSize = max(headSize, Int(record.headSize))
        }
        for index in 0..<file.feedForwardCount {
            let record = file.feedForward(index)
            let up = model.linear(record.up)
            wide = max(wide, up.matrix.rows)
            code = max(code, max(Self.codeByteCount(up), Self.codeByteCount(model.linear(record.down))))
            if record.kind == FeedForwardKind.gated.rawValue { code = max(code, Self.codeByteCount(model.linear(record.gate))) }
        }
        wideCount = wide
        codeStride = Layout.align(code, 64)
        headCount = heads
        queryCount = queryWidth

        let hidden = model.hiddenSize
        residual = reserve(batch * hidden * 4)
        normal = reserve(batch * hidden * 4)
        codes = reserve(batch * codeStride)
        scales = reserve(batch * MemoryLayout<VectorScale>.stride)
        self.wide = reserve(batch * wide * 4)
        other = reserve(batch * wide * 4)
        fractionBits = reserve(2 * batch * MemoryLayout<Int>.stride)
        queries = reserve(batch * queryWidth * 2)
        queryScales = reserve(batch * heads * MemoryLayout<VectorScale>.stride)
        attentionWeights = reserve(heads == 0 ? 0 : threadCount * context * 4)
        attentionSums = reserve(threadCount * headSize * 8)
        logits = reserve(logitRowCount * model.vocabularySize * 4)
        var cache = 0
        for index in 0..<file.stepCount {
            let step = file.step(index)
            if step.attention != Layout.none { cache += KeyValueSlot.byteCount(file.attention(Int(step.attention)), context) }
        }
        keyValues = reserve(cache)
        history = reserve(context * 4)
        candidates = reserve(options.sampling.candidateCapacity(model.vocabularySize) * 8)
        let penalises = options.sampling.repeatPenalty != 65_536
        recent = reserve(penalises ? Int(options.sampling.repeatWindow) * 4 : 0)
        seen = reserve(penalises ? (model.vocabularySize + 63) / 64 * 8 : 0)
        encoder = reserve(model.tokenizer == nil ? 0 : TextEncoder.scratchByteCount)
        pending = reserve(model.tokenizer == nil ? 0 : TextStream.byteCount(longestPiece: Int(file.tokenizer.longestPiece)))
        pool = reserve(threadCount > 1 ? 4096 : 0)
    }

    private mutating func reserve(_ byteCount: Int) -> Region {
        let region = Region(offset: arenaByteCount, byteCount: byteCount)
        arenaByteCount = Layout.align(arenaByteCount + byteCount, 64)
        return region
    }

    private static func codeByteCount(_ linear: Linear) -> Int {
        linear.paddedColumns * linear.activationBits / 8
    }
}

/// One layer's keys and values in the arena.
struct KeyValueSlot {
    /// Bytes of a slot: (kvHeads, context, headSize) Int16 and (kvHeads, context) VectorScale, twice.
    static func byteCount(_ record: AttentionRecord, _ context: Int) -> Int {
        2 * Layout.align(codeByteCount(record, context), 64) + 2 * Layout.align(scaleByteCount(record, context), 64)
    }

    static func codeByteCount(_ record: AttentionRecord, _ context: Int) -> Int {
        Int(record.kvHeadCount) * context * Int(record.headSize) * 2
    }

    static func scaleByteCount(_ record: AttentionRecord, _ context: Int) -> Int {
        Int(record.kvHeadCount) * context * MemoryLayout<VectorScale>.stride
    }

    let keys: UnsafeMutablePointer<Int16>
    let values: UnsafeMutablePointer<Int16>
    let keyScales: UnsafeMutablePointer<VectorScale>
    let valueScales: UnsafeMutablePointer<VectorScale>

    init(_ base: UnsafeMutableRawPointer, _ record: AttentionRecord, _ context: Int) {
        let codes = Layout.align(Self.codeByteCount(record, context), 64)
        let scales = Layout.align(Self.scaleByteCount(record, context), 64)
        keys = base.assumingMemoryBound(to: Int16.self)
        values = (base + codes).assumingMemoryBound(to: Int16.self)
        keyScales = (base + 2 * codes).assumingMemoryBound(to: VectorScale.self)
        valueScales = (base + 2 * codes + scales).assumingMemoryBound(to: VectorScale.self)
    }

    /// Head `head` of the slot.
    func head(_ head: Int, headSize: Int, context: Int) -> KeyValueHead {
        KeyValueHead(
            keys: keys + head &* context &* headSize, keyScales: keyScales + head &* context,
            values: values + head &* context &* headSize, valueScales: valueScales + head &* context)
    }
}
