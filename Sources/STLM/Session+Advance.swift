import FixedPoint
import Kernels
import ModelFile

/// Positions on their way through the core, for callers that do other things between its steps. The results are those of `feed`.
public struct Advance {
    /// Of the first row.
    let firstPosition: Int
    /// The session's position when all is done.
    let end: Int
    /// The step of the schedule that comes next.
    var step: Int
    /// Where its keys and values begin among all.
    var cacheOffset: Int
    var stream: Stream
}

extension Session {
    /// Begins to read at most `plan.batchTokenCount` positions: their embedding. Until `advance` is done with them the session must do nothing
    /// else but `save`.
    /// - Parameters:
    ///   - inputs: (positions, inputSize): tokens, or the symbols of blocks; they may lie in `upcoming`
    public mutating func begin(_ inputs: UnsafeBufferPointer<UInt32>) throws(SessionError) -> Advance {
        let size = model.inputSize
        let count = inputs.count / size
        precondition(inputs.count == count * size)
        for number in inputs where number >= UInt32(model.inputLimit) {
            throw .tokenOutOfRange(token: number, vocabularySize: model.inputLimit)
        }
        if count > min(plan.batchTokenCount, plan.contextTokenCount - position) {
            throw .contextFull(needed: position + count, context: plan.contextTokenCount)
        }
        for k in 0..<inputs.count { historyPointer[position * size + k] = inputs[k] }
        // A model that is not causal reads its whole sequence again.
        let first = model.record.isCausal ? position : 0
        fedCount = 0
        let rows = embedPositions(from: first, count: position + count - first)
        return Advance(
            firstPosition: first, end: position + count, step: model.coreSteps.lowerBound, cacheOffset: plan.keyValues.offset, stream: rows)
    }

    /// Runs one step of the schedule.
    /// - Returns: true when the positions are read
    public mutating func advance(_ advance: inout Advance) -> Bool {
        if advance.step < model.coreSteps.upperBound {
            let step = model.file.step(advance.step)
            let scope = AttentionScope(
                keyValueType: plan.keyValueType, capacity: plan.contextTokenCount, firstPosition: advance.firstPosition,
                isCausal: model.record.isCausal)
            run(step, &advance.stream, cache: arena + advance.cacheOffset, scope)
            advance.cacheOffset += Int(model.cacheByteCount(step, positionCount: plan.contextTokenCount, plan.keyValueType))
            advance.step += 1
        }
        if advance.step < model.coreSteps.upperBound { return false }
        position = advance.end
        fedCount = advance.end - advance.firstPosition
        return true
    }

    /// Where the inputs of the positions after the last lie: ((context - position), inputSize).
    public var upcoming: UnsafeMutablePointer<UInt32> { historyPointer + position * model.inputSize }

    /// True if what comes after the last position can be asked for.
    public var hasResult: Bool { fedCount > 0 }

    /// Forgets the positions from one on. What comes after the last that is left can be asked for once another is read.
    public mutating func rewind(to position: Int) {
        precondition(position <= self.position)
        self.position = position
        fedCount = 0
    }

    // MARK: Logits in pieces

    /// Pieces that the logits of a position are computed in: ranges of so many blocks of 16 rows of a linear head. One piece of other heads.
    public var headBlockCount: Int {
        let head = model.record.head
        return model.writesBlocks || model.correction(head.output) != nil ? 1 : model.linear(head.output).matrix.blockCount
    }

    /// Computes some pieces of the logits of the last position, one range after the other.
    /// - Parameters:
    ///   - isFirst: nothing of this position's logits was computed yet
    public func computeLogits(pieces: Range<Int>, isFirst: Bool) {
        precondition(!model.writesBlocks && plan.weights == nil)
        let head = model.record.head
        if model.correction(head.output) != nil {
            computeLogits()
            return
        }
        let stream = coreStream(fedCount - 1..<fedCount), layer = model.linear(head.output)
        if isFirst {
            normalize(head.inputNorm, stream, for: layer)
            poisonScratch()
        }
        let output = linear(
            layer, .fixed(fractionBits: model.logitFractionBits), count: 1, result: pointer(plan.logits, as: Int32.self))
        run(LinearJob(output, blocks: pieces, vectorCount: 1, threadCount: plan.threadCount), as: .output)
    }

    /// Draws from the logits that were computed last; else as `draw`.
    public func drawComputed(
        _ settings: SamplingSettings, random: inout SplitMix64, recent: inout RecentTokens
    ) -> UnsafePointer<UInt32> {
        let drawn = pointer(plan.drawn, as: UInt32.self), logits = pointer(plan.logits, as: Int32.self)
        if let constraint {
            drawn[0] = sample(logits, constraint, settings, random: &random, recent: recent)
        } else {
            drawn[0] = sample(logits, settings, random: &random, recent: recent)
        }
        recent.append(drawn[0])
        return UnsafePointer(drawn)
    }

    /// The cost of what comes after the last position fed: (outputSize).
    public func lastCost(of target: UnsafePointer<UInt32>) -> Int64 { cost(row: fedCount - 1, of: target) }

    /// The cost of a token by the logits that were computed last.
    public func costComputed(of token: UInt32) -> Int64 { cost(pointer(plan.logits, as: Int32.self), of: token) }
}
