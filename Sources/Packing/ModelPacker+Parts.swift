import Checkpoints
import FloatModel
import Foundation
import ModelFile
import Quantization

/// Records of a file in the making.
struct PlacedParts {
    var attentions: [AttentionRecord?]
    var feedForwards: [FeedForwardRecord?]
    var norms: [NormRecord] = []
    /// Index in the file of a norm in the model's list.
    var normIndexes: [Int: UInt32] = [:]
    var steps: [StepRecord] = []
    var slotCount: UInt32 = 0

    init(_ model: FloatModel) {
        attentions = .init(repeating: nil, count: model.attentions.count)
        feedForwards = .init(repeating: nil, count: model.feedForwards.count)
    }
}

extension FloatModel {
    /// The schedules of all sections, one after the other.
    var allSteps: [FloatStep] {
        var steps: [FloatStep] = []
        if case .bytes(let part) = embedder { steps += part.schedule }
        steps += schedule
        switch head {
        case .linear: break
        case .byteSlots(let part): steps += part.schedule
        case .byteDecoder(let part): steps += part.schedule
        }
        return steps
    }
}

// The parts of a model, each placed on the shelf when it is first met.
extension ModelPacker {
    func place(_ model: FloatModel, _ ranges: Calibration, _ parts: inout PlacedParts, _ shelf: TensorShelf) -> EmbedderRecord {
        shelf.section = .embedder
        shelf.part = .embedding
        shelf.nextStartsBlock = true
        switch model.embedder {
        case .tokens(let table, let positions):
            var record = EmbedderRecord(kind: .tokens, table: place(table, shelf), fractionBits: Int32(ranges.core.start))
            shelf.part = .positions
            if let positions { record.positionTensor = place(positions, shelf) }
            return record
        case .bytes(let part):
            var record = EmbedderRecord(kind: .bytes, table: place(part.table, shelf), fractionBits: Int32(ranges.embedder.start))
            shelf.part = .positions
            record.positionTensor = place(part.slotPositions, shelf)
            place(part.schedule, .embedder, ranges.embedder, model, &parts, shelf)
            return record
        }
    }

    func placeHead(_ model: FloatModel, _ ranges: Calibration, _ parts: inout PlacedParts, _ shelf: TensorShelf) -> HeadRecord {
        shelf.section = .head
        shelf.isHeadOfBlocks = model.writesBlocks
        shelf.nextStartsBlock = true
        let logitBits = Int32(ranges.logitFractionBits)
        switch model.head {
        case .linear(let norm, let output):
            let inputNorm = placeOwn(norm, &parts, shelf)
            shelf.part = .head
            let linear = place(output, shelf)
            var record = HeadRecord(kind: .linear, output: linear, logitFractionBits: logitBits)
            record.inputNorm = inputNorm
            return record
        case .byteSlots(let part):
            shelf.part = .head
            let projection = place(part.projection, shelf)
            shelf.part = .positions
            let positions = place(part.slotPositions, shelf)
            place(part.schedule, .head, ranges.head, model, &parts, shelf)
            shelf.part = .head
            var record = HeadRecord(kind: .byteSlots, output: place(part.output, shelf), logitFractionBits: logitBits)
            (record.projection, record.positionTensor, record.fractionBits) = (projection, positions, Int32(ranges.head.start))
            return record
        case .byteDecoder(let part):
            let inputNorm = placeOwn(part.norm, &parts, shelf)
            shelf.part = .head
            let projection = place(part.projection, shelf)
            let table = place(part.table, shelf)
            shelf.part = .positions
            let positions = place(part.slotPositions, shelf)
            place(part.schedule, .head, ranges.head, model, &parts, shelf)
            let outputNorm = placeOwn(part.finalNorm, &parts, shelf)
            shelf.part = .head
            var record = HeadRecord(kind: .byteDecoder, output: place(part.output, shelf), logitFractionBits: logitBits)
            (record.projection, record.byteTable, record.positionTensor) = (projection, table, positions)
            (record.inputNorm, record.outputNorm, record.fractionBits) = (inputNorm, outputNorm, Int32(ranges.head.start))
            return record
        }
    }

    /// The steps of a section.
    func place(
        _ schedule: [FloatStep], _ section: ModelSection, _ ranges: Calibration.Stream, _ model: FloatModel,
        _ parts: inout PlacedParts, _ shelf: TensorShelf
    ) {
        shelf.section = section
        for (number, step) in schedule.enumerated() {
            shelf.nextStartsBlock = true
            var written = StepRecord(
                attention: Layout.none, feedForward: Layout.none, attentionNorm: Layout.none, feedForwardNorm: Layout.none,
                kvSlot: Layout.none, section: section, replaces: step.replaces, fractionBits: Int32(ranges.steps[number]))
            if let index = step.attention {
                written.attentionNorm = norm(step.attentionNorm, model, &parts, shelf)
                if parts.attentions[index] == nil { parts.attentions[index] = place(model.attentions[index], model, shelf) }
                written.attention = UInt32(index)
                if section == .core {
                    written.kvSlot = parts.slotCount
                    parts.slotCount += 1
                }
            }
            if let index = step.feedForward {
                written.feedForwardNorm = norm(step.feedForwardNorm, model, &parts, shelf)
                if parts.feedForwards[index] == nil { parts.feedForwards[index] = place(model.feedForwards[index], shelf) }
                written.feedForward = UInt32(index)
            }
            parts.steps.append(written)
        }
    }

    private func norm(_ index: Int?, _ model: FloatModel, _ parts: inout PlacedParts, _ shelf: TensorShelf) -> UInt32 {
        guard let index, model.norms[index].kind != .none else { return Layout.none }
        if let known = parts.normIndexes[index] { return known }
        let placed = placeOwn(model.norms[index], &parts, shelf)
        parts.normIndexes[index] = placed
        return placed
    }

    /// A norm that stands in no list.
    private func placeOwn(_ norm: FloatNorm, _ parts: inout PlacedParts, _ shelf: TensorShelf) -> UInt32 {
        if norm.kind == .none { return Layout.none }
        parts.norms.append(place(norm, shelf))
        return UInt32(parts.norms.count - 1)
    }

    private func place(_ matrix: FloatMatrix, _ shelf: TensorShelf) -> UInt32 {
        if let rank = choices.ranks[ObjectIdentifier(matrix)] {
            return shelf.place(matrix, store.corrected(matrix, choices[matrix], rank: rank))
        }
        return shelf.place(matrix, error: store.summary(matrix, choices[matrix]).relativeError) { store.encoded(matrix, choices[matrix]) }
    }

    /// The blocks of bytes want 16 bits of activation: a slot's vector has no residual around its feed-forward that would carry the
    /// rounding's loss away.
    private func activationBits(_ shelf: TensorShelf, _ weight: FloatMatrix) -> UInt32 {
        // The one layer of a head of tokens is as wide as the core's.
        let isBlock = shelf.section == .embedder || shelf.section == .head && shelf.isHeadOfBlocks
        if choices[weight] == .int16Rows { return 16 }
        return UInt32(choices.activationBits[ObjectIdentifier(weight)] ?? (isBlock ? 16 : 8))
    }

    private func place(_ linear: FloatLinear, _ shelf: TensorShelf) -> LinearRecord {
        let activationBits = activationBits(shelf, linear.weight)
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
                positionCount: max(model.contextMaximum, model.blockSize), headSize: attention.headSize, base: attention.ropeBase)) : Layout.none
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

    private func place(_ norm: FloatNorm, _ shelf: TensorShelf) -> NormRecord {
        shelf.part = .norms
        let weight = norm.weight!
        let size = weight.columns
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
}
