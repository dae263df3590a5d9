/// Sees what goes into the weights during a `FloatPass`.
public protocol PassObserver: AnyObject {
    /// One input (rows, columns) of linear layers, and all weights that read it there: queries, keys and values are one matrix
    /// already, and up and gate of a feed-forward part come together.
    func sees(_ inputs: FloatRows, of matrices: [FloatMatrix])

    /// Rows of a table that were looked up: of ids or symbols, or of positions. A row stands there once for every use.
    func sees(rows: [Int], of table: FloatMatrix)
}
