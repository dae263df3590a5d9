import FloatModel
import Foundation
import ModelFile

/// A float model to the bytes of a model file.
public struct ModelPacker {
    public var width: WeightWidth
    /// Called with what is being done, for people who wait.
    public var progress: (String) -> Void

    public init(width: WeightWidth, progress: @escaping (String) -> Void = { _ in }) {
        self.width = width
        self.progress = progress
    }

    private var activationBits: UInt32 { UInt32(width.rawValue) }

    /// - Returns: the file, and what stands in the report.
    package func pack(_ model: FloatModel, tokenizer: TokenizerTables?) throws(PackError) -> (bytes: [UInt8], shelf: TensorShelf) {
        try checkLimits(model)
        progress("calibrating")
        let ranges = try Calibration(model)
        let shelf = TensorShelf()
        var record = ModelRecord()
        record.hiddenSize = UInt32(model.hiddenSize)
        record.vocabularySize = UInt32(model.vocabularySize)
        record.contextDefault = UInt32(model.contextDefault)
        record.contextMaximum = UInt32(model.contextMaximum)
        record.residualFractionBits = Int32(ranges.residualFractionBits)
        record.logitFractionBits = Int32(ranges.logitFractionBits)
        record.flags = model.isCausal ? 1 : 0

        shelf.nextStartsBlock = true
        record.embeddingTensor = place(model.embedding, shelf)
        if let positions = model.positions {
            shelf.part = .positions
            record.positionTensor = place(positions, shelf)
        }
        var attentions = [AttentionRecord?](repeating: nil, count: model.attentions.count)
        var feedForwards = [FeedForwardRecord?](repeating: nil, count: model.feedForwards.count)
        var norms: [NormRecord] = []
        var normIndexes: [Int: UInt32] = [:]
        func norm(_ index: Int?) -> UInt32 {
            guard let index, model.norms[index].kind != .none else { return Layout.none }
            if let known = normIndexes[index] { return known }
            norms.append(place(model.norms[index], size: model.hiddenSize, shelf))
            normIndexes[index] = UInt32(norms.count - 1)
            return UInt32(norms.count - 1)
        }
        var steps: [StepRecord] = []
        var slots: UInt32 = 0
        for (number, step) in model.schedule.enumerated() {
            progress("quantising step \(number + 1) of \(model.schedule.count)")
            shelf.nextStartsBlock = true
            var written = StepRecord(
                attention: Layout.none, feedForward: Layout.none, attentionNorm: Layout.none, feedForwardNorm: Layout.none,
                kvSlot: Layout.none)
            if let index = step.attention {
                written.attentionNorm = norm(step.attentionNorm)
                if attentions[index] == nil { attentions[index] = place(model.attentions[index], model, shelf) }
                written.attention = UInt32(index)
                written.kvSlot = slots
                slots += 1
            }
            if let index = step.feedForward {
                written.feedForwardNorm = norm(step.feedForwardNorm)
                if feedForwards[index] == nil { feedForwards[index] = place(model.feedForwards[index], shelf) }
                written.feedForward = UInt32(index)
            }
            steps.append(written)
        }
        record.kvSlotCount = slots
        shelf.nextStartsBlock = true
        if model.finalNorm.kind != .none {
            norms.append(place(model.finalNorm, size: model.hiddenSize, shelf))
            record.finalNorm = UInt32(norms.count - 1)
        }
        shelf.part = .head
        record.head = place(model.head, shelf)

        setDefaults(&record, model)
        var text: [UInt8] = []
        record.description = append(model.sourceDescription, to: &text)
        let names = shelf.names(text: &text)
        record.uniqueParameterCount = UInt64(model.parameterCount)
        record.parameterCount = UInt64(model.matrices.reduce(0) { sum, matrix in
            sum + matrix.names.reduce(0) { $0 + $1.rowCount * matrix.columns }
        })

        progress("laying out the file")
        var writer = ModelFileWriter()
        writer.add(.model, rawBytes([record]))
        writer.add(.schedule, rawBytes(steps))
        if !attentions.isEmpty { writer.add(.attentions, rawBytes(attentions.compactMap { $0 })) }
        if !feedForwards.isEmpty { writer.add(.feedForwards, rawBytes(feedForwards.compactMap { $0 })) }
        if !norms.isEmpty { writer.add(.norms, rawBytes(norms)) }
        writer.add(.tensors, rawBytes(shelf.entries.map(\.tensor.record)))
        writer.add(.names, rawBytes(names))
        writer.add(.text, text)
        for region in tokenizer?.regions ?? [] { writer.add(region.kind, region.bytes) }
        for entry in shelf.entries { writer.add(.weights, entry.tensor.bytes, startsBlock: entry.startsBlock) }
        return (writer.bytes(), shelf)
    }

    // MARK: Parts

    private func place(_ matrix: FloatMatrix, _ shelf: TensorShelf) -> UInt32 {
        shelf.place(matrix) {
            MatrixQuantizer.encode(matrix.values, rows: matrix.rows, columns: matrix.columns, width: width)
        }
    }

    private func place(_ linear: FloatLinear, _ shelf: TensorShelf) -> LinearRecord {
        let tensor = place(linear.weight, shelf)
        guard let bias = linear.bias else { return LinearRecord(tensor: tensor, activationBits: activationBits) }
        let biasTensor = shelf.place(bias) {
            let values = bias.values.map(Double.init)
            // Half of the range, so that a sum with the product fits.
            let most = values.map(abs).max() ?? 0
            return encodeVector(values, fractionBits: most == 0 ? 62 : clampFractionBits(29 - exponentAbove(most)))
        }
        return LinearRecord(tensor: tensor, bias: biasTensor, activationBits: activationBits)
    }

    private func place(_ attention: FloatAttention, _ model: FloatModel, _ shelf: TensorShelf) -> AttentionRecord {
        shelf.part = .attention
        let qkv = place(attention.qkv, shelf)
        let rotation = attention.rotary
            ? shelf.place(rotationTensor(
                positionCount: model.contextMaximum, headSize: attention.headSize, base: attention.ropeBase)) : Layout.none
        let output = place(attention.output, shelf)
        // log2(e) / sqrt(head size), so that softmax is a power of two.
        let scale = 1 / (log(2.0) * Double(attention.headSize).squareRoot())
        let exponent = 30 - Int(scale.exponent)
        let mantissa = min((scale * pow2(exponent)).rounded(), 2_147_483_647)
        return AttentionRecord(
            qkv: qkv, output: output, headCount: UInt32(attention.headCount), kvHeadCount: UInt32(attention.kvHeadCount),
            headSize: UInt32(attention.headSize), rotationTensor: rotation, scoreScaleMantissa: UInt32(mantissa),
            scoreScaleExponent: Int32(exponent))
    }

    private func place(_ part: FloatFeedForward, _ shelf: TensorShelf) -> FeedForwardRecord {
        shelf.part = .feedForward
        let activation: Activation = switch part.activation.kind {
        case .identity: .identity
        case .gelu: .gelu
        case .relu: .relu
        case .leakyRelu: .leakyRelu
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        case .silu: .silu
        case .learned: .piecewiseLinear
        }
        let up = place(part.up, shelf)
        let gate = part.gate.map { place($0, shelf) } ?? .absent
        var activationTensor = Layout.none
        if let learned = part.activation.learned {
            activationTensor = shelf.place(
                piecewiseTensor(learned),
                names: [learned.w1, learned.b1, learned.w2, learned.b2].flatMap { matrix in
                    matrix.names.map { TensorName(name: $0.name, firstRow: 0, rowCount: 1) }
                })
        }
        return FeedForwardRecord(
            kind: part.gate == nil ? .plain : .gated, activation: activation, gate: gate, up: up,
            down: place(part.down, shelf), activationTensor: activationTensor)
    }

    private func place(_ norm: FloatNorm, size: Int, _ shelf: TensorShelf) -> NormRecord {
        shelf.part = .norms
        let weight = norm.weight!
        let values = weight.values.map(Double.init)
        let most = values.map(abs).max()!
        let bias = norm.bias.map { $0.values.map(Double.init) }
        // A normalised element is at most sqrt(size).
        let bound = Double(size).squareRoot() * most + (bias?.map(abs).max() ?? 0)
        let outputBits = bound == 0 ? 30 : clampFractionBits(30 - exponentAbove(bound))
        let weightTensor = shelf.place(weight) {
            encodeVector(values, fractionBits: most == 0 ? 30 : clampFractionBits(30 - exponentAbove(most)))
        }
        var biasTensor = Layout.none
        if let bias, let matrix = norm.bias {
            // Its fraction bits depend on the norm, so that the same matrix in two norms may be two tensors.
            biasTensor = shelf.place(encodeVector(bias, fractionBits: outputBits), names: matrix.names)
        }
        return NormRecord(
            kind: norm.kind == .layer ? .layer : .rms, weight: weightTensor, bias: biasTensor,
            outputFractionBits: Int32(outputBits), epsilon: UInt64((norm.epsilon * pow2(64)).rounded()))
    }

    // MARK: The rest of the model record

    private func setDefaults(_ record: inout ModelRecord, _ model: FloatModel) {
        record.bosToken = model.bosId.map(UInt32.init) ?? Layout.none
        record.padToken = model.padId.map(UInt32.init) ?? Layout.none
        record.endCount = UInt32(min(4, model.eosIds.count))
        for (k, id) in model.eosIds.prefix(4).enumerated() { record.endTokens[k] = UInt32(id) }
        // The sources' own: STLM's configs/generator/baseline.yaml, and llama2.c's run.c.
        switch model.sourceKind {
        case .stlm:
            record.temperature = 52_429  // 0.8
            record.topK = 10
            record.topP = 65_536
        case .llama2c:
            record.temperature = 65_536
            record.topK = 0
            record.topP = 58_982  // 0.9
        }
        record.minP = 0
        record.repeatPenalty = 65_536
        record.repeatWindow = 64
    }

    private func append(_ string: String, to text: inout [UInt8]) -> TextRange {
        // An empty text region is not allowed, and neither are NUL bytes.
        let bytes = string.isEmpty ? [0x3F] : Array(string.utf8.filter { $0 != 0 })
        let range = TextRange(offset: UInt32(text.count), byteCount: UInt32(bytes.count))
        text += bytes
        return range
    }

    /// Exponents and fraction bits of the format reach a little beyond 2^60.
    private static let greatestWeight: Float = 0x1p60

    private func checkLimits(_ model: FloatModel) throws(PackError) {
        func check(_ what: String, _ value: Int, _ limit: Int) throws(PackError) {
            if value > limit { throw .overLimit(what: what, value: value, limit: limit) }
        }
        try check("a hidden size", model.hiddenSize, Limit.width)
        try check("a vocabulary", model.vocabularySize, Limit.rows)
        try check("a context", model.contextMaximum, Limit.context)
        try check("a number of steps", model.schedule.count, Limit.parts)
        for attention in model.attentions {
            try check("a head size", attention.headSize, Limit.headSize)
            try check("a width of all heads", attention.headCount * attention.headSize, Limit.width)
        }
        for part in model.feedForwards { try check("a feed-forward size", part.up.weight.rows, Limit.width) }
        for matrix in model.matrices {
            if let value = matrix.values.first(where: { abs($0) > Self.greatestWeight }) {
                throw .weightTooLarge(tensor: matrix.names.first?.name ?? "", value: value)
            }
        }
    }
}
