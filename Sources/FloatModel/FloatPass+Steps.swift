extension FloatPass {
    /// x (S, H) for S positions.
    func embedded(_ inputs: [[Int]], _ observer: (any PassObserver)?) -> FloatRows {
        switch model.embedder {
        case .tokens(let table, let positions):
            var x = FloatRows(rows: inputs.count, columns: model.hiddenSize)
            for (position, input) in inputs.enumerated() {
                x.add(table, row: input[0], to: position)
                if let positions { x.add(positions, row: position, to: position) }
            }
            observer?.sees(rows: inputs.map { $0[0] }, of: table)
            if let positions { observer?.sees(rows: Array(inputs.indices), of: positions) }
            return x
        case .bytes(let embedder):
            let blockSize = model.blockSize, symbols = Array(inputs.joined())
            var slots = FloatRows(rows: symbols.count, columns: embedder.table.columns)
            for (row, symbol) in symbols.enumerated() {
                slots.add(embedder.table, row: symbol, to: row)
                slots.add(embedder.slotPositions, row: row % blockSize, to: row)
            }
            observer?.sees(rows: symbols, of: embedder.table)
            observer?.sees(rows: symbols.indices.map { $0 % blockSize }, of: embedder.slotPositions)
            run(embedder.schedule[...], on: &slots, groups: model.blockRows(inputs.count), observer)
            var x = FloatRows(rows: inputs.count, columns: model.hiddenSize)
            for row in 0..<slots.rows { x.add(slots, row: row, to: row / blockSize) }
            let share = 1 / Float(blockSize)
            for place in x.values.indices { x.values[place] *= share }
            return x
        }
    }

    /// Runs steps on the stream x (R, D). Attention stays within each of `groups`.
    func run(_ steps: ArraySlice<FloatStep>, on x: inout FloatRows, groups: [Range<Int>], _ observer: (any PassObserver)?) {
        for step in steps {
            if let attention = step.attention.map({ model.attentions[$0] }) {
                let input = normalised(x, step.attentionNorm)
                var vectors = apply([attention.qkv], to: input, observer)[0]
                if attention.rotary { attention.rotate(&vectors, groups: groups, workers) }
                let mix = attention.mixed(vectors, groups: groups, workers)
                x.add(apply([attention.output], to: mix, observer)[0], workers)
            }
            if let feedForward = step.feedForward.map({ model.feedForwards[$0] }) {
                let input = normalised(x, step.feedForwardNorm)
                var results = apply([feedForward.up] + (feedForward.gate.map { [$0] } ?? []), to: input, observer)
                var inner = results.removeLast()
                feedForward.activation.apply(to: &inner, workers)
                if let up = results.last { inner.multiply(by: up, workers) }
                let output = apply([feedForward.down], to: inner, observer)[0]
                if step.replaces { x = output } else { x.add(output, workers) }
            }
        }
    }

    private func normalised(_ x: FloatRows, _ norm: Int?) -> FloatRows {
        norm.map { model.norms[$0].applied(to: x, workers) } ?? x
    }

    /// Layers that read the same input.
    func apply(_ layers: [FloatLinear], to input: FloatRows, _ observer: (any PassObserver)?) -> [FloatRows] {
        observer?.sees(input, of: layers.map(\.weight))
        let panels = Panels(rowsOf: input, workers)
        return layers.map { $0.applied(to: panels, workers) }
    }
}
