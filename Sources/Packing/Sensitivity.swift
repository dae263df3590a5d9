import FloatModel
import Foundation
import ModelFile
import Quantization

/// What each matrix in each encoding adds to the divergence from the float model, in bits a row.
///
/// Divergences of several matrices add up where each is small, and that of one grows with the square of the relative error of its layer's
/// results (the linearity that HIGGS, Malinovskii et al. 2024, arXiv:2411.17525, builds on). So each matrix is measured in a few
/// coarse encodings, and the finer ones follow.
struct Sensitivity {
    private var divergences: [ObjectIdentifier: [Encoding: Double]] = [:]
    private var factors: [ObjectIdentifier: Double] = [:]

    /// Measured one matrix at a time, the rest of the model in floats.
    /// - Parameters:
    ///   - matrices: those that may be of groups.
    ///   - progress: the fraction done.
    init(
        _ reference: FloatReference, _ matrices: [FloatMatrix], _ store: MatrixStore, progress: (Double) -> Void
    ) throws(PackError) {
        let model = reference.model
        let streams = try KeptStreams(reference)
        let trials: [Encoding] = [.int2Groups, .int3Groups, .int4Groups]
        for (number, matrix) in matrices.enumerated() {
            let id = ObjectIdentifier(matrix)
            var factor = 0.0
            for encoding in trials {
                let quantized = store.quantized(matrix, encoding)
                let other = FloatMatrix(rows: matrix.rows, columns: matrix.columns, values: quantized.values(), names: matrix.names)
                let bits = try streams.divergence(of: model.replacing([id: other]), from: model.firstStep(using: matrix))
                divergences[id, default: [:]][encoding] = bits
                let square = quantized.relativeError * quantized.relativeError
                // The finest trial is nearest to where the square holds.
                if square > 0 { factor = bits / square }
                progress((Double(number) + Double(trials.firstIndex(of: encoding)! + 1) / Double(trials.count)) / Double(matrices.count))
            }
            factors[id] = factor
        }
    }

    /// Estimated divergence of a row.
    func divergence(_ matrix: FloatMatrix, _ encoding: Encoding, relativeError: Double) -> Double {
        let id = ObjectIdentifier(matrix)
        return divergences[id]?[encoding] ?? (factors[id] ?? 0) * relativeError * relativeError
    }
}

/// The core's stream before each step, so that a change is followed from where it acts.
private struct KeptStreams {
    let reference: FloatReference
    /// (windows, steps + 1)
    private var streams: [[FloatRows]] = []

    init(_ reference: FloatReference) throws(PackError) {
        self.reference = reference
        let pass = FloatPass(reference.model, threadCount: reference.threadCount)
        for window in reference.windows {
            do throws(FloatModelError) {
                var x = try pass.start(inputs: window.inputs)
                var kept = [x]
                for step in reference.model.schedule.indices {
                    pass.advance(&x, through: step..<step + 1)
                    kept.append(x)
                }
                streams.append(kept)
            } catch {
                throw .model(error)
            }
        }
    }

    /// Mean divergence of a row, of a model that differs from the step on; nil: from the beginning.
    func divergence(of model: FloatModel, from step: Int?) throws(PackError) -> Double {
        let pass = FloatPass(model, threadCount: reference.threadCount)
        var sum = LogitDivergence()
        for (index, window) in reference.windows.enumerated() {
            do throws(FloatModelError) {
                var x = streams[index][step ?? 0]
                if step == nil { x = try pass.start(inputs: window.inputs) }
                pass.advance(&x, through: (step ?? 0)..<model.schedule.count)
                let logits = try pass.logits(of: x, inputs: window.inputs, targets: window.targets)
                sum = sum + logits.divergence(
                    from: try kept(index), rows: reference.scored(index), threadCount: reference.threadCount)
            } catch {
                throw .model(error)
            }
        }
        return sum.bits / Double(max(1, sum.rowCount))
    }

    private func kept(_ index: Int) throws(FloatModelError) -> FloatRows {
        do throws(PackError) {
            return try reference.logits(index)
        } catch {
            throw .ids("\(error)")
        }
    }
}
