import CPlatform
import Kernels
import ModelFile
import Tokenizers

/// What a session is to be able to do; all of it sizes the arena.
public struct SessionOptions: Sendable {
    /// Positions of the key-value cache; nil is the model's default.
    public var contextTokenCount: Int?
    /// What the core keeps keys and values as; those of the slots of a block are always of 16 bits.
    public var keyValueType = KeyValueType.int16
    /// Positions computed at once while a prompt is read: more read the weights less often. A model that is not causal needs all of
    /// them at once.
    public var batchTokenCount = 64
    /// Positions at the beginning that a session which slides keeps; nil is 1, or 0 in a context of 1. `Session.slide`
    public var keptPositionCount: Int?
    /// Rows of logits kept: 1 for generation, more where every position is wanted.
    public var logitRowCount = 1
    public var threadCount = 1
    /// Bytes of the model file that may be in memory at a time; nil for all. Of a smaller number some weights stay and the others pass
    /// through: `Session.openWindow`.
    public var weightByteLimit: Int?
    public var sampling: SamplingSettings
    public var kernels: KernelSet
    /// Bytes between regions that nothing writes, a multiple of 64: for tests.
    public var guardByteCount = 0
    /// What one phase leaves in memory that it shares with another is overwritten before the other begins, to show that nothing reads it. In
    /// debug builds, and for tests.
    public var poisonsScratch = isDebugBuild

    public init(_ model: Model, kernels: KernelSet = .detected) {
        sampling = SamplingSettings(model.record)
        self.kernels = kernels
    }
}

#if DEBUG
private let isDebugBuild = true
#else
private let isDebugBuild = false
#endif

/// Where everything that a session writes lies in its arena: offsets and sizes in bytes, each region at a multiple of 64.
/// Known before the session exists; `arenaByteCount` is exact. What is needed while layers run and what is needed to choose a token never
/// live at the same time, and share memory.
public struct MemoryPlan: Sendable {
    public struct Region: Sendable {
        public var offset = 0
        public var byteCount = 0
    }

    public let contextTokenCount: Int
    public let keyValueType: KeyValueType
    public let keptPositionCount: Int
    public let batchTokenCount: Int
    public let logitRowCount: Int
    public let threadCount: Int
    /// Rows that a stream has at most: the batch's positions, or the slots of a block.
    let rowCount: Int
    /// Bytes between the codes of two rows.
    let codeStride: Int
    /// The same of the narrow rows of corrections.
    let correctionStride: Int
    /// Which weights stay in memory; nil if all do.
    public let weights: WeightPlan?
    /// Positions or slots that attention can be over, rounded up to 16.
    let attentionCapacity: Int

    /// (batch, hidden) Int32 with the model's residual fraction bits
    public private(set) var residual = Region()
    /// (slots, width) Int32: the stream of a block in a byte embedder or byte head
    public private(set) var slots = Region()
    /// (width) Int32: what a byte decoder's slots begin with
    public private(set) var projected = Region()
    /// For each step of a byte decoder keys and values of the slots; elsewhere one step's
    public private(set) var slotKeyValues = Region()
    /// (rows, stream width) Int32, normalised
    public private(set) var normal = Region()
    /// (rows, codeStride) codes of a layer's input
    public private(set) var codes = Region()
    /// (rows) VectorScale
    public private(set) var scales = Region()
    /// (rows, wide) Int32: queries, keys and values, or the gate
    public private(set) var wide = Region()
    /// (rows, wide) Int32: the result of attention, or the other half of a gated feed-forward
    public private(set) var other = Region()
    /// (3, rows) Int: fraction bits of `wide`, of `other`, and of results whose fraction bits are known
    public private(set) var fractionBits = Region()
    /// (2, 2, rows) Int32: shifts of two linear layers at a time, and of their biases
    public private(set) var shifts = Region()
    /// Of corrected layers: (rows, rank) Int32, its fraction bits (rows) Int, its codes (rows, correctionStride) and (rows) VectorScale
    public private(set) var correction = Region()
    public private(set) var correctionFractionBits = Region()
    public private(set) var correctionCodes = Region()
    public private(set) var correctionScales = Region()
    /// (rows, codeStride): codes of 16 bits as a correction wants them, where its layer wants them otherwise
    public private(set) var turnedCodes = Region()
    /// (rows, heads, headSize rounded up to 2) Int16, then (rows, heads) VectorScale
    public private(set) var queries = Region()
    public private(set) var queryScales = Region()
    /// (rows, 2 kvHeads) VectorScale
    public private(set) var keyValueScales = Region()
    /// (threads, attentionCapacity) Int32 and (threads, headSize rounded up to 16) Int64
    public private(set) var attentionWeights = Region()
    public private(set) var attentionSums = Region()
    /// (logitRows, vocabulary) Int32; of a byte head (slots, 258)
    public private(set) var logits = Region()
    /// For each step of the core what `KeyValueLayout` says
    public private(set) var keyValues = Region()
    /// (context, tokens or symbols of a position) UInt32
    public private(set) var history = Region()
    /// (tokens or symbols of a position) UInt32: the last that were drawn
    public private(set) var drawn = Region()
    /// (candidates) UInt64
    public private(set) var candidates = Region()
    /// Sums of probabilities by distance
    public private(set) var bins = Region()
    /// (repeatWindow) UInt32, then a set of vocabulary bits
    public private(set) var recent = Region()
    public private(set) var seen = Region()
    /// Scratch of `TextEncoder`; none without a tokenizer
    public private(set) var encoder = Region()
    /// Bytes of generated text held back
    public private(set) var pending = Region()
    /// The thread pool
    public private(set) var pool = Region()
    /// Of weights that pass through memory: `WeightWindow`, (tensors) UInt32 blocks that stay, and (layers) UInt32 tensors in the order of a
    /// position
    public private(set) var window = Region()
    public private(set) var keptBlocks = Region()
    public private(set) var passOrder = Region()

    /// What layers and the choice of a token share.
    public private(set) var scratch = Region()
    let poisonsScratch: Bool
    private let guardByteCount: Int
    public private(set) var arenaByteCount = 0
    /// What fits in the addresses of this machine beside the file, with room for the program, stacks and prompt.
    private let mostByteCount: Int
    private var isTooLarge = false
    /// Of a number in the arena, so that an arena has the same size on every board.
    private static let numberByteCount = 8

    /// Bytes of the arena that are the core's keys and values.
    public var keyValueByteCount: Int { keyValues.byteCount }

    @_optimize(size)
    public init(_ model: Model, _ options: SessionOptions) throws(SessionError) {
        let maximum = Int(model.record.contextMaximum)
        let context = options.contextTokenCount ?? Int(model.record.contextDefault)
        if context < 1 || context > maximum { throw .contextOutOfRange(asked: context, maximum: maximum) }
        let batch = model.record.isCausal ? max(1, min(options.batchTokenCount, context)) : context
        contextTokenCount = context
        keyValueType = options.keyValueType
        keptPositionCount = options.keptPositionCount ?? min(1, context - 1)
        if !(0..<context).contains(keptPositionCount) { throw .keptOutOfRange(asked: keptPositionCount, context: context) }
        batchTokenCount = batch
        logitRowCount = max(1, min(options.logitRowCount, batch))
        threadCount = max(1, min(options.threadCount, Int(STLM_POOL_THREADS_MAX)))
        (poisonsScratch, guardByteCount) = (options.poisonsScratch, Layout.align(options.guardByteCount, 64))
        mostByteCount = max(0, Int.max - model.file.byteCount - 64 << 20)

        if let limit = options.weightByteLimit, limit < model.file.byteCount {
            weights = try WeightPlan(model, byteLimit: limit)
        } else {
            weights = nil
        }
        let slotCount = model.blockSize
        let core = Widths(model, model.coreSteps, width: model.hiddenSize)
        var local = Widths(model, model.embedderSteps, width: 0)
        local.include(Widths(model, model.headSteps, width: 0))
        var all = core
        all.include(local)
        let head = model.record.head
        all.include(code: model.linear(head.output))
        if model.takesBlocks { local.include(stream: model.matrix(model.record.embedder.table).columns) }
        var projectedWidth = 0
        if model.writesBlocks {
            let projection = model.linear(head.projection)
            all.include(code: projection)
            local.include(stream: model.matrix(head.positionTensor).columns)
            if head.kind == HeadKind.byteDecoder.rawValue { projectedWidth = projection.matrix.rows }
        }
        all.include(stream: local.stream)
        let rows = max(batch, slotCount)
        rowCount = rows
        codeStride = Layout.align(all.code, 64)
        let corrections = Corrections(model, options.kernels)
        correctionStride = Layout.align(corrections.codeByteCount, 64)
        attentionCapacity = Layout.align(max(context, slotCount), 16)

        residual = reserve(batch, model.hiddenSize * 4)
        slots = reserve(slotCount, local.stream * 4)
        projected = reserve(projectedWidth, 4)
        slotKeyValues = reserve(byteCount: Self.slotCacheByteCount(model))
        normal = reserve(byteCount: max(Int64(batch) * Int64(model.hiddenSize), Int64(slotCount * local.stream)) * 4)
        codes = reserve(rows, codeStride)
        scales = reserve(rows, MemoryLayout<VectorScale>.stride)
        fractionBits = reserve(rows, 3 * Self.numberByteCount)
        shifts = reserve(rows, 4 * 4)
        correction = reserve(rows, corrections.rank * 4)
        correctionFractionBits = reserve(corrections.rank == 0 ? 0 : rows, Self.numberByteCount)
        correctionCodes = reserve(rows, correctionStride)
        correctionScales = reserve(corrections.rank == 0 ? 0 : rows, MemoryLayout<VectorScale>.stride)
        turnedCodes = reserve(corrections.turnsCodes ? rows : 0, codeStride)
        var cache: Int64 = 0
        for index in model.coreSteps { cache += model.cacheByteCount(model.file.step(index), positionCount: context, keyValueType) }
        keyValues = reserve(byteCount: cache)
        history = reserve(context, model.inputSize * 4)
        drawn = reserve(model.outputSize, 4)
        let penalises = options.sampling.repeatPenalty != 65_536
        recent = reserve(penalises ? Int(clamping: options.sampling.repeatWindow) : 0, 4)
        seen = reserve(penalises ? (model.logitCount + 63) / 64 : 0, 8)
        encoder = reserve(model.tokenizer == nil ? 0 : 1, TextEncoder.scratchByteCount)
        let longest = max(slotCount, model.tokenizer == nil ? 0 : Int(model.file.tokenizer.longestPiece))
        pending = reserve(longest == 0 ? 0 : 1, TextStream.byteCount(longestPiece: longest))
        pool = reserve(threadCount > 1 ? 1 : 0, Int(STLM_POOL_BYTES))

        scratch.offset = arenaByteCount
        wide = reserve(rows, all.wide * 4)
        other = reserve(rows, all.wide * 4)
        queries = reserve(rows, all.queries * 2)
        queryScales = reserve(rows, all.heads * MemoryLayout<VectorScale>.stride)
        keyValueScales = reserve(rows, 2 * all.kvHeads * MemoryLayout<VectorScale>.stride)
        attentionWeights = reserve(all.heads == 0 ? 0 : threadCount, attentionCapacity * 4)
        attentionSums = reserve(threadCount, Layout.align(all.headSize, 16) * 8)
        let layersEnd = arenaByteCount
        // The slots of a block have logits while layers of later slots run.
        if !model.writesBlocks { arenaByteCount = scratch.offset }
        logits = reserve(model.writesBlocks ? slotCount : logitRowCount, model.logitCount * 4)
        candidates = reserve(options.sampling.candidateCapacity(model.logitCount), 8)
        bins = reserve(options.sampling.needsBins ? Softmax.binMemory : 0, 8)
        arenaByteCount = max(arenaByteCount, layersEnd)
        if !model.writesBlocks { scratch.byteCount = arenaByteCount - scratch.offset }

        if weights != nil {
            window = reserve(1, MemoryLayout<WeightWindow>.stride)
            keptBlocks = reserve(model.file.tensorCount, 4)
            passOrder = reserve(model.layerCount, 4)
        }
        if isTooLarge { throw .addressesExceeded(context: context) }
    }

    /// Keys and values of one block: a byte decoder keeps those of every step, elsewhere a step's are done with when it ends.
    private static func slotCacheByteCount(_ model: Model) -> Int64 {
        var most: Int64 = 0
        for index in model.embedderSteps {
            most = max(most, model.cacheByteCount(model.file.step(index), positionCount: model.blockSize))
        }
        var sum: Int64 = 0
        for index in model.headSteps {
            let bytes = model.cacheByteCount(model.file.step(index), positionCount: model.blockSize)
            most = max(most, bytes)
            sum += bytes
        }
        return model.record.head.kind == HeadKind.byteDecoder.rawValue ? max(most, sum) : most
    }

    private mutating func reserve(_ count: Int, _ elementByteCount: Int) -> Region { reserve(byteCount: Int64(count) * Int64(elementByteCount)) }

    private mutating func reserve(byteCount: Int64) -> Region {
        let end = (Int64(arenaByteCount) + byteCount + 63) / 64 * 64 + Int64(guardByteCount)
        if end > Int64(mostByteCount) {
            isTooLarge = true
            return Region()
        }
        let region = Region(offset: arenaByteCount, byteCount: Int(byteCount))
        arenaByteCount = Int(end)
        return region
    }

    /// Calls `body` with every region, those that share memory too.
    public func forEachRegion(_ body: (Region) -> Void) {
        let all: InlineArray<35, Region> = [
            residual, slots, projected, slotKeyValues, normal, codes, scales, wide, other, fractionBits, shifts, correction,
            correctionFractionBits, correctionCodes, correctionScales, turnedCodes, queries, queryScales, keyValueScales, attentionWeights,
            attentionSums, logits, keyValues, history, drawn, candidates, bins, recent, seen, encoder, pending, pool, window, keptBlocks,
            passOrder,
        ]
        for k in all.indices { body(all[k]) }
    }
}

/// Greatest sizes among the corrections of a model.
private struct Corrections {
    var rank = 0
    /// Of the codes of a narrow row.
    var codeByteCount = 0
    /// A layer and what corrects it may want codes of 16 bits in different forms.
    var turnsCodes = false

    init(_ model: Model, _ kernels: KernelSet) {
        func form(_ matrix: UInt32) -> CodeForm {
            Linear(matrix: model.matrix(matrix), bias: nil, biasFractionBits: 0, activationBits: 16).codeForm(kernels)
        }
        for index in 0..<model.file.tensorCount {
            guard let parts = model.file.corrected(index) else { continue }
            let up = model.matrix(parts.up)
            rank = max(rank, up.columns)
            let layer = Linear(matrix: up, bias: nil, biasFractionBits: 0, activationBits: Int(parts.activationBits))
            codeByteCount = max(codeByteCount, layer.paddedColumns * layer.activationBits / 8)
            if form(parts.base) != form(parts.down) { turnsCodes = true }
        }
    }
}

/// Greatest sizes among some steps of the schedule.
private struct Widths {
    var stream = 0
    var wide = 0
    var code = 0
    var heads = 0
    var kvHeads = 0
    var queries = 0
    var headSize = 0

    init(_ model: Model, _ steps: Range<Int>, width: Int) {
        stream = width
        for index in steps {
            let step = model.file.step(index)
            if step.attention != Layout.none {
                let record = model.file.attention(Int(step.attention))
                include(code: model.linear(record.qkv))
                include(code: model.linear(record.output))
                wide = max(wide, Int(record.headCount + 2 * record.kvHeadCount) * Int(record.headSize))
                heads = max(heads, Int(record.headCount))
                kvHeads = max(kvHeads, Int(record.kvHeadCount))
                queries = max(queries, Int(record.headCount) * Layout.align(Int(record.headSize), 2))
                headSize = max(headSize, Int(record.headSize))
            }
            if step.feedForward != Layout.none {
                let record = model.file.feedForward(Int(step.feedForward))
                let up = model.linear(record.up)
                let down = model.linear(record.down)
                wide = max(wide, up.matrix.rows)
                stream = max(stream, down.matrix.rows)
                include(code: up)
                include(code: down)
                if record.kind == FeedForwardKind.gated.rawValue { include(code: model.linear(record.gate)) }
            }
        }
    }

    mutating func include(code layer: Linear) { code = max(code, layer.paddedColumns * layer.activationBits / 8) }

    mutating func include(stream width: Int) { stream = max(stream, width) }

    mutating func include(_ other: Widths) {
        stream = max(stream, other.stream)
        wide = max(wide, other.wide)
        code = max(code, other.code)
        heads = max(heads, other.heads)
        kvHeads = max(kvHeads, other.kvHeads)
        queries = max(queries, other.queries)
        headSize = max(headSize, other.headSize)
    }
}
