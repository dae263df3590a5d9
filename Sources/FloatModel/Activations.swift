/// Intermediate results of a forward pass: one row a position, or a slot of one.
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

    /// Adds a row of weights to one row.
    mutating func add(_ matrix: FloatMatrix, row: Int, to target: Int) {
        for column in 0..<columns { values[target * columns + column] += Double(matrix.values[row * columns + column]) }
    }

    /// Adds a row of other results to one row.
    mutating func add(_ other: Activations, row: Int, to target: Int) {
        for column in 0..<columns { values[target * columns + column] += other.values[row * columns + column] }
    }
}

extension [Double] {
    /// Where the greatest element stands, of equals the first.
    var indexOfGreatest: Int { indices.reduce(0) { self[$1] > self[$0] ? $1 : $0 } }
}
