import Kernels
import ModelFile

// From the core's result to logits: arithmetic-1, section 6.1.2.
extension Session {
    /// Logits of a linear head for the last `rowCount` positions fed: (rowCount, vocabulary) Int32.
    @discardableResult
    public func computeLogits(rowCount: Int = 1) -> UnsafeMutablePointer<Int32> {
        computeLogits(rows: fedCount - rowCount..<fedCount)
    }

    /// The same for some of the positions of the last `feed`, counted from its first; at most `plan.logitRowCount`.
    @discardableResult
    public func computeLogits(rows: Range<Int>) -> UnsafeMutablePointer<Int32> {
        precondition(!model.writesBlocks && rows.count <= plan.logitRowCount)
        computeOutput(model.record.head.inputNorm, coreStream(rows), into: pointer(plan.logits, as: Int32.self))
        return pointer(plan.logits, as: Int32.self)
    }

    /// Logits of a byte head for the block after one position of the last `feed`: (blockSize, 258) Int32. Slots after the one that closes
    /// the block have zeros.
    /// - Parameters:
    ///   - row: the position, counted from the first of the last `feed`
    ///   - block: the symbols that a byte decoder is to see in the slots before each; byte slots need none
    @discardableResult
    public func computeBlockLogits(row: Int, of block: UnsafePointer<UInt32>) -> UnsafeMutablePointer<Int32> {
        let logits = pointer(plan.logits, as: Int32.self)
        if model.record.head.kind == HeadKind.byteSlots.rawValue {
            computeSlotLogits(row: row)
        } else {
            beginBlock(row: row)
            let count = model.drawnCount(block)
            decode(slots: 0..<count, after: block)
            (logits + count * Symbol.count).update(repeating: 0, count: (model.blockSize - count) * Symbol.count)
        }
        return logits
    }

    // MARK: Byte slots

    /// All slots at once.
    func computeSlotLogits(row: Int) {
        let head = model.record.head
        let slots = model.blockSize
        let positions = model.matrix(head.positionTensor)
        var stream = Stream(
            rows: pointer(plan.slots, as: Int32.self), count: slots, width: positions.columns,
            fractionBits: Int(head.fractionBits))
        // Half of the unit makes twice the value: the original model counts the projection twice.
        project(row: row, fractionBits: stream.fractionBits + 1, into: stream.rows)
        for t in 0..<slots {
            embed(positions, row: t, fractionBits: stream.fractionBits, into: stream.rows + t * stream.width, accumulate: true)
        }
        let scope = AttentionScope(capacity: slots, firstPosition: 0, isCausal: false)
        for index in model.headSteps {
            run(model.file.step(index), &stream, cache: arena + plan.slotKeyValues.offset, scope)
        }
        computeOutput(head.outputNorm, stream, into: pointer(plan.logits, as: Int32.self))
    }

    // MARK: Byte decoder

    /// Begins the block after a position of the last `feed`.
    func beginBlock(row: Int) {
        project(row: row, fractionBits: Int(model.record.head.fractionBits), into: pointer(plan.projected, as: Int32.self))
    }

    /// Logits of some slots of a block whose earlier slots have been computed.
    /// - Parameters:
    ///   - block: the symbols of the slots before the last of these
    func decode(slots: Range<Int>, after block: UnsafePointer<UInt32>) {
        let head = model.record.head
        let table = model.matrix(head.byteTable)
        let positions = model.matrix(head.positionTensor)
        let projected = pointer(plan.projected, as: Int32.self)
        var stream = Stream(
            rows: pointer(plan.slots, as: Int32.self), count: slots.count, width: positions.columns,
            fractionBits: Int(head.fractionBits))
        for t in slots {
            let row = stream.rows + (t - slots.lowerBound) * stream.width
            let previous = t == 0 ? Symbol.pad : block[t - 1]
            row.update(from: projected, count: stream.width)
            embed(table, row: Int(previous), fractionBits: stream.fractionBits, into: row, accumulate: true)
            embed(positions, row: t, fractionBits: stream.fractionBits, into: row, accumulate: true)
        }
        let scope = AttentionScope(capacity: model.blockSize, firstPosition: slots.lowerBound, isCausal: true)
        var cache = arena + plan.slotKeyValues.offset
        for index in model.headSteps {
            let step = model.file.step(index)
            run(step, &stream, cache: cache, scope)
            cache += Int(model.cacheByteCount(step, positionCount: model.blockSize))
        }
        let logits = pointer(plan.logits, as: Int32.self) + slots.lowerBound * Symbol.count
        computeOutput(head.outputNorm, stream, into: logits)
    }

    // MARK: Parts

    /// The core's stream at some positions of the last `feed`.
    func coreStream(_ rows: Range<Int>) -> Stream {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= fedCount)
        let residual = pointer(plan.residual, as: Int32.self) + rows.lowerBound * model.hiddenSize
        return Stream(rows: residual, count: rows.count, width: model.hiddenSize, fractionBits: model.residualFractionBits)
    }

    private func project(row: Int, fractionBits: Int, into result: UnsafeMutablePointer<Int32>) {
        let projection = model.linear(model.record.head.projection)
        normalize(model.record.head.inputNorm, coreStream(row..<row + 1), for: projection)
        let projected = linear(projection, .fixed(fractionBits: fractionBits), count: 1, result: result)
        run(LinearJob(projected, vectorCount: 1, threadCount: plan.threadCount), model.record.head.projection, count: 1)
    }

    /// Logits of a stream's rows.
    private func computeOutput(_ norm: UInt32, _ stream: Stream, into logits: UnsafeMutablePointer<Int32>) {
        let layer = model.linear(model.record.head.output)
        normalize(norm, stream, for: layer)
        poisonScratch()
        let output = linear(layer, .fixed(fractionBits: model.logitFractionBits), count: stream.count, result: logits)
        run(
            LinearJob(output, vectorCount: stream.count, threadCount: plan.threadCount), model.record.head.output, count: stream.count,
            as: .output)
    }
}
