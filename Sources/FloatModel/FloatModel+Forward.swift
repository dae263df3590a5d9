extension FloatModel {
    /// Called at every probe point of a pass.
    public typealias Probe = (ProbePoint, Activations) -> Void

    /// The logits after every position, (S, V), in double precision.
    ///
    /// - Throws: `FloatModelError.ids` if there are no ids, more than `contextMaximum`, or one outside the vocabulary.
    public func logits(ids: [Int]) throws(FloatModelError) -> [[Double]] {
        let logits = try forward(ids: ids)
        return (0..<logits.rows).map(logits.row)
    }

    /// Largest magnitudes and RMS of all intermediate results.
    public func probe(ids: [Int], into report: inout ProbeReport) throws(FloatModelError) {
        var record = report
        _ = try forward(ids: ids) { record.record($0, $1) }
        report = record
    }

    /// The whole model, top to bottom. S positions, residual stream x of shape (S, H).
    public func forward(ids: [Int], visit: Probe = { _, _ in }) throws(FloatModelError) -> Activations {
        try check(ids)
        var x = embedded(ids)
        visit(.embedding, x)

        for (index, step) in schedule.enumerated() {
            if let attention = step.attention.map({ attentions[$0] }) {
                let input = step.attentionNorm.map { norms[$0].applied(to: x) } ?? x
                visit(.attentionInput(step: index), input)
                var vectors = attention.qkv.applied(to: input)
                if attention.rotary { attention.rotate(&vectors) }
                visit(.attentionVectors(step: index), vectors)
                let mix = attention.mixed(vectors)
                visit(.attentionMix(step: index), mix)
                let output = attention.output.applied(to: mix)
                visit(.attentionOutput(step: index), output)
                x.add(output)
            }
            visit(.middle(step: index), x)
            if let feedForward = step.feedForward.map({ feedForwards[$0] }) {
                let input = step.feedForwardNorm.map { norms[$0].applied(to: x) } ?? x
                visit(.feedForwardInput(step: index), input)
                var inner = feedForward.up.applied(to: input)
                visit(.feedForwardUp(step: index), inner)
                if let gate = feedForward.gate?.applied(to: input) {
                    visit(.feedForwardGate(step: index), gate)
                    let opened = feedForward.activation.applied(to: gate)
                    for place in inner.values.indices { inner.values[place] *= opened.values[place] }
                } else {
                    inner = feedForward.activation.applied(to: inner)
                }
                visit(.feedForwardInner(step: index), inner)
                let output = feedForward.down.applied(to: inner)
                visit(.feedForwardOutput(step: index), output)
                x.add(output)
            }
            visit(.residual(step: index), x)
        }

        let input = finalNorm.applied(to: x)
        visit(.headInput, input)
        let logits = head.applied(to: input)
        visit(.logits, logits)
        return logits
    }

    private func check(_ ids: [Int]) throws(FloatModelError) {
        guard !ids.isEmpty else { throw .ids("There are no ids to feed; give at least one.") }
        guard ids.count <= contextMaximum else {
            throw .ids("There are \(ids.count) ids and the model has \(contextMaximum) positions; give fewer.")
        }
        if let index = ids.firstIndex(where: { !(0..<vocabularySize).contains($0) }) {
            throw .ids("Id \(index) of \(ids.count) is \(ids[index]) and the vocabulary has \(vocabularySize); "
                + "use the tokenizer that belongs to the model.")
        }
    }

    private func embedded(_ ids: [Int]) -> Activations {
        var x = Activations(rows: ids.count, columns: hiddenSize)
        for (position, id) in ids.enumerated() {
            for column in 0..<hiddenSize {
                let place = Double(positions?.values[position * hiddenSize + column] ?? 0)
                x.values[position * hiddenSize + column] = Double(embedding.values[id * hiddenSize + column]) + place
            }
        }
        return x
    }
}
