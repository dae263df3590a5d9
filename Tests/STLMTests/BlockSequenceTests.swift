import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What blocks cost: arithmetic-1, section 9.
@Suite struct BlockSequenceTests {
    /// A block costs what its symbols cost: all slots of byte slots, of a decoder those up to the one that closes it.
    @Test(arguments: ByteLevelSource.pairs) func aBlockCostsWhatItsSymbolsCost(_ pair: ByteLevelSource) throws {
        let packed = try pair.source.packed(.int16), model = packed.model, unit = packed.logitUnit
        let isDecoder = pair.source.head == "byte_decoder"
        var pieces = SeededPieces(seed: 6)
        let inputs = pieces.inputs(model, 8)
        var targets = model.writesBlocks ? (0..<8).map { _ in pieces.block(12) } : inputs.indices.map { [$0 * 12] }
        // Closed at once, closed by an end, and never closed.
        if model.writesBlocks { targets.replaceSubrange(0..<3, with: [[256] + Array(1...11), [97, 98, 257] + Array(3...11), Array(100...111)]) }
        try packed.withSession(packed.options(context: 8)) { session in
            try session.feed(inputs.joined().map { UInt32($0) })
            for (row, target) in targets.enumerated() {
                let symbols = target.map { UInt32($0) }
                let logits = model.writesBlocks ? session.computeBlockLogits(row: row, of: symbols) : session.computeLogits(rows: row..<row + 1)
                var bits = 0.0, count = 0
                for slot in 0..<model.outputSize {
                    if isDecoder, target[..<slot].contains(where: { $0 >= 256 }) { break }
                    let values = (0..<model.logitCount).map { Double(logits[slot * model.logitCount + $0]) * unit }
                    let most = values.max()!
                    bits += (log(values.reduce(0) { $0 + exp($1 - most) }) + most - values[target[slot]]) / log(2)
                    count += 1
                }
                #expect(!model.writesBlocks || count == model.drawnCount(symbols))
                let cost = Double(session.cost(row: row, of: symbols)) / 16_777_216
                #expect(abs(cost - bits) < 1e-6 * Double(count) + 1e-7 * bits, "\(target)")
            }
        }
    }

    /// What stands in the slots after the one that closes a decoder's block changes nothing.
    @Test func slotsBehindTheEndOfABlockDoNotMatter() throws {
        let packed = try ByteLevelSource.pairs[1].source.packed(.int8)
        try packed.withSession(packed.options(context: 2)) { session in
            try session.feed([UInt32](repeating: 97, count: 24))
            let block: [UInt32] = [97, 98, 256] + [UInt32](repeating: 256, count: 9), other: [UInt32] = [97, 98, 256] + (0..<9).map { $0 * 20 }
            let cost = session.cost(row: 1, of: block)
            #expect(session.cost(row: 1, of: other) == cost)
        }
    }
}
