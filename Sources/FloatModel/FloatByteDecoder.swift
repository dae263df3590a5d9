/// Our extension of STLM: a small transformer that writes the next block symbol by symbol, each slot knowing those before it.
///
/// Slot t starts as projection(norm(x)) + table[symbol of slot t − 1] + slotPositions[t], where a pad stands before slot 0. The
/// steps are causal over the slots. The first symbol from 256 on closes the block, and slots after it have no meaning.
public struct FloatByteDecoder: Sendable {
    /// Over the core's result, (H).
    public var norm: FloatNorm
    /// (D, H)
    public var projection: FloatLinear
    /// (258, D)
    public var table: FloatMatrix
    /// (C, D)
    public var slotPositions: FloatMatrix
    public var schedule: [FloatStep]
    /// Over the slots, (D).
    public var finalNorm: FloatNorm
    /// (258, D); its weight is the object `table` when tied.
    public var output: FloatLinear

    public init(norm: FloatNorm, projection: FloatLinear, table: FloatMatrix, slotPositions: FloatMatrix, schedule: [FloatStep],
                finalNorm: FloatNorm, output: FloatLinear) {
        (self.norm, self.projection, self.table, self.slotPositions) = (norm, projection, table, slotPositions)
        (self.schedule, self.finalNorm, self.output) = (schedule, finalNorm, output)
    }
}
