import FixedPoint
import Kernels
import ModelFile

/// What is added to a layer's result: a product of two matrices of low rank. arithmetic-1, section 4.1.
struct Correction {
    /// (rank, columns), for the codes that the layer reads
    let down: Linear
    /// (rows, rank)
    let up: Linear

    var rank: Int { up.matrix.columns }
}

extension Session {
    /// Runs a layer's job, and what corrects it.
    /// - Parameters:
    ///   - records: those of the job's layers
    func run(
        _ job: LinearJob, _ first: LinearRecord, _ second: LinearRecord? = nil, count: Int, as operation: Operation = .linear
    ) {
        run(job, as: operation)
        correct(job.first, first, count: count, as: operation)
        if let run = job.second, let second { correct(run, second, count: count, as: operation) }
    }

    /// Adds a layer's correction, if it has one, to what it has written. Its codes are still in `plan.codes`.
    private func correct(_ base: LinearRun, _ record: LinearRecord, count: Int, as operation: Operation) {
        guard let correction = model.correction(record) else { return }
        let narrow = pointer(plan.correction, as: Int32.self)  // (count, rank)
        let fractionBits = pointer(plan.correctionFractionBits, as: Int.self)  // (count)
        let shifts = pointer(plan.shifts, as: Int32.self)
        let down = LinearRun(
            correction.down, codes: codes(of: base.layer, for: correction.down, count: count), codeStride: plan.codeStride,
            scales: pointer(plan.scales, as: VectorScale.self), vectorCount: count, output: .floating, fractionBits: fractionBits,
            shifts: shifts, result: narrow, resultStride: correction.rank, accumulate: false, kernels: kernels)
        run(LinearJob(down, vectorCount: count, threadCount: plan.threadCount), as: operation)
        run(.correction(correction.up), count: count, size: correction.rank)
        let up = LinearRun(
            correction.up, codes: arena + plan.correctionCodes.offset, codeStride: plan.correctionStride,
            scales: pointer(plan.correctionScales, as: VectorScale.self), vectorCount: count,
            output: .each(fractionBits: base.fractionBits), fractionBits: base.fractionBits, shifts: shifts, result: base.call.results,
            resultStride: base.call.result_stride, accumulate: true, kernels: kernels)
        run(LinearJob(up, vectorCount: count, threadCount: plan.threadCount), as: operation)
    }

    /// Codes of the narrow rows for the second half of a correction.
    func quantizeCorrection(_ up: Linear, row: Int) {
        let narrow = pointer(plan.correction, as: Int32.self) + row * up.matrix.columns
        pointer(plan.correctionScales, as: VectorScale.self)[row] = quantize(
            narrow, count: up.matrix.columns, fractionBits: pointer(plan.correctionFractionBits, as: Int.self)[row],
            form: up.codeForm(kernels), into: arena + plan.correctionCodes.offset + row * plan.correctionStride,
            paddedCount: up.paddedColumns, kernels)
    }

    /// The codes in `plan.codes`, which are as one layer wants them, as another wants them: of 16 bits, in planes or not.
    private func codes(of layer: Linear, for other: Linear, count: Int) -> UnsafeMutableRawPointer {
        let codes = arena + plan.codes.offset
        let form = other.codeForm(kernels)
        if form == layer.codeForm(kernels) { return codes }
        let turned = arena + plan.turnedCodes.offset
        for row in 0..<count {
            turn(codes + row * plan.codeStride, count: layer.paddedColumns, into: turned + row * plan.codeStride, form)
        }
        return turned
    }
}
