import FixedPoint
import Kernels
import ModelFile

// The model's embedder: arithmetic-1, section 6. The core is in Session+Advance.swift, what comes after in Session+Head.swift.
extension Session {
    /// The residual stream of `count` positions from `firstPosition` on, as the embedder gives it.
    func embedPositions(from firstPosition: Int, count: Int) -> Stream {
        poisonScratch()
        let residual = pointer(plan.residual, as: Int32.self)  // (count, hidden)
        for k in 0..<count {
            let row = residual + k * model.hiddenSize
            if model.takesBlocks {
                embedBlock(history + (firstPosition + k) * model.inputSize, into: row)
            } else {
                let started = profile.begin()
                embedToken(history[firstPosition + k], position: firstPosition + k, into: row)
                profile.end(.embedding, started)
            }
        }
        return Stream(rows: residual, count: count, width: model.hiddenSize, fractionBits: model.residualFractionBits)
    }

    /// A token's row of the table, and its position's where there are positions.
    private func embedToken(_ token: UInt32, position: Int, into row: UnsafeMutablePointer<Int32>) {
        let embedder = model.record.embedder
        let fractionBits = model.residualFractionBits
        look(model.matrix(embedder.table), row: Int(token), fractionBits: fractionBits, into: row, accumulate: false)
        if embedder.positionTensor != Layout.none {
            look(
                model.matrix(embedder.positionTensor), row: position, fractionBits: fractionBits, into: row, accumulate: true)
        }
    }

    /// A row of a table, which leaves memory again where not all weights may stay.
    private func look(_ table: Matrix, row: Int, fractionBits: Int, into stream: UnsafeMutablePointer<Int32>, accumulate: Bool) {
        if plan.weights != nil { fetch(table, row: row) }
        embed(table, row: row, fractionBits: fractionBits, into: stream, accumulate: accumulate)
        if plan.weights != nil { drop(table, row: row) }
    }

    /// A block's bytes, which see each other, and their mean.
    private func embedBlock(_ symbols: UnsafePointer<UInt32>, into row: UnsafeMutablePointer<Int32>) {
        let embedder = model.record.embedder
        let table = model.matrix(embedder.table)
        let positions = model.matrix(embedder.positionTensor)
        let slots = model.blockSize
        var stream = Stream(
            rows: pointer(plan.slots, as: Int32.self), count: slots, width: table.columns,
            fractionBits: Int(embedder.fractionBits))
        for t in 0..<slots {
            let slot = stream.rows + t * stream.width
            embed(table, row: Int(symbols[t]), fractionBits: stream.fractionBits, into: slot, accumulate: false)
            embed(positions, row: t, fractionBits: stream.fractionBits, into: slot, accumulate: true)
        }
        // No block sees another, so that one cache serves every step.
        let scope = AttentionScope(capacity: slots, firstPosition: 0, isCausal: false)
        for index in model.embedderSteps {
            run(model.file.step(index), &stream, cache: arena + plan.slotKeyValues.offset, scope)
        }
        mean(stream.rows, count: slots, width: stream.width, into: row)
    }
}
