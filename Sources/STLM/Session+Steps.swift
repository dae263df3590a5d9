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
            let record = model.file.attention(Int(step.attention))
            let work = AttentionWork(
                record: record, cache: KeyValueSlot(cache, record, scope), scope: scope, count: stream.count,
                output: model.linear(record.output))
            attend(work, norm: step.attentionNorm, stream)
        }
        if step.feedForward != Layout.none {
            feedForward(model.file.feedForward(Int(step.feedForward)), step, &stream)
        }
    }

    /// Attention over the cache and the stream's own rows, added to the stream.
    private func attend(_ work: AttentionWork, norm: UInt32, _ stream: Stream) {
        let fractionBits = pointer(plan.fractionBits, as: Int.self)
        let layer = model.linear(work.record.qkv)
        normalize(norm, stream, for: layer)
        let queriesKeysValues = linear(
            layer, .floating, count: stream.count, result: pointer(plan.wide, as: Int32.self), fractionBits: fractionBits)
        run(LinearJob(queriesKeysValues, vectorCount: stream.count, threadCount: plan.threadCount), work.record.qkv, count: stream.count)

        run(.heads(work), count: stream.count, size: layer.matrix.rows)

        let started = profile.begin()
        let mixedFractionBits = fractionBits + plan.rowCount
        for k in 0..<stream.count {
            // Of causal rows each sees one position more; else all see the same.
            if k > 0, !work.scope.isCausal {
                mixedFractionBits[k] = mixedFractionBits[0]
            } else {
                let seen = work.seenCount(row: k)
                mixedFractionBits[k] = work.cache.leastValueExponent(positionCount: seen, kernels) - 2
            }
        }
        profile.end(.attention, started)
        if stream.count == 1 {
            runHeads(work, row: 0)
            quantizeMixed(work, row: 0)
        } else {
            run(.attention(work), count: stream.count, size: work.elementCount(row: stream.count - 1))
        }

        let output = linear(
            work.output, .fixed(fractionBits: stream.fractionBits), count: stream.count, result: stream.rows, accumulate: true)
        run(LinearJob(output, vectorCount: stream.count, threadCount: plan.threadCount), work.record.output, count: stream.count)
    }

    /// A feed-forward, added to the stream or in place of it.
    private func feedForward(_ record: FeedForwardRecord, _ step: StepRecord, _ stream: inout Stream) {
        let up = model.linear(record.up)
        let down = model.linear(record.down)
        let count = stream.count
        let isGated = record.kind == FeedForwardKind.gated.rawValue
        let first = pointer(plan.wide, as: Int32.self)  // (count, size): gate, or up where there is none
        let second = pointer(plan.other, as: Int32.self)  // (count, size): up beside a gate
        let firstFractionBits = pointer(plan.fractionBits, as: Int.self)
        let secondFractionBits = firstFractionBits + plan.rowCount

        normalize(step.feedForwardNorm, stream, for: up)
        if isGated {
            let gate = model.linear(record.gate)
            let upRun = linear(up, .floating, count: count, result: second, fractionBits: secondFractionBits)
            if gate.codeForm(kernels) == up.codeForm(kernels) {
                let gateRun = linear(gate, .floating, count: count, result: first, fractionBits: firstFractionBits, slot: 1)
                run(LinearJob(gateRun, upRun, vectorCount: count, threadCount: plan.threadCount), record.gate, record.up, count: count)
            } else {
                run(LinearJob(upRun, vectorCount: count, threadCount: plan.threadCount), record.up, count: count)
                normalize(step.feedForwardNorm, stream, for: gate)
                let gateRun = linear(gate, .floating, count: count, result: first, fractionBits: firstFractionBits)
                run(LinearJob(gateRun, vectorCount: count, threadCount: plan.threadCount), record.gate, count: count)
            }
        } else {
            let upRun = linear(up, .floating, count: count, result: first, fractionBits: firstFractionBits)
            run(LinearJob(upRun, vectorCount: count, threadCount: plan.threadCount), record.up, count: count)
        }

        let activation = ActivationWork(
            activation: Activation(rawValue: record.activation)!, piecewise: model.piecewiseLinear(record.activationTensor),
            isGated: isGated, size: up.matrix.rows, down: down)
        run(.activation(activation), count: count, size: up.matrix.rows)
        if step.replaces {
            stream.width = down.matrix.rows
            stream.fractionBits = Int(step.fractionBits)
        }
        let downRun = linear(
            down, .fixed(fractionBits: stream.fractionBits), count: count, result: stream.rows, accumulate: !step.replaces)
        run(LinearJob(downRun, vectorCount: count, threadCount: plan.threadCount), record.down, count: count)
    }

    // MARK: Layers

    /// Normalises a stream's rows, and makes their codes for a layer.
    func normalize(_ norm: UInt32, _ stream: Stream, for layer: Linear) {
        run(.normalize(stream, model.norm(norm), layer), count: stream.count, size: stream.width)
    }

    /// A layer for the codes in `plan.codes`.
    /// - Parameters:
    ///   - result: (count, rows) Int32
    ///   - fractionBits: gets those of the result, where they are wanted
    ///   - slot: 0 or 1, two for runs at the same time
    func linear(
        _ layer: Linear, _ output: LinearOutput, count: Int, result: UnsafeMutablePointer<Int32>, accumulate: Bool = false,
        fractionBits: UnsafeMutablePointer<Int>? = nil, slot: Int = 0
    ) -> LinearRun {
        LinearRun(
            layer, codes: arena + plan.codes.offset, codeStride: plan.codeStride, scales: pointer(plan.scales, as: VectorScale.self),
            vectorCount: count, output: output, fractionBits: fractionBits ?? pointer(plan.fractionBits, as: Int.self) + 2 * plan.rowCount,
            shifts: pointer(plan.shifts, as: Int32.self) + 2 * slot * plan.rowCount, result: result,
            resultStride: layer.matrix.rows, accumulate: accumulate, kernels: kernels)
    }
}
