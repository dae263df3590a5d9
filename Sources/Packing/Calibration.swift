import FixedPoint
import FloatModel
import Foundation

/// Fixed points for the residual stream and the logits, from the weights and a short pass of the float model.
struct Calibration {
    let residualFractionBits: Int
    let logitFractionBits: Int

    /// Bits between the greatest magnitude seen in the pass and the end of 32 bits.
    private static let headroomBits = 6

    init(_ model: FloatModel) throws(PackError) {
        var report = ProbeReport()
        var random = SplitMix64(seed: 0x4D_4C_54_53)
        var ids = model.bosId.map { [$0] } ?? []
        let count = min(12, model.contextDefault)
        while ids.count < count { ids.append(Int(random.next() % UInt64(model.vocabularySize))) }
        do {
            try model.probe(ids: ids, into: &report)
        } catch {
            throw .model(error)
        }
        var most = 0.0
        for (point, entry) in report.entries {
            switch point {
            case .embedding, .middle, .residual: most = max(most, entry.maximum)
            default: break
            }
        }
        let squares = model.embedding.values.reduce(0.0) { $0 + Double($1) * Double($1) }
        let rms = (squares / Double(model.embedding.values.count)).squareRoot()
        // About 2^16 at the embedding's RMS, less where the stream grows far beyond it.
        let fine = rms > 0 ? 16 - Int(log2(rms).rounded()) : 16
        let safe = most > 0 ? 31 - Self.headroomBits - exponentAbove(most) : 16
        residualFractionBits = clampFractionBits(min(fine, safe))
        logitFractionBits = clampFractionBits(min(24, Self.logitBits(model, seen: report[.logits]?.maximum ?? 0)))
    }

    /// A bound by Cauchy and Schwarz where a norm bounds the head's input; else headroom over what was seen.
    private static func logitBits(_ model: FloatModel, seen: Double) -> Int {
        guard let weight = model.finalNorm.weight else { return 31 - headroomBits - exponentAbove(max(seen, 1)) }
        let gain = weight.values.map(Double.init)
        let shift = model.finalNorm.bias?.values.map(Double.init)
        let head = model.head.weight
        var bound = 0.0
        for row in 0..<head.rows {
            var squares = 0.0
            var offset = model.head.bias.map { abs(Double($0.values[row])) } ?? 0
            head.withRow(row) { values in
                for j in 0..<head.columns {
                    let product = Double(values[j]) * gain[j]
                    squares += product * product
                    if let shift { offset += abs(Double(values[j]) * shift[j]) }
                }
            }
            bound = max(bound, squares.squareRoot() * Double(head.columns).squareRoot() + offset)
        }
        return 30 - exponentAbove(max(bound, 1e-9))
    }
}
