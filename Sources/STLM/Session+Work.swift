import Kernels
import ModelFile

// How much there is to do, in multiply-adds of integers: for callers that work in portions. Sums do not fit in 32 bits.
extension Model {
    func work(_ layer: LinearRecord) -> Int64 {
        let matrix = matrix(layer.tensor)
        var sum = Int64(matrix.rows) * Int64(matrix.columns)
        if let correction = correction(layer) { sum += Int64(correction.rank) * Int64(matrix.rows + matrix.columns) }
        return sum
    }

    /// A step of the schedule for some rows, each of which sees at most `seen` positions or slots.
    func work(_ step: StepRecord, rows: Int, seen: Int) -> Int64 {
        var row: Int64 = 0
        if step.attention != Layout.none {
            let attention = file.attention(Int(step.attention))
            row += work(attention.qkv) + work(attention.output) + 2 * Int64(attention.headCount) * Int64(attention.headSize) * Int64(seen)
        }
        if step.feedForward != Layout.none {
            let feedForward = file.feedForward(Int(step.feedForward))
            if feedForward.kind == FeedForwardKind.gated.rawValue { row += work(feedForward.gate) }
            row += work(feedForward.up) + work(feedForward.down)
        }
        return Int64(rows) * row
    }

    /// The embedding of some positions.
    public func embeddingWork(positionCount: Int) -> Int64 {
        var sum = Int64(hiddenSize)
        if takesBlocks { for index in embedderSteps { sum += work(file.step(index), rows: blockSize, seen: blockSize) } }
        return Int64(positionCount) * sum
    }

    /// The longest step of the core for some positions in a context.
    public func longestStepWork(positionCount: Int, context: Int) -> Int64 {
        var most: Int64 = 0
        for index in coreSteps { most = max(most, work(file.step(index), rows: positionCount, seen: context)) }
        return most
    }

    /// So many pieces of `Session.headBlockCount`, of all else than a plain linear head the whole block or row.
    public func headWork(pieceCount: Int) -> Int64 {
        let output = work(record.head.output), head = record.head
        if !writesBlocks {
            return correction(head.output) != nil ? output : min(output, Int64(pieceCount) * 16 * Int64(linear(head.output).matrix.columns))
        }
        var sum = work(head.projection) + Int64(blockSize) * output
        for index in headSteps { sum += work(file.step(index), rows: blockSize, seen: blockSize) }
        return sum
    }

    /// The choice of what comes out: some passes over the logits.
    public var drawingWork: Int64 { 8 * Int64(logitCount) * Int64(writesBlocks ? blockSize : 1) }

    /// Positions, at most 64, that every step of the core and the embedding can be done for within some multiply-adds; at least 1.
    public func batchTokenCount(quantum: Int64, context: Int) -> Int {
        let one = max(longestStepWork(positionCount: 1, context: context), embeddingWork(positionCount: 1))
        return max(1, min(min(64, context), Int(clamping: quantum / max(1, one))))
    }
}

extension MemoryPlan {
    /// The longest piece of a slide: some 16 for each element of a key that is turned. What is read anew is read as a prompt.
    func slidePieceWork(_ model: Model) -> Int64 {
        if !model.movesPositions { return 0 }
        var most = 0
        for index in model.coreSteps {
            let step = model.file.step(index)
            if step.attention != Layout.none { most = max(most, Int(model.file.attention(Int(step.attention)).headSize)) }
        }
        return 16 * Int64(most) * Int64(min(Slide.pieceSize, contextTokenCount - slideDistance))
    }
}

extension Session {
    /// What the next call of `advance` does.
    public func work(_ advance: Advance) -> Int64 {
        if advance.step >= model.coreSteps.upperBound { return 0 }
        return model.work(model.file.step(advance.step), rows: advance.stream.count, seen: advance.end)
    }

    /// What the next call of `proceed` does.
    func work(_ slide: Slide) -> Int64 {
        if model.movesPositions { return plan.slidePieceWork(model) }
        if let advance = slide.advance { return work(advance) }
        return workOfBeginning(slide.end - position)
    }

    /// What `begin` does with as many of some positions as it takes: a model that is not causal embeds its whole sequence again.
    func workOfBeginning(_ positionCount: Int) -> Int64 {
        model.embeddingWork(positionCount: model.record.isCausal ? min(positionCount, plan.batchTokenCount) : plan.contextTokenCount)
    }
}

extension MemoryPlan {
    /// True if a session of the plan can draw so: it needs no more memory than the settings that the plan was made for, and its penalty
    /// looks back as far.
    public func serves(_ sampling: SamplingSettings, _ model: Model) -> Bool {
        if sampling.repeatPenalty != 65_536, seen.byteCount == 0 || Int64(recent.byteCount) != Int64(sampling.repeatWindow) * 4 { return false }
        return sampling.candidateCapacity(model.logitCount) * 8 <= candidates.byteCount
            && (!sampling.needsBins || bins.byteCount > 0)
    }
}
