/// A fast forward pass in single precision, for calibration: the same model as `FloatModel.forward`, whose pass in double
/// precision is the truth that this one is tested against.
///
/// No result depends on the number of threads, bit for bit, and none on what was computed before: a pass that starts again in
/// the middle of the core gives what a whole one gives.
public struct FloatPass: Sendable {
    public let model: FloatModel
    let workers: Workers

    /// Holds the model's own weights, no copy of them.
    public init(_ model: FloatModel, threadCount: Int) {
        precondition(threadCount > 0)
        self.model = model
        workers = Workers(threadCount: threadCount)
    }

    /// The whole model, top to bottom: logits (S, V) of a linear head, (S · C, 258) of a byte head.
    ///
    /// - Parameters:
    ///   - inputs: for each of S positions one id, or the C symbols of a block.
    ///   - targets: item s + 1 is what follows position s. Byte decoders are fed with it as `FloatModel.forward` says; other
    ///     heads do not read it.
    /// - Throws: `FloatModelError.ids` for inputs or targets that do not fit the model.
    public func forward(
        inputs: [[Int]], targets: [[Int]]? = nil, observer: (any PassObserver)? = nil
    ) throws(FloatModelError) -> FloatRows {
        var x = try start(inputs: inputs, observer: observer)
        advance(&x, through: model.schedule.indices, observer: observer)
        return try logits(of: x, inputs: inputs, targets: targets, observer: observer)
    }

    /// The same for the observer alone: the output layer's results, a good part of all work, are not computed.
    public func observe(
        inputs: [[Int]], targets: [[Int]]? = nil, observer: any PassObserver
    ) throws(FloatModelError) {
        var x = try start(inputs: inputs, observer: observer)
        advance(&x, through: model.schedule.indices, observer: observer)
        _ = try head(x, inputs: inputs, targets: targets, observer)
    }

    /// The embedder: the core's stream x (S, H) before step 0.
    public func start(inputs: [[Int]], observer: (any PassObserver)? = nil) throws(FloatModelError) -> FloatRows {
        try model.check(inputs)
        return embedded(inputs, observer)
    }

    /// Some steps of the core on its stream x (S, H). A copy of x before step k is all it takes to start again there.
    public func advance(_ x: inout FloatRows, through steps: Range<Int>, observer: (any PassObserver)? = nil) {
        run(model.schedule[steps], on: &x, groups: [0..<x.rows], observer)
    }

    /// The head on the core's result x (S, H); other parameters as those of `forward`.
    public func logits(
        of x: FloatRows, inputs: [[Int]], targets: [[Int]]? = nil, observer: (any PassObserver)? = nil
    ) throws(FloatModelError) -> FloatRows {
        try head(x, inputs: inputs, targets: targets, observer).logits(workers)
    }

    /// Logits of some rows of the output layer's input; of a byte decoder with rows of 0 between them.
    struct OutputRows {
        var output: FloatLinear
        var input: FloatRows
        /// For each row of the input its row of the logits.
        var places: [Int]
        var rowCount: Int

        func logits(_ workers: Workers) -> FloatRows {
            let rows = output.applied(to: Panels(rowsOf: input, workers), workers)
            if places.count == rowCount { return rows }
            var logits = FloatRows(rows: rowCount, columns: rows.columns)
            for (row, place) in places.enumerated() { logits.add(rows, row: row, to: place) }
            return logits
        }
    }

    private func head(
        _ x: FloatRows, inputs: [[Int]], targets: [[Int]]?, _ observer: (any PassObserver)?
    ) throws(FloatModelError) -> OutputRows {
        precondition(x.rows == inputs.count && x.columns == model.hiddenSize)
        if let targets, model.writesBlocks { try model.check(targets: targets, positionCount: inputs.count) }
        let rows: OutputRows
        switch model.head {
        case .linear(let norm, let output):
            rows = OutputRows(output: output, input: norm.applied(to: x, workers), places: Array(0..<x.rows), rowCount: x.rows)
        case .byteSlots(let head): rows = outputRows(head, x, observer)
        case .byteDecoder(let head):
            rows = outputRows(head, x, next: (targets ?? (model.takesBlocks ? inputs : [])).dropFirst(), observer)
        }
        observer?.sees(rows.input, of: [rows.output.weight])
        return rows
    }
}
