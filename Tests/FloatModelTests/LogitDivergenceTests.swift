import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

@Suite struct LogitDivergenceTests {
    private func rows(_ probabilities: [[Float]]) -> FloatRows {
        FloatRows(rows: probabilities.count, columns: probabilities[0].count, values: probabilities.joined().map { log($0) })
    }

    private func all(_ rows: FloatRows) -> [ScoredRow] { (0..<rows.rows).map { ScoredRow(row: $0, symbol: 0) } }

    @Test func knownDistributions() {
        let reference = rows([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]), own = rows([[0.25, 0.5, 0.25], [0.25, 0.5, 0.25]])
        // 1/2 · log2 2 + 1/4 · log2 1/2, and nothing of the second row.
        let divergence = own.divergence(from: reference, rows: all(own), threadCount: 2)
        #expect(abs(divergence.bits - 0.25) < 1e-6)
        #expect((divergence.rowCount, divergence.agreementCount) == (2, 1))
        let first = own.divergence(from: reference, rows: [ScoredRow(row: 0, symbol: 0)], threadCount: 1)
        #expect(abs(first.bits - 0.25) < 1e-6 && (first.rowCount, first.agreementCount) == (1, 0))
        let sum = first + divergence
        #expect((sum.rowCount, sum.agreementCount) == (3, 1) && abs(sum.bits - 0.5) < 1e-6)
        #expect(zip(reference.costs(of: [ScoredRow(row: 0, symbol: 0), ScoredRow(row: 0, symbol: 2), ScoredRow(row: 1, symbol: 0)],
                                    threadCount: 2), [1, 2, 2]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func equalLogitsDivergeByNothingAndLevelsDoNotCount() {
        var numbers = SeededNumbers(seed: 3)
        let values = (0..<500).map { _ in (numbers.float(deviation: 4) * 1024).rounded() / 1024 }
        let rows = FloatRows(rows: 5, columns: 100, values: values)
        let higher = FloatRows(rows: 5, columns: 100, values: values.map { $0 + 64 })
        for other in [rows, higher] {
            let divergence = other.divergence(from: rows, rows: all(rows), threadCount: 2)
            #expect(abs(divergence.bits) < 1e-14 && divergence.agreementCount == 5)
        }
        #expect(rows.divergence(from: rows, rows: all(rows), threadCount: 1).bits == 0)
    }

    /// Two equal logits against two that are d apart: log cosh(d / 2), about d² / 8, also where that is far below one rounding.
    @Test(arguments: [1.0, 0x1p-10, 0x1p-30]) func smallDifferencesAreNotLost(_ d: Double) {
        let reference = FloatRows(rows: 1, columns: 2, values: [0, 0]), own = FloatRows(rows: 1, columns: 2, values: [0, Float(d)])
        let bits = own.divergence(from: reference, rows: all(own), threadCount: 1).bits
        let expected = (d < 0.01 ? d * d / 8 : log(cosh(d / 2))) / log(2)
        #expect(abs(bits - expected) < 1e-6 * expected)
    }

    private func model(_ embedder: String, _ head: String) throws -> FloatModel {
        try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(embedder: embedder, head: head) { $0.blockSize = 3 }.checkpointBytes()))
    }

    @Test func whichRowsAreScored() throws {
        func scored(_ model: FloatModel, _ targets: [[Int]], positions: Int = 2) -> [[Int]] {
            model.scoredRows(positionCount: positions, targets: targets).map { [$0.row, $0.symbol] }
        }
        let ids = try model("byte_level", "generic")
        #expect(scored(ids, [[9], [5], [7]]) == [[0, 5], [1, 7]])
        #expect(scored(ids, [[9], [5]]) == [[0, 5]] && scored(ids, []) == [])
        let blocks = [[0, 0, 0], [65, 257, 256], [1, 2, 3]]
        // Pads of byte slots count; after the symbol that closes it, a decoder's block has nothing to score.
        #expect(scored(try model("byte_level", "byte_level"), blocks) == [[0, 65], [1, 257], [2, 256], [3, 1], [4, 2], [5, 3]])
        #expect(scored(try model("byte_level", "byte_decoder"), blocks) == [[0, 65], [1, 257], [3, 1], [4, 2], [5, 3]])
        #expect(scored(try model("byte_level", "byte_decoder"), blocks, positions: 1) == [[0, 65], [1, 257]])
    }

    /// Costs of a pass against those of the pass in double precision.
    @Test(arguments: ["generic", "byte_level", "byte_decoder"]) func costsOfAPass(_ head: String) throws {
        let model = try model("byte_level", head), inputs = model.sampleInputs(6), targets = model.sampleTargets(7)
        let truth = try model.forward(inputs: inputs, targets: model.writesBlocks ? targets : nil)
        let rows = model.scoredRows(positionCount: 6, targets: targets)
        let costs = try FloatPass(model, threadCount: 2).forward(inputs: inputs, targets: targets).costs(of: rows, threadCount: 2)
        #expect(costs.count == rows.count && rows.count >= 6)
        for (cost, row) in zip(costs, rows) {
            let logits = truth.row(row.row)
            let expected = log2(logits.reduce(0) { $0 + exp($1) }) - logits[row.symbol] / log(2)
            #expect(abs(cost - expected) < 1e-4)
        }
    }
}
