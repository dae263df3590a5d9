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
        let drawn = pointer(plan.drawn, as: UInt32.self)
        let row = fedCount - 1
        if !model.writesBlocks {
            drawn[0] = sample(computeLogits(rows: row..<row + 1), settings, random: &random, recent: recent)
            recent.append(drawn[0])
            return UnsafePointer(drawn)
        }
        let logits = pointer(plan.logits, as: Int32.self)
        let isDecoder = model.record.head.kind == HeadKind.byteDecoder.rawValue
        if isDecoder { beginBlock(row: row) } else { computeSlotLogits(row: row) }
        for t in 0..<model.blockSize {
            if isDecoder { decode(slots: t..<t + 1, after: drawn) }
            drawn[t] = sample(logits + t * Symbol.count, settings, random: &random, recent: recent)
            if drawn[t] < Symbol.pad {
                recent.append(drawn[t])
            } else if isDecoder {
                for rest in t + 1..<max(t + 1, model.blockSize) { drawn[rest] = Symbol.pad }
                break
            }
        }
        return UnsafePointer(drawn)
    }

    /// The block after a position of the last `feed`, each symbol the likeliest: (blockSize), valid until the next draw.
    public func likeliestBlock(row: Int) -> UnsafePointer<UInt32> {
        let drawn = pointer(plan.drawn, as: UInt32.self)
        let logits = pointer(plan.logits, as: Int32.self)
        let isDecoder = model.record.head.kind == HeadKind.byteDecoder.rawValue
        if isDecoder { beginBlock(row: row) } else { computeSlotLogits(row: row) }
        for t in 0..<model.blockSize {
            if isDecoder { decode(slots: t..<t + 1, after: drawn) }
            drawn[t] = UInt32(greatest(logits + t * Symbol.count))
            if isDecoder, drawn[t] >= Symbol.pad {
                for rest in t + 1..<max(t + 1, model.blockSize) { drawn[rest] = Symbol.pad }
                break
            }
        }
        return UnsafePointer(drawn)
    }
}
