import FloatModel
import Foundation

/// The float model's logits over windows of text, which every packing is compared with.
final class FloatReference {
    let model: FloatModel
    let windows: [FloatWindow]
    let threadCount: Int
    /// Bits that all targets cost.
    private(set) var cost = 0.0
    /// Rows of logits that are scored.
    private(set) var rowCount = 0
    private let pass: FloatPass
    /// Logits that are kept, by window; the others are computed whenever they are asked for.
    private var kept: [FloatRows?]

    /// Floats of logits that are kept: 256 MB.
    private static let keptCount = 64 << 20

    /// - Parameter progress: the fraction done.
    init(_ model: FloatModel, _ windows: [FloatWindow], threadCount: Int, progress: (Double) -> Void) throws(PackError) {
        (self.model, self.windows, self.threadCount) = (model, windows, threadCount)
        pass = FloatPass(model, threadCount: threadCount)
        kept = []
        var room = Self.keptCount
        for (index, window) in windows.enumerated() {
            let logits = try pass.logits(of: window)
            let rows = scored(index)
            cost += logits.costs(of: rows, threadCount: threadCount).reduce(0, +)
            rowCount += rows.count
            room -= logits.values.count
            kept.append(room > 0 ? logits : nil)
            progress(Double(index + 1) / Double(windows.count))
        }
    }

    func scored(_ index: Int) -> [ScoredRow] {
        model.scoredRows(positionCount: windows[index].inputs.count, targets: windows[index].targets)
    }

    func logits(_ index: Int) throws(PackError) -> FloatRows {
        if let known = kept[index] { return known }
        return try pass.logits(of: windows[index])
    }

    /// How far a float model with other weights is from this one.
    func divergence(of other: FloatModel) throws(PackError) -> LogitDivergence {
        let pass = FloatPass(other, threadCount: threadCount)
        var sum = LogitDivergence()
        for index in windows.indices {
            sum = try sum + pass.logits(of: windows[index]).divergence(from: logits(index), rows: scored(index), threadCount: threadCount)
        }
        return sum
    }
}

extension FloatPass {
    func logits(of window: FloatWindow) throws(PackError) -> FloatRows {
        do throws(FloatModelError) {
            return try forward(inputs: window.inputs, targets: window.targets)
        } catch {
            throw .model(error)
        }
    }
}
