import FixedPoint
import Kernels
import ModelFile

// What a step of the schedule does to a stream: arithmetic-1, sections 6.1 to 6.3.
extension Session {
    /// Runs one step.
    /// - Parameters:
    ///   - cache: room for the keys and values of the step's attention at `scope.capacity` positions
    func run(_ step: StepRecord, _ stream: inout Stream, cache: UnsafeMutableRawPointer, _ scope: AttentionScope) {
        if step.attention != Layout.none {
            let attention = model.file.attention(Int(step.attention))
            let normFractionBits = normalize(step.attentionNorm, stream)
            attend(attention, KeyValueSlot(cache, attention, scope.capacity), normFractionBits, stream, scope)
        }
        if step.feedForward != Layout.none {
            let normFractionBits = normalize(step.feedForwardNorm, stream)
            feedForward(model.file.feedForward(Int(step.feedForward)), normFractionBits, step, &stream)
        }
    }

    /// Normalises a stream's rows into `plan.normal`; returns the fraction bits there.
    func normalize(_ index: UInt32, _ stream: Stream) -> Int {
        let normal = pointer(plan.normal, as: Int32.self)
        guard let norm = model.norm(index) else {
            normal.update(from: stream.rows, count: stream.count * stream.width)
            return stream.fractionBits
        }
        for k in 0..<stream.count {
            norm.apply(
                stream.rows + k * stream.width, size: stream.width, fractionBits: stream.fractionBits,
                into: normal + k * stream.width)
        }
        return norm.outputFractionBits
    }

    /// Attention over the cache and the stream's own rows, added to the stream.
    private func attend(
        _ record: AttentionRecord, _ cache: KeyValueSlot, _ normFractionBits: Int, _ stream: Stream, _ scope: AttentionScope
    ) {
        let heads = Int(record.headCount)
        let kvHeads = Int(record.kvHeadCount)
        let size = Int(record.headSize)
        let width = (heads + 2 * kvHeads) * size
        let count = stream.count
        let qkv = pointer(plan.wide, as: Int32.self)  // (count, width), fractionBits[k]
        let mixed = pointer(plan.other, as: Int32.self)  // (count, heads * size), mixedFractionBits[k]
        let fractionBits = pointer(plan.fractionBits, as: Int.self)
        let mixedFractionBits = fractionBits + plan.rowCount
        let queries = pointer(plan.queries, as: Int16.self)  // (count, heads, size)
        let queryScales = pointer(plan.queryScales, as: VectorScale.self)  // (count, heads)

        let layer = model.linear(record.qkv)
        quantizeNormal(layer, normFractionBits, stream)
        apply(layer, .floating, count: count, result: qkv, stride: width, accumulate: false, fractionBits: fractionBits)

        for k in 0..<count {
            let row = qkv + k * width
            let position = scope.firstPosition + k
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
                let place = h * scope.capacity + position
                cache.keyScales[place] = quantize(
                    row + (heads + h) * size, count: size, fractionBits: fractionBits[k], bits: 16,
                    into: cache.keys + place * size, paddedCount: size)
                cache.valueScales[place] = quantize(
                    row + (heads + kvHeads + h) * size, count: size, fractionBits: fractionBits[k], bits: 16,
                    into: cache.values + place * size, paddedCount: size)
            }
        }

        for k in 0..<count {
            let seen = scope.firstPosition + (scope.isCausal ? k + 1 : count)
            mixedFractionBits[k] = leastValueExponent(cache, kvHeads: kvHeads, capacity: scope.capacity, positionCount: seen) - 2
        }
        var job = AttentionJob(
            record: record, cache: cache, scope: scope, count: count, partCount: plan.threadCount, queries: queries,
            queryScales: queryScales, mixedFractionBits: mixedFractionBits,
            weights: pointer(plan.attentionWeights, as: Int32.self), sums: pointer(plan.attentionSums, as: Int64.self),
            mixed: mixed)
        withUnsafeMutablePointer(to: &job) { job in
            run(plan.threadCount, job) { context, part in
                context!.assumingMemoryBound(to: AttentionJob.self).pointee.run(part)
            }
        }

        let output = model.linear(record.output)
        for k in 0..<count {
            quantizeRow(mixed + k * heads * size, mixedFractionBits[k], output, row: k)
        }
        apply(
            output, .fixed(fractionBits: stream.fractionBits), count: count, result: stream.rows, stride: stream.width,
            accumulate: true)
    }

    /// The least exponent among the value scales at the first `positionCount` positions.
    private func leastValueExponent(_ cache: KeyValueSlot, kvHeads: Int, capacity: Int, positionCount: Int) -> Int {
        var least = Int32.max
        for h in 0..<kvHeads {
            let scales = cache.valueScales + h * capacity
            for t in 0..<positionCount { least = min(least, scales[t].exponent) }
        }
        return Int(least)
    }

    /// A feed-forward, added to the stream or in place of it.
    private func feedForward(_ record: FeedForwardRecord, _ normFractionBits: Int, _ step: StepRecord, _ stream: inout Stream) {
        let up = model.linear(record.up)
        let size = up.matrix.rows
        let count = stream.count
        let isGated = record.kind == FeedForwardKind.gated.rawValue
        let activation = Activation(rawValue: record.activation)!
        let piecewise = model.piecewiseLinear(record.activationTensor)
        let first = pointer(plan.wide, as: Int32.self)  // (count, size): gate, or up where there is none
        let second = pointer(plan.other, as: Int32.self)  // (count, size): up beside a gate
        let firstFractionBits = pointer(plan.fractionBits, as: Int.self)
        let secondFractionBits = firstFractionBits + plan.rowCount

        quantizeNormal(up, normFractionBits, stream)
        if isGated {
            apply(
                up, .floating, count: count, result: second, stride: size, accumulate: false, fractionBits: secondFractionBits)
            let gate = model.linear(record.gate)
            if gate.activationBits != up.activationBits || gate.paddedColumns != up.paddedColumns {
                quantizeNormal(gate, normFractionBits, stream)
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
        if step.replaces {
            stream.width = down.matrix.rows
            stream.fractionBits = Int(step.fractionBits)
        }
        apply(
            down, .fixed(fractionBits: stream.fractionBits), count: count, result: stream.rows, stride: stream.width,
            accumulate: !step.replaces)
    }

    // MARK: Layers

    /// Codes of the normalised rows of a stream for a layer, into `plan.codes` and `plan.scales`.
    func quantizeNormal(_ layer: Linear, _ fractionBits: Int, _ stream: Stream) {
        let rows = pointer(plan.normal, as: Int32.self)
        for k in 0..<stream.count { quantizeRow(rows + k * stream.width, fractionBits, layer, row: k) }
    }

    private func quantizeRow(_ vector: UnsafePointer<Int32>, _ fractionBits: Int, _ layer: Linear, row: Int) {
        pointer(plan.scales, as: VectorScale.self)[row] = quantize(
            vector, count: layer.matrix.columns, fractionBits: fractionBits, bits: layer.activationBits,
            into: arena + plan.codes.offset + row * plan.codeStride, paddedCount: layer.paddedColumns)
    }

    /// Applies a layer to the codes in `plan.codes`, its rows shared among the threads.
    func apply(
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
