/// What a model's weights are multiplied with, collected over windows of text: moments of the inputs of linear layers, and how
/// often each row of a table was used. Sums run over all places at which the same matrix acts.
public final class InputStatistics: PassObserver {
    /// For each matrix which of `groups` it is in: matrices that act on the same inputs at the same places are in one.
    private var groupByMatrix: [ObjectIdentifier: Int] = [:]
    private var groups: [InputMoments?] = []
    private var useCountsByTable: [ObjectIdentifier: [Int]] = [:]
    private let workers: Workers

    /// For passes of this very model, with its own weights; what acts on inputs of c columns takes c² / 2 floats once it acts.
    public init(_ model: FloatModel, threadCount: Int) {
        workers = Workers(threadCount: threadCount)
        let matricesByPlace = model.linearPlaces
        var places: [ObjectIdentifier: Set<Int>] = [:]
        for (place, matrices) in matricesByPlace.enumerated() {
            for matrix in matrices { places[ObjectIdentifier(matrix), default: []].insert(place) }
        }
        var groupByPlaces: [Set<Int>: Int] = [:]
        for (matrix, places) in places {
            let group = groupByPlaces[places] ?? groupByPlaces.count
            (groupByPlaces[places], groupByMatrix[matrix]) = (group, group)
        }
        groups = Array(repeating: nil, count: groupByPlaces.count)
    }

    /// Moments of what the matrix was multiplied with; nil if it never acted in a linear layer. The same object for matrices
    /// that act on the same inputs at the same places.
    public func moments(of matrix: FloatMatrix) -> InputMoments? { groupByMatrix[ObjectIdentifier(matrix)].flatMap { groups[$0] } }

    /// How often each row was looked up, (rows); nil if none ever was.
    public func useCounts(of table: FloatMatrix) -> [Int]? { useCountsByTable[ObjectIdentifier(table)] }

    public func sees(_ inputs: FloatRows, of matrices: [FloatMatrix]) {
        for group in Set(matrices.compactMap { groupByMatrix[ObjectIdentifier($0)] }) {
            let moments = groups[group] ?? InputMoments(columns: inputs.columns)
            moments.add(inputs, workers)
            groups[group] = moments
        }
    }

    public func sees(rows: [Int], of table: FloatMatrix) {
        var counts = useCountsByTable.removeValue(forKey: ObjectIdentifier(table)) ?? [Int](repeating: 0, count: table.rows)
        for row in rows { counts[row] += 1 }
        useCountsByTable[ObjectIdentifier(table)] = counts
    }

    /// Runs a model over windows of text.
    ///
    /// - Parameter progress: called after each window with the fraction that is done, from 0 to 1.
    /// - Throws: `FloatModelError.ids` for windows that do not fit the model.
    public static func collected(
        _ model: FloatModel, windows: [FloatWindow], threadCount: Int, progress: (Double) -> Void = { _ in }
    ) throws(FloatModelError) -> InputStatistics {
        let statistics = InputStatistics(model, threadCount: threadCount), pass = FloatPass(model, threadCount: threadCount)
        for (index, window) in windows.enumerated() {
            try pass.observe(inputs: window.inputs, targets: window.targets, observer: statistics)
            progress(Double(index + 1) / Double(windows.count))
        }
        return statistics
    }
}

/// A piece of text as a model reads it.
public struct FloatWindow: Sendable, Equatable {
    /// For each of S positions one id, or the C symbols of a block.
    public var inputs: [[Int]]
    /// Item s + 1 is what follows position s, one id or the C symbols of a block; item 0 is not read.
    public var targets: [[Int]]

    public init(inputs: [[Int]], targets: [[Int]]) {
        (self.inputs, self.targets) = (inputs, targets)
    }
}
