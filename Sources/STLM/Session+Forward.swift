import FixedPoint
import Kernels
import ModelFile

// The model from top to bottom: arithmetic-1, section 6.
extension Session {
    /// Computes the residual stream of `count` positions from `firstPosition` on, and puts their keys and values in the cache.
    func forward(firstPosition: Int, count: Int) {
        let record = model.record
        let hidden = model.hiddenSize
        let residual = pointer(plan.residual, as: Int32.self)  // (count, hidden), residualFractionBits
        let fractionBits = Int(record.residualFractionBits)

        let embedding = model.matrix(record.embeddingTensor)
        for k in 0..<count {
            let row = residual + k * hidden
            embed(embedding, row: Int(history[firstPosition + k]), fractionBits: fractionBits, into: row, accumulate: false)
            if record.positionTensor != Layout.none {
                let positions = model.matrix(record.positionTensor)
                embed(positions, row: firstPosition + k, fractionBits: fractionBits, into: row, accumulate: true)
            }
        }

        var slot = arena + plan.keyValues.offset
        for index in 0..<model.file.stepCount {
            let step = model.file.step(index)
            if step.attention != Layout.none {
                let attention = model.file.attention(Int(step.attention))
                let cache = KeyValueSlot(slot, attention, plan.contextTokenCount)
                let normFractionBits = normalize(step.attentionNorm, count: count)
                attend(attention, cache, normFractionBits, firstPosition: firstPosition, count: count)
                slot += KeyValueSlot.byteCount(attention, plan.contextTokenCount)
            }
            if step.feedForward != Layout.none {
                let normFractionBits = normalize(step.feedForwardNorm, count: count)
                feedForward(model.file.feedForward(Int(step.feedForward)), normFractionBits, count: count)
            }
        }
    }

    /// Computes logits of the last `rowCount` positions fed: (rowCount, vocabulary) Int32 with the model's logit fraction bits.
    @discardableResult
    public func computeLogits(rowCount: Int = 1) -> UnsafeMutablePointer<Int32> {
        computeLogits(rows: fedCount - rowCount..<fedCount)
    }

    /// The same for some of the positions of the last `feed`, counted from its first; at most `plan.logitRowCount`.
    @discardableResult
    public func computeLogits(rows: Range<Int>) -> UnsafeMutablePointer<Int32> {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= fedCount && rows.count <= plan.logitRowCount)
        let logits = pointer(plan.logits, as: Int32.self)
        let normFractionBits = normalize(model.record.finalNorm, firstRow: rows.lowerBound, count: rows.count)
        let head = model.linear(model.record.head)
        quantizeRows(plan.normal, stride: model.hiddenSize, normFractionBits, head, count: rows.count)
        apply(
            head, .fixed(fractionBits: Int(model.record.logitFractionBits)), count: rows.count, result: logits,
            stride: model.vocabularySize, accumulate: false)
        return logits
    }

    // MARK: The parts of a step

    /// Normalises residual rows into `plan.normal`; returns the fraction bits there.
    private func normalize(_ index: UInt32, firstRow: Int = 0, count: Int) -> Int {
        let hidden = model.hiddenSize
        let residual = pointer(plan.residual, as: Int32.self) + firstRow * hidden
        let normal = pointer(plan.normal, as: Int32.self)
        let fractionBits = Int(model.record.residualFractionBits)
        guard let norm = model.norm(index) else {
            normal.update(from: residual, count: count * hidden)
            return fractionBits
        }
        for k in 0..<count {
            norm.apply(residual + k * hidden, size: hidden, fractionBits: fractionBits, into: normal + k * hidden)
        }
        return norm.outputFractionBits
    }

    /// Attention over the cache and the new positions, added to the residual stream.
    private func attend(
        _ record: AttentionRecord, _ cache: KeyValueSlot, _ normFractionBits: Int, firstPosition: Int, count: Int
    ) {
        let heads = Int(record.headCount)
        let kvHeads = Int(record.kvHeadCount)
        let size = Int(record.headSize)
        let width = (heads + 2 * kvHeads) * size
        let context = plan.contextTokenCount
        let qkv = pointer(plan.wide, as: Int32.self)  // (count, width), fractionBits[k]
        let mixed = pointer(plan.other, as: Int32.self)  // (count, heads * size), mixedFractionBits[k]
        let fractionBits = pointer(plan.fractionBits, as: Int.self)
        let mixedFractionBits = fractionBits + plan.batchTokenCount
        let queries = pointer(plan.queries, as: Int16.self)  // (count, heads, size)
        let queryScales = pointer(plan.queryScales, as: VectorScale.self)  // (count, heads)

        let layer = model.linear(record.qkv)
        quantizeRows(plan.normal, stride: model.hiddenSize, normFractionBits, layer, count: count)
        apply(layer, .floating, count: count, result: qkv, stride: width, accumulate: false, fractionBits: fractionBits)

        for k in 0..<count {
            let row = qkv + k * width
            let position = firstPosition + k
            if record.rotationTensor != Layout.none {
                let table = model.rotationRow(record.rotationTensor, position: position)
                rotate(row, headCount: heads + kvHeads, headSize: size, row: table)
            }
            for h in 0..<heads {
                queryScales[k * heads + h] = quantize(
                    row + h * size, count: size, fractionBits: fractionBits[k], bits: 16,
                    into: queries + (k * heads + h) * size, paddedCount: size)
            }
            for h in 0..<kvHeads {
                let place = h * context + position
                cache.keyScales[place] = quantize(
                    row + (heads + h) * size, count: size, fractionBits: fractionBits[k], bits: 16,
                    into: cache.keys + place * size, paddedCount: size)
                cache.valueScales[place] = quantize(
                    row + (heads + kvHeads + h) * size, count: size, fractionBits: fractionBits[k], bits: 16,
                    into: cache.values + place * size, paddedCount: size)
            }
        }

        for k in 0..<count {
            let seen = model.record.isCausal ? firstPosition + k + 1 : firstPosition + count
            mixedFractionBits[k] = leastValueExponent(cache, kvHeads: kvHeads, positionCount: seen) - 2
        }
        var job = AttentionJob(
            record: record, cache: cache, context: context, isCausal: model.record.isCausal, firstPosition: firstPosition,
            count: count, partCount: plan.threadCount, queries: queries, queryScales: queryScales,
            mixedFractionBits: mixedFractionBits, weights: pointer(plan.attentionWeights, as: Int32.self),
            sums: pointer(plan.attentionSums, as: Int64.self), mixed: mixed)
        withUnsafeMutablePointer(to: &job) { job in
            run(plan.threadCount, job) { context, part in
                context!.assumingMemoryBound(to: AttentionJob.self).pointee.run(part)
            }
        }

        let output = model.linear(record.output)
        for k in 0..<count {
            quantizeRow(mixed + k * heads * size, mixedFractionBits[k], output, row: k)
        }
        addToResidual(output, count: count)
    }

    /// The least exponent among the value scales at the first `positionCount` positions.
    private func leastValueExponent(_ cache: KeyValueSlot, kvHeads: Int, positionCount: Int) -> Int {
        var least = Int32.max
        for h in 0..<kvHeads {
            let scales = cache.valueScales + h * plan.contextTokenCount
            for t in 0..<positionCount { least = min(least, scales[t].exponent) }
        }
        return Int(least)
    }

    /// A feed-forward, added to the residual stream.
    private func feedForward(_ record: FeedForwardRecord, _ normFractionBits: Int, count: Int) {
        let up = model.linear(record.up)
        let size = up.matrix.rows
        let isGated = record.kind == FeedForwardKind.gated.rawValue
        let activation = Activation(rawValue: record.activation)!
        let piecewise = model.piecewiseLinear(record.activationTensor)
        let first = pointer(plan.wide, as: Int32.self)  // (count, size): gate, or up where there is none
        let second = pointer(plan.other, as: Int32.self)  // (count, size): up beside a gate
        let firstFractionBits = pointer(plan.fractionBits, as: Int.self)
        let secondFractionBits = firstFractionBits + plan.batchTokenCount

        quantizeRows(plan.normal, stride: model.hiddenSize, normFractionBits, up, count: count)
        if isGated {
            apply(
                up, .floating, count: count, result: second, stride: size, accumulate: false, fractionBits: secondFractionBits)
            let gate = model.linear(record.gate)
            if gate.activationBits != up.activationBits || gate.paddedColumns != up.paddedColumns {
                quantizeRows(plan.normal, stride: model.hiddenSize, normFractionBits, gate, count: count)
            }
            apply(gate, .floating, count: count, result: first, stride: size, accumulate: false, fractionBits: firstFractionBits)
        } else {
            apply(up, .floating, count: count, result: first, stride: size, accumulate: false, fractionBits: firstFractionBits)
        }
        let down = model.linear(record.down)
        for k in 0..<count {
            let row = first + k * size
            var bits = activate(row, count: size, fractionBits: firstFractionBits[k], activation, piecewise)
            if isGated {
                bits = multiplyGate(
                    row, gateFractionBits: bits, second + k * size, upFractionBits: secondFractionBits[k], count: size)
            }
            quantizeRow(row, bits, down, row: k)
        }
        addToResidual(down, count: count)
    }

    // MARK: Layers

    /// Codes of `count` rows of a region for a layer, into `plan.codes` and `plan.scales`.
    private func quantizeRows(_ region: MemoryPlan.Region, stride: Int, _ fractionBits: Int, _ layer: Linear, count: Int) {
        let rows = pointer(region, as: Int32.self)
        for k in 0..<count { quantizeRow(rows + k * stride, fractionBits, layer, row: k) }
    }

    private func quantizeRow(_ vector: UnsafePointer<Int32>, _ fractionBits: Int, _ layer: Linear, row: Int) {
        pointer(plan.scales, as: VectorScale.self)[row] = quantize(
            vector, count: layer.matrix.columns, fractionBits: fractionBits, bits: layer.activationBits,
            into: arena + plan.codes.offset + row * plan.codeStride, paddedCount: layer.paddedColumns)
    }

    private func addToResidual(_ layer: Linear, count: Int) {
        apply(
            layer, .fixed(fractionBits: Int(model.record.residualFractionBits)), count: count,
            result: pointer(plan.residual, as: Int32.self), stride: model.hiddenSize, accumulate: true)
    }

    /// Applies a layer to the codes in `plan.codes`, its rows shared among the threads.
    private func apply(
        _ layer: Linear, _ output: LinearOutput, count: Int, result: UnsafeMutablePointer<Int32>, stride: Int,
        accumulate: Bool, fractionBits: UnsafeMutablePointer<Int>? = nil
    ) {
        let scales = pointer(plan.scales, as: VectorScale.self)
        if let fractionBits {
            for k in 0..<count { fractionBits[k] = layer.fractionBits(scales[k], output) }
        }
        var job = LinearJob(
            layer: layer, output: output, codes: arena + plan.codes.offset, codeStride: plan.codeStride, scales: scales,
            count: count, result: result, stride: stride, accumulate: accumulate, kernels: kernels,
            blocksPerPart: LinearJob.blocksPerPart(layer, threadCount: plan.threadCount))
        let parts = (layer.matrix.blockCount + job.blocksPerPart - 1) / job.blocksPerPart
        withUnsafeMutablePointer(to: &job) { job in
            run(parts, job) { context, part in
                context!.assumingMemoryBound(to: LinearJob.self).pointee.run(part)
            }
        }
    }
}
