import CPlatform
import Kernels
import ModelFile
import STLM

/// Adds up what a model pays for positions, batch by batch and window by window: arithmetic-1, sections 9 and 10.
struct Scorer {
    /// Most positions in a batch.
    static let batchLimit = 32

    // (batchLimit, blocks of at most Limit.blockSize symbols)
    private var inputs = InlineArray<1024, UInt32>(repeating: 0)
    private var targets = InlineArray<1024, UInt32>(repeating: 0)
    private var pending = 0
    /// What was scored: tokens or blocks.
    private(set) var count = 0
    /// In bits, in units of 2^-24.
    private(set) var cost: Int64 = 0

    init() {}

    /// Forgets the sum, and what was fed.
    mutating func restart(_ session: inout Session) {
        session.reset()
        (pending, count, cost) = (0, 0, 0)
    }

    /// Scores `target` after `input`, which follows what was fed before. The window must have room.
    mutating func add(
        _ input: UnsafePointer<UInt32>, _ target: UnsafePointer<UInt32>, _ session: inout Session
    ) throws(SessionError) {
        let model = session.model
        for k in 0..<model.inputSize { inputs[pending * model.inputSize + k] = input[k] }
        for k in 0..<model.outputSize { targets[pending * model.outputSize + k] = target[k] }
        pending += 1
        if pending == min(Self.batchLimit, session.plan.batchTokenCount) || isWindowFull(session) { try flush(&session) }
    }

    /// True if the next position needs a new window.
    func isWindowFull(_ session: borrowing Session) -> Bool {
        session.position + pending >= session.plan.contextTokenCount
    }

    /// Feeds and scores what waits.
    mutating func flush(_ session: inout Session) throws(SessionError) {
        if pending == 0 { return }
        let model = session.model
        let rows = pending
        pending = 0
        try withUnsafeBytes(of: &inputs) { bytes throws(SessionError) in
            let numbers = bytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
            try session.feed(UnsafeBufferPointer(start: numbers, count: rows * model.inputSize))
        }
        if model.writesBlocks {
            withUnsafeBytes(of: &targets) { bytes in
                let numbers = bytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
                for row in 0..<rows { cost = added(cost, session.cost(row: row, of: numbers + row * model.outputSize)) }
            }
        } else {
            let logits = session.computeLogits(rows: 0..<rows)
            for row in 0..<rows { cost = added(cost, session.cost(logits + row * model.logitCount, of: targets[row])) }
        }
        count += rows
    }
}

/// What a session that scores is to be able to do: one row of logits for each position of a batch.
func scoringSettings(_ model: Model, _ kernels: KernelSet, _ options: Options) throws(SessionError) -> SessionOptions {
    if !model.record.isCausal { throw .notCausal }
    var settings = SessionOptions(model, kernels: kernels)
    settings.contextTokenCount = options.contextTokenCount
    settings.keyValueType = options.keyValueType
    settings.threadCount = threadCount(options)
    // Logits of every position are wanted: a few rows at a time.
    settings.batchTokenCount = options.batchTokenCount ?? 16
    settings.logitRowCount = min(settings.batchTokenCount, Scorer.batchLimit)
    settings.sampling.temperature = 0
    return settings
}
