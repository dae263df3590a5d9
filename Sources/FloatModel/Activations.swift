/// Intermediate results of a forward pass: one row a position.
public struct Activations: Sendable {
    public let rows: Int
    public let columns: Int
    /// (rows, columns), row-major.
    public var values: [Double]

    public init(rows: Int, columns: Int) {
        (self.rows, self.columns) = (rows, columns)
        values = [Double](repeating: 0, count: rows * columns)
    }

    /// A copy of one row.
    public func row(_ index: Int) -> [Double] { Array(values[index * columns..<(index + 1) * columns]) }

    public var maximumMagnitude: Double { values.reduce(0) { max($0, abs($1)) } }

    public var sumOfSquares: Double { values.reduce(0) { $0 + $1 * $1 } }

    mutating func add(_ other: Activations) {
        for index in values.indices { values[index] += other.values[index] }
    }
}
