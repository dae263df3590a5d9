/// A row of logits that is scored, and the id or symbol that it should give.
public struct ScoredRow: Sendable, Equatable {
    public let row: Int
    public let symbol: Int

    public init(row: Int, symbol: Int) { (self.row, self.symbol) = (row, symbol) }
}

extension FloatModel {
    /// The rows of a pass that count, as arithmetic-1 says in section 10: of each position that has a target its one row, all
    /// slots of a byte head, and of a byte decoder those up to the one that closes the block.
    ///
    /// - Parameter targets: item s + 1 is what follows position s, one id or C symbols; item 0 is not read.
    public func scoredRows(positionCount: Int, targets: [[Int]]) -> [ScoredRow] {
        targets.dropFirst().prefix(positionCount).enumerated().flatMap { position, target -> [ScoredRow] in
            guard writesBlocks else { return [ScoredRow(row: position, symbol: target[0])] }
            var count = blockSize
            if case .byteDecoder = head { count = liveSlotCount(target) }
            return (0..<count).map { ScoredRow(row: position * blockSize + $0, symbol: target[$0]) }
        }
    }
}
