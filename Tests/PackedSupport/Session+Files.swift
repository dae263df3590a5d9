import FixedPoint
import STLM

extension Session {
    /// The session as the bytes of a file.
    public func saved(random: SplitMix64? = nil, recent: RecentTokens? = nil, next: [UInt32] = []) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try next.withUnsafeBufferPointer { next in
            try save(random: random, recent: recent, next: next) { piece in
                bytes += piece
                return true
            }
            precondition(bytes.count == savedByteCount(recent: recent, next: next), "the byte count is another")
        }
        return bytes
    }

    @discardableResult
    public mutating func restore(_ file: [UInt8], slides: Bool = false) throws -> RestoredSampling {
        try file.withUnsafeBytes { try restore(from: $0, slides: slides) }
    }

    /// Logits after the last position fed, of whatever comes out.
    public mutating func nextLogits() -> [Int32] {
        let logits = model.writesBlocks ? computeBlockLogits(row: lastRow, of: likeliestBlock(row: lastRow)) : computeLogits()
        return Array(UnsafeBufferPointer(start: logits, count: model.outputSize * model.logitCount))
    }

    /// Feeds positions one by one; the logits after each.
    public mutating func logits(after inputs: some Sequence<[Int]>) throws -> [[Int32]] {
        var rows: [[Int32]] = []
        for input in inputs {
            if position == plan.contextTokenCount { try slide() }
            try feed(input.map { UInt32($0) })
            rows.append(nextLogits())
        }
        return rows
    }

    /// Of the last `feed`, which had one position.
    private var lastRow: Int { 0 }
}
