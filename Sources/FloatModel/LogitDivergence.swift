import Foundation

/// How far logits are from those of a reference, summed over rows.
public struct LogitDivergence: Sendable, Equatable {
    public var rowCount = 0
    /// Σ of the Kullback-Leibler divergences of the rows, Σ p log₂(p / q) with p of the reference.
    public var bits = 0.0
    /// Rows whose greatest logits stand at one place.
    public var agreementCount = 0

    public init() {}

    public static func + (a: LogitDivergence, b: LogitDivergence) -> LogitDivergence {
        var sum = a
        sum.rowCount += b.rowCount
        sum.bits += b.bits
        sum.agreementCount += b.agreementCount
        return sum
    }
}

extension FloatRows {
    /// What each scored row pays for its symbol in bits: −log₂ of the probability that softmax gives it.
    public func costs(of rows: [ScoredRow], threadCount: Int) -> [Double] {
        perRow(rows, threadCount) { logits, symbol in
            let largest = Double(logits.max() ?? 0)
            let sum = logits.reduce(0) { $0 + exp(Double($1) - largest) }
            return (log(sum) + largest - Double(logits[symbol])) / M_LN2
        }
    }

    /// The divergence of these logits from those of a reference, over some of the rows.
    public func divergence(from reference: FloatRows, rows: [ScoredRow], threadCount: Int) -> LogitDivergence {
        precondition(reference.rows == self.rows && reference.columns == columns)
        var result = LogitDivergence()
        result.rowCount = rows.count
        let places = rows.indices.map { ScoredRow(row: rows[$0].row, symbol: rows[$0].row) }
        let bits = perRow(places, threadCount) { own, row in
            reference.values.withUnsafeBufferPointer {
                Self.divergence(own, from: UnsafeBufferPointer(rebasing: $0[row * columns..<(row + 1) * columns]))
            }
        }
        result.bits = bits.reduce(0, +)
        result.agreementCount = rows.count { indexOfGreatest(row: $0.row) == reference.indexOfGreatest(row: $0.row) }
        return result
    }

    /// With d = own − reference less its mean under p, Σ p log(p / q) = log Σ p eᵈ = log(1 + Σ p (eᵈ − 1 − d)): terms that are
    /// never negative, so that nothing is lost where the two are close.
    private static func divergence(_ own: UnsafeBufferPointer<Float>, from reference: UnsafeBufferPointer<Float>) -> Double {
        let largest = Double(reference.max() ?? 0)
        var weights = 0.0, mean = 0.0
        for place in reference.indices {
            let weight = exp(Double(reference[place]) - largest)
            weights += weight
            mean += weight * (Double(own[place]) - Double(reference[place]))
        }
        mean /= weights
        var sum = 0.0
        for place in reference.indices {
            let difference = Double(own[place]) - Double(reference[place]) - mean
            sum += exp(Double(reference[place]) - largest) * (expm1(difference) - difference)
        }
        return log1p(sum / weights) / M_LN2
    }

    private func perRow(
        _ rows: [ScoredRow], _ threadCount: Int, _ value: (UnsafeBufferPointer<Float>, Int) -> Double
    ) -> [Double] {
        var results = [Double](repeating: 0, count: rows.count)
        results.withUnsafeMutableBufferPointer { results in
            values.withUnsafeBufferPointer { values in
                guard let base = results.baseAddress else { return }
                Workers(threadCount: threadCount).run(rows: rows.count, chunk: 4) { range in
                    for index in range {
                        let row = rows[index]
                        base[index] = value(UnsafeBufferPointer(rebasing: values[row.row * columns..<(row.row + 1) * columns]), row.symbol)
                    }
                }
            }
        }
        return results
    }
}
