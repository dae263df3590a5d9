extension FloatModel {
    /// The weights of all linear layers, place after place as a pass meets them; weights that read one input stand together.
    var linearPlaces: [[FloatMatrix]] {
        var places: [[FloatMatrix]] = []
        func add(_ schedule: [FloatStep]) {
            for step in schedule {
                if let part = step.attention.map({ attentions[$0] }) { places += [[part.qkv.weight], [part.output.weight]] }
                if let part = step.feedForward.map({ feedForwards[$0] }) {
                    places += [[part.up.weight] + (part.gate.map { [$0.weight] } ?? []), [part.down.weight]]
                }
            }
        }
        if case .bytes(let embedder) = embedder { add(embedder.schedule) }
        add(schedule)
        switch head {
        case .linear(_, let output): places.append([output.weight])
        case .byteSlots(let head):
            places.append([head.projection.weight])
            add(head.schedule)
            places.append([head.output.weight])
        case .byteDecoder(let head):
            places.append([head.projection.weight])
            add(head.schedule)
            places.append([head.output.weight])
        }
        return places
    }

    /// The step of the core from which a pass must be repeated after a change of the matrix: the first that uses it, or
    /// `schedule.count` if no step does. nil if the embedder does, so that nothing stays as it was.
    public func firstStep(using matrix: FloatMatrix) -> Int? {
        switch embedder {
        case .tokens(let table, let positions): if table === matrix || positions === matrix { return nil }
        case .bytes(let part):
            if part.table === matrix || part.slotPositions === matrix || part.schedule.contains(where: { uses($0, matrix) }) { return nil }
        }
        return schedule.firstIndex { uses($0, matrix) } ?? schedule.count
    }

    private func uses(_ step: FloatStep, _ matrix: FloatMatrix) -> Bool {
        var found: [FloatMatrix?] = []
        for norm in [step.attentionNorm, step.feedForwardNorm].compactMap({ $0 }).map({ norms[$0] }) { found += [norm.weight, norm.bias] }
        if let part = step.attention.map({ attentions[$0] }) {
            for layer in [part.qkv, part.output] { found += [layer.weight, layer.bias] }
        }
        if let part = step.feedForward.map({ feedForwards[$0] }) {
            for layer in [part.up, part.down] { found += [layer.weight, layer.bias] }
            found += [part.gate?.weight, part.gate?.bias]
            if let learned = part.activation.learned { found += [learned.w1, learned.b1, learned.w2, learned.b2] }
        }
        return found.contains { $0 === matrix }
    }
}

extension FloatModel {
    /// Matrices of linear layers and tables, each once, in the order in which a pass meets them: what is quantised. The other weights are
    /// vectors.
    public var weightMatrices: [FloatMatrix] {
        let ids = Set((linearPlaces.joined() + tables).map(ObjectIdentifier.init))
        return matrices.filter { ids.contains(ObjectIdentifier($0)) }
    }
}

extension FloatModel {
    /// Matrices of which rows are looked up; a linear layer may have them too.
    public var tables: [FloatMatrix] {
        var tables: [FloatMatrix?]
        switch embedder {
        case .tokens(let table, let positions): tables = [table, positions]
        case .bytes(let part): tables = [part.table, part.slotPositions]
        }
        switch head {
        case .linear: break
        case .byteSlots(let part): tables.append(part.slotPositions)
        case .byteDecoder(let part): tables += [part.table, part.slotPositions]
        }
        return tables.compactMap { $0 }
    }

    /// Those of the core's linear layers.
    public var coreMatrices: [FloatMatrix] {
        schedule.flatMap { step -> [FloatMatrix] in
            let attention = step.attention.map { [attentions[$0].qkv.weight, attentions[$0].output.weight] } ?? []
            let part = step.feedForward.map { feedForwards[$0] }
            return attention + [part?.up.weight, part?.gate?.weight, part?.down.weight].compactMap { $0 }
        }
    }

    /// What a head of tokens reads, which may be the embedder's table too.
    public var logitMatrix: FloatMatrix? {
        if case .linear(_, let output) = head { output.weight } else { nil }
    }
}
