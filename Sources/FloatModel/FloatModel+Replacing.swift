extension FloatModel {
    /// The same model with other weights in some places. All other weights are the same objects; ties and shared parts stay.
    ///
    /// - Parameter matrices: by the identity of what each takes the place of, of the same shape.
    public func replacing(_ matrices: [ObjectIdentifier: FloatMatrix]) -> FloatModel {
        func new(_ matrix: FloatMatrix) -> FloatMatrix {
            guard let other = matrices[ObjectIdentifier(matrix)] else { return matrix }
            precondition(other.rows == matrix.rows && other.columns == matrix.columns)
            return other
        }
        func new(_ linear: FloatLinear) -> FloatLinear { FloatLinear(weight: new(linear.weight), bias: linear.bias.map(new)) }
        func new(_ norm: FloatNorm) -> FloatNorm {
            FloatNorm(kind: norm.kind, weight: norm.weight.map(new), bias: norm.bias.map(new), epsilon: norm.epsilon)
        }
        var model = self
        switch embedder {
        case .tokens(let table, let positions): model.embedder = .tokens(table: new(table), positions: positions.map(new))
        case .bytes(var part):
            (part.table, part.slotPositions) = (new(part.table), new(part.slotPositions))
            model.embedder = .bytes(part)
        }
        model.norms = norms.map { new($0) }
        model.attentions = attentions.map {
            FloatAttention(qkv: new($0.qkv), output: new($0.output), headCount: $0.headCount, kvHeadCount: $0.kvHeadCount,
                           headSize: $0.headSize, rotary: $0.rotary, ropeBase: $0.ropeBase, isCausal: $0.isCausal)
        }
        model.feedForwards = feedForwards.map {
            let learned = $0.activation.learned.map {
                LearnedActivation(w1: new($0.w1), b1: new($0.b1), w2: new($0.w2), b2: new($0.b2))
            }
            return FloatFeedForward(gate: $0.gate.map { new($0) }, up: new($0.up), down: new($0.down),
                                    activation: FloatActivation(kind: $0.activation.kind, learned: learned))
        }
        switch head {
        case .linear(let norm, let output): model.head = .linear(norm: new(norm), output: new(output))
        case .byteSlots(var part):
            (part.projection, part.slotPositions, part.output) = (new(part.projection), new(part.slotPositions), new(part.output))
            model.head = .byteSlots(part)
        case .byteDecoder(var part):
            (part.norm, part.projection, part.table) = (new(part.norm), new(part.projection), new(part.table))
            (part.slotPositions, part.finalNorm, part.output) = (new(part.slotPositions), new(part.finalNorm), new(part.output))
            model.head = .byteDecoder(part)
        }
        return model
    }
}
