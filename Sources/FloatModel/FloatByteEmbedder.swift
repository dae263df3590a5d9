/// Makes one vector of a block of C symbols, each block by itself.
///
/// Slot t starts as table[symbol] + slotPositions[t]; the steps see all slots, pads included, and change the width from E to H;
/// the result is the mean over all C slots.
public struct FloatByteEmbedder: Sendable {
    /// (258, E)
    public var table: FloatMatrix
    /// (C, E)
    public var slotPositions: FloatMatrix
    public var schedule: [FloatStep]

    public init(table: FloatMatrix, slotPositions: FloatMatrix, schedule: [FloatStep]) {
        (self.table, self.slotPositions, self.schedule) = (table, slotPositions, schedule)
    }
}
