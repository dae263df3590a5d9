/// What can go wrong with a session after its model was opened.
public enum SessionError: Error, Equatable, Sendable {
    /// A context of `asked` positions, where 1 ... `maximum` can be had.
    case contextOutOfRange(asked: Int, maximum: Int)
    /// `asked` positions to keep while sliding, where a context of `context` leaves room for one fewer at most.
    case keptOutOfRange(asked: Int, context: Int)
    /// Token `token` of a model whose vocabulary has `vocabularySize`.
    case tokenOutOfRange(token: UInt32, vocabularySize: Int)
    /// `needed` positions do not fit in the `context` of the session.
    case contextFull(needed: Int, context: Int)
    /// The arena has `have` bytes, the plan needs `need`, at a multiple of 64.
    case arenaTooSmall(have: Int, need: Int)
    /// Weights need `least` bytes of memory to pass through, and may take `limit`.
    case weightsDoNotFit(limit: Int, least: Int)
    /// File and arena at that context are more than a process of 32 bits can address.
    case addressesExceeded(context: Int)
    /// A model that is not causal keeps no state that such work could go on from.
    case notCausal
}
