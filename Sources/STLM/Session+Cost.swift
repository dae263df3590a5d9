import FixedPoint
import Kernels
import ModelFile

extension Session {
    /// The cost in bits, in units of 2^-24, of what comes after a position of the last `feed`: a token, or the symbols of a block.
    /// - Parameters:
    ///   - row: the position, counted from the first of the last `feed`
    ///   - target: (outputSize)
    public func cost(row: Int, of target: UnsafePointer<UInt32>) -> Int64 {
        if !model.writesBlocks { return cost(computeLogits(rows: row..<row + 1), of: target[0]) }
        let logits = computeBlockLogits(row: row, of: target)
        var sum: Int64 = 0
        for t in 0..<model.drawnCount(target) {
            sum = added(sum, cost(logits + t * Symbol.count, of: target[t]))
        }
        return sum
    }

    /// The cost of a token or symbol in bits, in units of 2^-24 (-log2 of its probability): arithmetic-1, section 9.
    /// - Parameters:
    ///   - logits: (logitCount)
    public func cost(_ logits: UnsafePointer<Int32>, of token: UInt32) -> Int64 {
        let greatest = logits[indexOfGreatest(logits, count: model.logitCount, kernels)]
        // A temperature of 1.0 is 65,536: factor and shift are those of section 9.
        let shift = 16 + model.logitFractionBits
        let total = Softmax(
            logits: logits, count: model.logitCount, greatest: greatest, factor: log2eQ40, shift: shift, kernels
        ).total()
        let own = shifted(UInt64(Int64(greatest) - Int64(logits[Int(token)])), log2eQ40, shift)
        return added(log2Fixed(total) - 30 << 24, Int64(clamping: own))
    }
}

/// A sum of costs, at most the greatest Int64.
public func added(_ a: Int64, _ b: Int64) -> Int64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
}

/// 2^cost of a mean cost in units of 2^-24, in units of 2^-30: a perplexity, exactly as arithmetic-1, section 9 defines it.
/// The greatest UInt64 where it is 2^33 or more.
public func perplexity(meanCost: Int64) -> UInt64 {
    let whole = Int(clamping: meanCost >> 24)
    let fraction = UInt32(meanCost & 0xFF_FFFF)
    // 2^f = 2 * 2^-(1 - f), in Q30
    let value = UInt64(exp2Negative((1 << 24) - fraction)) << 1
    if whole < 0 { return value >> UInt64(min(63, -whole)) }
    return whole > 32 ? .max : value << UInt64(whole)
}
