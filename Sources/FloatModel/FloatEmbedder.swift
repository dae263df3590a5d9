/// What makes a vector of what stands at a position, (H).
public enum FloatEmbedder: Sendable {
    /// One id a position: row `id` of the table (V, H), plus row `position` of the positions (positions, H) if there are any.
    case tokens(table: FloatMatrix, positions: FloatMatrix?)
    /// One block of symbols a position.
    case bytes(FloatByteEmbedder)
}
