import FixedPoint
import Kernels
import ModelFile

extension Session {
    /// Chooses a token or symbol from `logits`, which the repetition penalty changes in place:
    /// arithmetic-1, section 7.
    /// - Parameters:
    ///   - settings: must not need more than the plan's settings reserved.
    ///   - recent: the last tokens of the sequence, for the penalty
    public func sample(
        _ logits: UnsafeMutablePointer<Int32>, _ settings: SamplingSettings, random: inout SplitMix64,
        recent: RecentTokens
    ) -> UInt32 {
        let started = profile.begin()
        if settings.repeatPenalty != 65_536 { penalize(logits, settings, recent) }
        let token = sample(logits, count: model.logitCount, settings, &random)
        profile.end(.sampling, started)
        return token
    }

    /// Chooses one of some candidates, whose logits stand together: its place among them.
    func sample(
        _ logits: UnsafeMutablePointer<Int32>, count: Int, _ settings: SamplingSettings, _ random: inout SplitMix64
    ) -> UInt32 {
        let best = indexOfGreatest(logits, count: count, kernels)
        if settings.temperature == 0 { return UInt32(best) }
        // The least probability that min_p keeps: p * 65,536 >= min_p * 2^30.
        let least = settings.needsOrder ? 0 : settings.minP << 14
        let softmax = Softmax(
            logits: logits, count: count, greatest: logits[best], factor: log2eQ40 / UInt64(settings.temperature),
            shift: model.logitFractionBits, least: least, kernels)
        return settings.needsOrder ? sampleOrdered(softmax, settings, &random) : sampleUnordered(softmax, &random)
    }

    /// The index of the greatest logit, of several the least.
    func greatest(_ logits: UnsafePointer<Int32>) -> Int { indexOfGreatest(logits, count: model.logitCount, kernels) }

    func penalize(_ logits: UnsafeMutablePointer<Int32>, _ settings: SamplingSettings, _ recent: RecentTokens) {
        let seen = pointer(plan.seen, as: UInt64.self)
        for k in 0..<plan.seen.byteCount / 8 { seen[k] = 0 }
        let penalty = Int64(settings.repeatPenalty)
        for k in 0..<recent.count {
            let token = Int(recent.tokens[k])
            let bit: UInt64 = 1 &<< UInt64(token % 64)
            if seen[token / 64] & bit != 0 { continue }
            seen[token / 64] |= bit
            let logit = Int64(logits[token])
            logits[token] = saturated(logit > 0 ? logit * 65_536 / penalty : roundingShiftRight(logit * penalty, 16))
        }
    }

    /// Candidates by id, nothing stored: two passes.
    private func sampleUnordered(_ softmax: Softmax, _ random: inout SplitMix64) -> UInt32 {
        let rest = random.next().multipliedFullWidth(by: softmax.total()).high
        let index = softmax.index(exceeding: rest)
        return index < softmax.count ? UInt32(index) : 0
    }
}

/// The last tokens of a sequence, in a ring of the plan's size.
public struct RecentTokens {
    let tokens: UnsafeMutablePointer<UInt32>
    let capacity: Int
    public private(set) var count = 0
    private var next = 0

    init(_ tokens: UnsafeMutablePointer<UInt32>, capacity: Int) {
        self.tokens = tokens
        self.capacity = capacity
    }

    public mutating func append(_ token: UInt32) {
        if capacity == 0 { return }
        tokens[next] = token
        next = next + 1 == capacity ? 0 : next + 1
        count = min(count + 1, capacity)
    }

    /// All of them, the oldest first.
    var parts: (UnsafeBufferPointer<UInt32>, UnsafeBufferPointer<UInt32>) {
        let start = count < capacity ? 0 : next
        return (
            UnsafeBufferPointer(start: tokens + start, count: count - start),
            UnsafeBufferPointer(start: tokens, count: start))
    }
}

extension Session {
    /// An empty ring in the session's arena; one at a time.
    public func recentTokens() -> RecentTokens {
        RecentTokens(pointer(plan.recent, as: UInt32.self), capacity: plan.recent.byteCount / 4)
    }
}
