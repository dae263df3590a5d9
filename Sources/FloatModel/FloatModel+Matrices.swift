extension FloatModel {
    /// Every matrix of the model once, in the order in which a forward pass meets them.
    public var matrices: [FloatMatrix] { FloatSection.allCases.flatMap { matricesBySection[$0] ?? [] } }

    /// Number of weights, each counted once however often it is used.
    public var parameterCount: Int { matrices.reduce(0) { $0 + $1.values.count } }

    /// The same for each part; what two parts share counts in the first.
    public var parameterCounts: (embedder: Int, core: Int, head: Int) {
        let sections = matricesBySection
        func count(_ section: FloatSection) -> Int { (sections[section] ?? []).reduce(0) { $0 + $1.values.count } }
        return (count(.embedder), count(.core), count(.head))
    }

    private var matricesBySection: [FloatSection: [FloatMatrix]] {
        var found: [FloatSection: [FloatMatrix]] = [:], seen: Set<ObjectIdentifier> = []
        var section = FloatSection.embedder
        func add(_ matrix: FloatMatrix?) {
            if let matrix, seen.insert(ObjectIdentifier(matrix)).inserted { found[section, default: []].append(matrix) }
        }
        func add(_ linear: FloatLinear?) { add(linear?.weight); add(linear?.bias) }
        func add(_ norm: FloatNorm) { add(norm.weight); add(norm.bias) }
        func add(_ schedule: [FloatStep]) {
            for step in schedule {
                if let index = step.attentionNorm { add(norms[index]) }
                if let index = step.attention { add(attentions[index].qkv); add(attentions[index].output) }
                if let index = step.feedForwardNorm { add(norms[index]) }
                if let index = step.feedForward {
                    let part = feedForwards[index]
                    add(part.gate); add(part.up); add(part.down)
                    add(part.activation.learned?.w1); add(part.activation.learned?.b1)
                    add(part.activation.learned?.w2); add(part.activation.learned?.b2)
                }
            }
        }
        switch embedder {
        case .tokens(let table, let positions):
            add(table); add(positions)
        case .bytes(let embedder):
            add(embedder.table); add(embedder.slotPositions); add(embedder.schedule)
        }
        section = .core
        add(schedule)
        section = .head
        switch head {
        case .linear(let norm, let output):
            add(norm); add(output)
        case .byteSlots(let head):
            add(head.projection); add(head.slotPositions); add(head.schedule); add(head.output)
        case .byteDecoder(let head):
            add(head.norm); add(head.projection); add(head.table); add(head.slotPositions); add(head.schedule)
            add(head.finalNorm); add(head.output)
        }
        return found
    }
}
