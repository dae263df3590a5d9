/// A name of the checkpoint and the rows of a `FloatMatrix` that it covers.
public struct TensorName: Hashable, Sendable {
    public let name: String
    public let firstRow: Int
    public let rowCount: Int

    public init(name: String, firstRow: Int, rowCount: Int) {
        self.name = name
        self.firstRow = firstRow
        self.rowCount = rowCount
    }
}
