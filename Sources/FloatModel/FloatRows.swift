/// Intermediate results of a fast pass in single precision: one row a position, or a slot of one.
public struct FloatRows: Sendable, Equatable {
    public let rows: Int
    public let columns: Int
    /// (rows, columns), row-major.
    public var values: [Float]

    public init(rows: Int, columns: Int) {
        self.init(rows: rows, columns: columns, values: [Float](repeating: 0, count: rows * columns))
    }

    /// - Precondition: `values.count == rows * columns`.
    public init(rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns)
        (self.rows, self.columns, self.values) = (rows, columns, values)
    }

    /// Adds a row of weights to one row.
    mutating func add(_ matrix: FloatMatrix, row: Int, to target: Int) { add(matrix.values, row: row, to: target) }

    /// Adds a row of other results to one row.
    mutating func add(_ other: FloatRows, row: Int, to target: Int) { add(other.values, row: row, to: target) }

    private mutating func add(_ source: [Float], row: Int, to target: Int) {
        precondition(row >= 0 && (row + 1) * columns <= source.count && target >= 0 && target < rows)
        let count = columns
        source.withUnsafeBufferPointer { source in
            values.withUnsafeMutableBufferPointer { values in
                for column in 0..<count { values[target * count + column] += source[row * count + column] }
            }
        }
    }
}
