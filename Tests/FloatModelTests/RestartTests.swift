import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Passes that start again in the middle, and models with other weights in some places.
@Suite struct RestartTests {
    private func models() throws -> [FloatModel] {
        try [("generic", "generic"), ("byte_level", "byte_level"), ("byte_level", "byte_decoder")].flatMap { embedder, head in
            try [false, true].map { isShared in
                try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(embedder: embedder, head: head) {
                    ($0.layerCount, $0.isFeedForwardShared, $0.hasAttentionBias) = (3, isShared, true)
                    ($0.feedForwardType, $0.activation) = isShared ? ("generic", "learned") : ("swiglu", "")
                }.checkpointBytes()))
            }
        }
    }

    /// The same shape, other values.
    private func changed(_ matrix: FloatMatrix) -> FloatMatrix {
        FloatMatrix(rows: matrix.rows, columns: matrix.columns, values: matrix.values.map { $0 * 1.25 + 0.01 }, name: "changed")
    }

    @Test func aPassFromAnyStepOnIsTheWholePass() throws {
        for model in try models() {
            let inputs = model.sampleInputs(6), targets = model.sampleTargets(7), pass = FloatPass(model, threadCount: 2)
            let whole = try pass.forward(inputs: inputs, targets: targets), last = model.schedule.count
            for step in 0...last {
                var kept = try pass.start(inputs: inputs)
                pass.advance(&kept, through: 0..<step)
                pass.advance(&kept, through: step..<last)
                #expect(try pass.logits(of: kept, inputs: inputs, targets: targets) == whole)
            }
        }
    }

    /// Every matrix of every model: the pass from `firstStep` on with a new matrix is the whole pass of a model that has it, and that
    /// is the pass in double precision of this model.
    @Test func aChangedMatrixNeedsOnlyTheStepsFromItsFirstOn() throws {
        for model in try models() {
            let inputs = model.sampleInputs(4), targets = model.sampleTargets(5), pass = FloatPass(model, threadCount: 2)
            let original = try pass.forward(inputs: inputs, targets: targets)
            var firstSteps: Set<Int?> = []
            for matrix in model.matrices {
                let new = model.replacing([ObjectIdentifier(matrix): changed(matrix)]), other = FloatPass(new, threadCount: 2)
                #expect(!new.matrices.contains { $0 === matrix } && new.matrices.count == model.matrices.count)
                #expect(new.matrices.filter { own in !model.matrices.contains { $0 === own } }.map(\.name) == ["changed"])
                #expect(new.isTied == model.isTied)
                let whole = try other.forward(inputs: inputs, targets: targets)
                #expect(whole != original, "\(matrix.name)")
                let truth = try new.forward(inputs: inputs, targets: model.writesBlocks ? targets : nil)
                let difference = zip(whole.values, truth.values).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
                #expect(difference < 1e-4 * truth.maximumMagnitude, "\(matrix.name)")
                let first = model.firstStep(using: matrix)
                firstSteps.insert(first)
                guard let first else { continue }
                var kept = try pass.start(inputs: inputs)
                pass.advance(&kept, through: 0..<first)
                other.advance(&kept, through: first..<new.schedule.count)
                #expect(try other.logits(of: kept, inputs: inputs, targets: targets) == whole, "\(matrix.name)")
            }
            // Norms and the attention of each step are its own in all of these.
            #expect(firstSteps == [nil, 0, 1, 2, 3])
        }
    }

    @Test func aMatrixOfSeveralStepsStartsAtItsFirst() throws {
        for model in try models() {
            for (step, part) in model.schedule.enumerated() {
                let down = model.feedForwards[part.feedForward!].down.weight
                let first = model.schedule.firstIndex { model.feedForwards[$0.feedForward!].down.weight === down }
                #expect(model.firstStep(using: down) == first && first! <= step)
                #expect(model.firstStep(using: model.attentions[part.attention!].qkv.weight) == step)
            }
        }
    }
}
