/// First and second moments of the input x of linear layers, summed over all rows that were seen: the mean of x, and Σ x xᵀ.
public final class InputMoments {
    public let columns: Int
    public private(set) var rowCount = 0
    private var columnSums: [Double]
    /// The upper triangle in panels of eight rows: panel i has columns 8 i to the end, rounded up to eights. Rows of a panel
    /// follow one another. Half the memory of the square.
    private let sums: UnsafeMutablePointer<Float>

    init(columns: Int) {
        self.columns = columns
        columnSums = [Double](repeating: 0, count: columns)
        let panels = Panels.count(columns)
        sums = .allocate(capacity: 32 * panels * (panels + 1))
        sums.initialize(repeating: 0, count: 32 * panels * (panels + 1))
    }

    deinit { sums.deallocate() }

    /// Mean of each element, (columns); 0 before anything was seen.
    public var mean: [Double] { columnSums.map { $0 / Double(max(1, rowCount)) } }

    /// Σ x_i x_j over all rows.
    public subscript(i: Int, j: Int) -> Float {
        precondition(i >= 0 && i < columns && j >= 0 && j < columns)
        let row = min(i, j), panel = row / 8
        // Within a panel's own eight columns both triangles are there.
        return sums[place(panel) + row % 8 * stride(panel) + max(i, j) - 8 * panel]
    }

    /// Σ x_i² over all rows, (columns).
    public var diagonal: [Float] { (0..<columns).map { self[$0, $0] } }

    /// Σ x xᵀ, (columns, columns), row-major: the whole square, built at each call.
    public func secondMoments() -> [Float] {
        [Float](unsafeUninitializedCapacity: columns * columns) { square, count in
            for row in 0..<columns {
                let source = sums + place(row / 8) + row % 8 * stride(row / 8) - row / 8 * 8
                for column in row..<columns {
                    square[row * columns + column] = source[column]
                    square[column * columns + row] = source[column]
                }
            }
            count = columns * columns
        }
    }

    /// Elements in a row of a panel.
    private func stride(_ panel: Int) -> Int { 8 * (Panels.count(columns) - panel) }

    /// Where a panel begins: 8 · Σ stride of those before it.
    private func place(_ panel: Int) -> Int { 32 * panel * (2 * Panels.count(columns) - panel + 1) }

    /// Adds the rows of `input`, `Tile.depth` at a time.
    func add(_ input: FloatRows, _ workers: Workers) {
        precondition(input.columns == columns)
        rowCount += input.rows
        for first in Swift.stride(from: 0, to: input.rows, by: Tile.depth) {
            let rows = first..<min(input.rows, first + Tile.depth)
            add(Panels(columnsOf: input, rows: rows, workers), workers)
            addSums(input, rows)
        }
    }

    private func addSums(_ input: FloatRows, _ rows: Range<Int>) {
        input.values.withUnsafeBufferPointer { values in
            columnSums.withUnsafeMutableBufferPointer { sums in
                for row in rows {
                    for column in 0..<columns { sums[column] += Double(values[row * columns + column]) }
                }
            }
        }
    }

    private func add(_ input: Panels, _ workers: Workers) {
        let panels = input.count
        // Two panels a task, so that what they are multiplied with is read half as often; the longest first.
        workers.run((panels + 1) / 2) { task in
            for column in 2 * task..<panels {
                for row in 2 * task..<min(panels, 2 * task + 2) where column >= row {
                    for half in 0..<2 {
                        let rows = sums + place(row) + half * Tile.rows * stride(row)
                        Tile.add(input.half(half, of: row), input.panel(column), input.depth, to: rows + (column - row) * 8,
                                 stride: stride(row))
                    }
                }
            }
        }
    }
}
