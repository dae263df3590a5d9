/// STLM's byte head: all slots of the next block at once, none of which knows what the others become.
///
/// Slot t starts as 2 p + slotPositions[t], where p is part t of projection(x). The original adds p to a sum that contains it
/// already, and its models were trained that way.
public struct FloatByteSlots: Sendable {
    /// (C · E, H), slot after slot.
    public var projection: FloatLinear
    /// (C, E)
    public var slotPositions: FloatMatrix
    public var schedule: [FloatStep]
    /// (258, E)
    public var output: FloatLinear

    public init(projection: FloatLinear, slotPositions: FloatMatrix, schedule: [FloatStep], output: FloatLinear) {
        (self.projection, self.slotPositions) = (projection, slotPositions)
        (self.schedule, self.output) = (schedule, output)
    }
}
