import FixedPoint
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
        if settings.repeatPenalty != 65_536 { penalize(logits, settings, recent) }
        let best = greatest(logits)
        if settings.temperature == 0 { return UInt32(best) }
        let distances = Distances(
            logits: logits, greatest: logits[best], fractionBits: model.logitFractionBits,
            temperature: settings.temperature)
        return settings.needsOrder
            ? sampleOrdered(distances, settings, &random) : sampleUnordered(distances, settings, &random)
    }

    /// The index of the greatest logit, of several the least.
    func greatest(_ logits: UnsafePointer<Int32>) -> Int {
        var best = 0
        for i in 1..<max(1, model.logitCount) where logits[i] > logits[best] { best = i }
        return best
    }

    private func penalize(_ logits: UnsafeMutablePointer<Int32>, _ settings: SamplingSettings, _ recent: RecentTokens) {
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
    private func sampleUnordered(_ distances: Distances, _ settings: SamplingSettings, _ random: inout SplitMix64) -> UInt32 {
        let count = model.logitCount
        var total: UInt64 = 0
        for i in 0..<count {
            let p = exp2Negative(distances[i])
            if isKept(p, settings) { total &+= UInt64(p) }
        }
        var rest = random.next().multipliedFullWidth(by: total).high
        for i in 0..<count {
            let p = exp2Negative(distances[i])
            if !isKept(p, settings) { continue }
            if rest < UInt64(p) { return UInt32(i) }
            rest -= UInt64(p)
        }
        return 0
    }

    @inline(__always)
    private func isKept(_ p: UInt32, _ settings: SamplingSettings) -> Bool {
        UInt64(p) &<< 16 >= UInt64(settings.minP) &<< 30
    }

    /// Candidates by distance, then id. Keys are distance * 2^32 + id, so that their order is that of the candidates.
    private func sampleOrdered(_ distances: Distances, _ settings: SamplingSettings, _ random: inout SplitMix64) -> UInt32 {
        let keys = pointer(plan.candidates, as: UInt64.self)
        let capacity = plan.candidates.byteCount / 8
        let count = leastKeys(distances, keys, capacity)
        func probability(_ k: Int) -> UInt64 { UInt64(exp2Negative(UInt32(truncatingIfNeeded: keys[k] &>> 32))) }

        var total: UInt64 = 0
        for k in 0..<count { total &+= probability(k) }
        var kept = count
        if settings.topP < 65_536 {
            // Both sides stay below 2^64: a total is at most 2^20 * 2^30.
            let goal = (UInt64(settings.topP).multipliedFullWidth(by: total))
            var sum: UInt64 = 0
            kept = 0
            while kept < count {
                sum &+= probability(kept)
                kept += 1
                let reached = sum.multipliedFullWidth(by: 65_536)
                if reached.high > goal.high || (reached.high == goal.high && reached.low >= goal.low) { break }
            }
        }
        total = 0
        var last = 0
        while last < kept, isKept(UInt32(probability(last)), settings) {
            total &+= probability(last)
            last += 1
        }
        var rest = random.next().multipliedFullWidth(by: total).high
        for k in 0..<last {
            let p = probability(k)
            if rest < p { return UInt32(truncatingIfNeeded: keys[k]) }
            rest -= p
        }
        return UInt32(truncatingIfNeeded: keys[0])
    }

    /// The `capacity` least keys in ascending order: a heap with the greatest on top, then a heap sort.
    private func leastKeys(_ distances: Distances, _ keys: UnsafeMutablePointer<UInt64>, _ capacity: Int) -> Int {
        var count = 0
        for i in 0..<model.logitCount {
            let key = UInt64(distances[i]) &<< 32 | UInt64(i)
            if count < capacity {
                var child = count
                keys[count] = key
                count += 1
                while child > 0, keys[(child - 1) / 2] < keys[child] {
                    swap(keys, child, (child - 1) / 2)
                    child = (child - 1) / 2
                }
            } else if key < keys[0] {
                keys[0] = key
                siftDown(keys, count)
            }
        }
        var end = count
        while end > 1 {
            end -= 1
            swap(keys, 0, end)
            siftDown(keys, end)
        }
        return count
    }

    private func siftDown(_ keys: UnsafeMutablePointer<UInt64>, _ count: Int) {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= count { return }
            if child + 1 < count, keys[child + 1] > keys[child] { child += 1 }
            if keys[parent] >= keys[child] { return }
            swap(keys, parent, child)
            parent = child
        }
    }

    @inline(__always)
    private func swap(_ keys: UnsafeMutablePointer<UInt64>, _ a: Int, _ b: Int) {
        let key = keys[a]
        keys[a] = keys[b]
        keys[b] = key
    }
}

/// How far each logit is below the greatest, over the temperature, base 2, in units of 2^-24: step 3 of arithmetic-1, section 7.
struct Distances {
    let logits: UnsafePointer<Int32>
    let greatest: Int32
    let fractionBits: Int
    let factor: UInt64

    init(logits: UnsafePointer<Int32>, greatest: Int32, fractionBits: Int, temperature: UInt32) {
        self.logits = logits
        self.greatest = greatest
        self.fractionBits = fractionBits
        factor = log2eQ40 / UInt64(temperature)
    }

    @inline(__always)
    subscript(_ i: Int) -> UInt32 {
        UInt32(clamping: shifted(UInt64(Int64(greatest) &- Int64(logits[i])), factor, fractionBits))
    }
}

/// floor(log2(e) * 2^40 + 1/2)
let log2eQ40: UInt64 = 1_586_259_972_792

/// `a * b * 2^-shift` rounded down, or the greatest UInt64 where that is exceeded.
@inline(__always)
func shifted(_ a: UInt64, _ b: UInt64, _ shift: Int) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    if shift <= 0 {
        if high != 0 || (shift < 0 && low != 0 && low.leadingZeroBitCount < -shift) { return .max }
        return shift < -63 ? (low == 0 ? 0 : .max) : low &<< UInt64(-shift)
    }
    if shift >= 64 { return shift >= 128 ? 0 : high &>> UInt64(shift &- 64) }
    if high &>> UInt64(shift) != 0 { return .max }
    return low &>> UInt64(shift) | high &<< UInt64(64 &- shift)
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
}

extension Session {
    /// An empty ring in the session's arena; one at a time.
    public func recentTokens() -> RecentTokens {
        RecentTokens(pointer(plan.recent, as: UInt32.self), capacity: plan.recent.byteCount / 4)
    }
}
