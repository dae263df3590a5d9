import FixedPoint
import ModelFile

extension Session {
    /// Draws what comes after the last position fed: a token, or the symbols of a block, slot after slot.
    /// - Parameters:
    ///   - recent: gets what is drawn, but for symbols that are no bytes
    /// - Returns: (outputSize), valid until the next draw
    public func draw(
        _ settings: SamplingSettings, random: inout SplitMix64, recent: inout RecentTokens
    ) -> UnsafePointer<UInt32> {
        let row = fedCount - 1
        if !model.writesBlocks {
            if let constraint { computeLogits(row: row, constraint) } else { computeLogits(rows: row..<row + 1) }
            return drawComputed(settings, random: &random, recent: &recent)
        }
        if let constraint {
            constraint.beginBlock()
            return fillBlock(row: row) { logits, slot in
                let symbol = sample(logits, slot: slot, constraint, settings, random: &random, recent: recent)
                if symbol < Symbol.pad { recent.append(symbol) }
                return symbol
            }
        }
        return fillBlock(row: row) { logits, _ in
            let symbol = sample(logits, settings, random: &random, recent: recent)
            if symbol < Symbol.pad { recent.append(symbol) }
            return symbol
        }
    }

    /// The block after a position of the last `feed`, each symbol the likeliest: (blockSize), valid until the next draw.
    public func likeliestBlock(row: Int) -> UnsafePointer<UInt32> {
        fillBlock(row: row) { logits, _ in UInt32(greatest(logits)) }
    }

    /// Chooses the symbol of one slot after the other; a byte decoder sees each before it goes on, and stops at the one that closes the block.
    private func fillBlock(row: Int, _ choose: (UnsafeMutablePointer<Int32>, Int) -> UInt32) -> UnsafePointer<UInt32> {
        let drawn = pointer(plan.drawn, as: UInt32.self)
        let logits = pointer(plan.logits, as: Int32.self)
        let isDecoder = model.record.head.kind == HeadKind.byteDecoder.rawValue
        if isDecoder { beginBlock(row: row) } else { computeSlotLogits(row: row) }
        var isClosed = false
        for t in 0..<model.blockSize {
            if isClosed {
                drawn[t] = Symbol.pad
                continue
            }
            if isDecoder { decode(slots: t..<t + 1, after: drawn) }
            drawn[t] = choose(logits + t * Symbol.count, t)
            isClosed = isDecoder && drawn[t] >= Symbol.pad
        }
        return UnsafePointer(drawn)
    }
}
