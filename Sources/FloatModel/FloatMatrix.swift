/// Weights of a model in 32-bit floats. Two parts that share weights hold the same object.
public final class FloatMatrix: Sendable {
    /// 1 for a vector.
    public let rows: Int
    public let columns: Int
    /// (rows, columns), row-major.
    public let values: [Float]
    /// The names that the checkpoint gives these weights, in its order; several for shared weights.
    public let names: [TensorName]

    /// - Precondition: `values.count == rows * columns`.
    public init(rows: Int, columns: Int, values: [Float], names: [TensorName]) {
        precondition(values.count == rows * columns)
        (self.rows, self.columns, self.values, self.names) = (rows, columns, values, names)
    }

    /// The matrix under one name that covers all of it.
    public convenience init(rows: Int, columns: Int, values: [Float], name: String) {
        self.init(rows: rows, columns: columns, values: values,
                  names: [TensorName(name: name, firstRow: 0, rowCount: rows)])
    }

    /// The first name, for messages and reports.
    public var name: String { names.first?.name ?? "unnamed" }

    /// Calls `body` with the values of one row.
    @inlinable
    public func withRow<Result>(_ row: Int, _ body: (UnsafeBufferPointer<Float>) -> Result) -> Result {
        values.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[row * columns..<(row + 1) * columns])) }
    }
}
