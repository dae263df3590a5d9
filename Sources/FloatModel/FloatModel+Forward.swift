extension FloatModel {
    /// Called at every probe point of a pass.
    public typealias Probe = (ProbePoint, Activations) -> Void

    /// The whole model, top to bottom: logits (S, V) of a linear head, (S · C, 258) of a byte head, in double precision.
    ///
    /// The slots of a byte decoder at position s are fed with block s + 1 of `targets`, or of the inputs where blocks go in and
    /// there are no targets. A position without such a block is fed with its own greatest logits, of equals the least symbol.
    /// The logits of slots after the symbol that closes a block are 0.
    ///
    /// - Parameters:
    ///   - inputs: for each of S positions one id, or the C symbols of a block.
    ///   - targets: for each position the C symbols of its block, at most S + 1 blocks; only read by byte decoders.
    /// - Throws: `FloatModelError.ids` for inputs or targets that do not fit the model.
    public func forward(
        inputs: [[Int]], targets: [[Int]]? = nil, visit: Probe = { _, _ in }
    ) throws(FloatModelError) -> Activations {
        try check(inputs)
        if let targets { try check(targets: targets, positionCount: inputs.count) }

        var x = embedded(inputs, visit)  // (S, H)
        visit(.embedding, x)
        run(schedule, of: .core, on: &x, groups: [0..<x.rows], visit)

        switch head {
        case .linear(let norm, let output):
            let input = norm.applied(to: x)
            visit(.headInput, input)
            let logits = output.applied(to: input)
            visit(.logits, logits)
            return logits
        case .byteSlots(let head):
            return logits(head, x, visit)
        case .byteDecoder(let head):
            return logits(head, x, next: (targets ?? (takesBlocks ? inputs : [])).dropFirst(), visit)
        }
    }

    /// x (S, H) for S positions.
    private func embedded(_ inputs: [[Int]], _ visit: Probe) -> Activations {
        switch embedder {
        case .tokens(let table, let positions):
            var x = Activations(rows: inputs.count, columns: hiddenSize)
            for (position, input) in inputs.enumerated() {
                x.add(table, row: input[0], to: position)
                if let positions { x.add(positions, row: position, to: position) }
            }
            return x
        case .bytes(let embedder):
            var slots = Activations(rows: inputs.count * blockSize, columns: embedder.table.columns)
            for (row, symbol) in inputs.joined().enumerated() {
                slots.add(embedder.table, row: symbol, to: row)
                slots.add(embedder.slotPositions, row: row % blockSize, to: row)
            }
            visit(.start(part: .embedder), slots)
            run(embedder.schedule, of: .embedder, on: &slots, groups: blockRows(inputs.count), visit)
            var x = Activations(rows: inputs.count, columns: hiddenSize)
            for row in 0..<slots.rows {
                for column in 0..<hiddenSize {
                    x.values[row / blockSize * hiddenSize + column] += slots.values[row * hiddenSize + column] / Double(blockSize)
                }
            }
            return x
        }
    }

    /// The rows of each block, where every position has C of them.
    func blockRows(_ positionCount: Int) -> [Range<Int>] {
        (0..<positionCount).map { $0 * blockSize..<($0 + 1) * blockSize }
    }
}
