import FixedPoint
import Kernels
import ModelFile

extension SessionOptions {
    /// What a transcript is computed with.
    public init(transcriptOf model: Model, _ type: KeyValueType, positionCount: Int, kernels: KernelSet = .detected, threadCount: Int = 1) {
        self.init(model, kernels: kernels)
        contextTokenCount = positionCount
        batchTokenCount = positionCount
        keyValueType = type
        self.threadCount = threadCount
        sampling.temperature = 0
    }
}

extension Model {
    /// Types of keys and values that a transcript has.
    public var transcriptTypeCount: Int { record.isCausal ? Int(KeyValueType.count) : 1 }
}

extension Session {
    /// CRC-32 of the logits at all positions of the session's context, after inputs that are the same everywhere: stlm-1, section 12. The
    /// session is a new one before and after it; its context and batch are those positions.
    public mutating func transcriptChecksum() throws(SessionError) -> UInt32 {
        reset()
        setTranscriptInputs()
        let inputs = UnsafeBufferPointer(start: history, count: plan.contextTokenCount * model.inputSize)
        // They lie where feed puts them, so that it copies each onto itself.
        try feed(inputs)
        var sum = CRC32()
        for row in 0..<plan.contextTokenCount {
            let logits = rowLogits(row, inputs, position: row)
            sum.update(logits, byteCount: model.outputSize * model.logitCount * 4)
        }
        reset()
        return sum.value
    }

    /// Puts the inputs of a transcript where `feed` puts them, for the whole context of a new session.
    public func setTranscriptInputs() {
        let limit = UInt64(model.inputLimit)
        var random = SplitMix64(seed: 0)
        for k in 0..<plan.contextTokenCount * model.inputSize {
            historyPointer[k] = UInt32(truncatingIfNeeded: ((random.next() &>> 32) &* limit) &>> 32)
        }
    }

    /// Logits after one position of the last `feed`. A byte decoder sees the block that follows; after the last position, or where
    /// what goes in are tokens, its own likeliest symbols.
    /// - Parameters:
    ///   - inputs: of all positions, (positions, inputSize)
    ///   - row: that of the position in the last `feed`
    /// - Returns: (outputSize, logitCount)
    public func rowLogits(_ row: Int, _ inputs: UnsafeBufferPointer<UInt32>, position: Int) -> UnsafeMutablePointer<Int32> {
        if !model.writesBlocks { return computeLogits(rows: row..<row + 1) }
        let next = (position + 1) * model.inputSize
        if model.takesBlocks, next < inputs.count { return computeBlockLogits(row: row, of: inputs.baseAddress! + next) }
        return computeBlockLogits(row: row, of: likeliestBlock(row: row))
    }
}
