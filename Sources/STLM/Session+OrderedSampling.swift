import FixedPoint
import Kernels

// Candidates by distance, then id: arithmetic-1, section 7, steps 4 to 7. Keys are distance * 2^32 + id, so that their order is that of the
// candidates.
extension Session {
    func sampleOrdered(_ softmax: Softmax, _ settings: SamplingSettings, _ random: inout SplitMix64) -> UInt32 {
        let keys = pointer(plan.candidates, as: UInt64.self)
        if settings.topK == 0 { return sampleBins(softmax, settings, keys, &random) }
        let count = likeliestKeys(softmax, keys, min(Int(clamping: settings.topK), plan.candidates.byteCount / 8))
        var total: UInt64 = 0
        for k in 0..<count { total &+= probability(keys[k]) }
        var kept = count
        if settings.topP < 65_536 {
            var sum: UInt64 = 0
            kept = 0
            while kept < count {
                sum &+= probability(keys[kept])
                kept += 1
                if reaches(sum, settings.topP, total) { break }
            }
        }
        total = 0
        var last = 0
        while last < kept, probability(keys[last]) >= UInt64(settings.minP) << 14 {
            total &+= probability(keys[last])
            last += 1
        }
        return drawn(keys, last, random.next().multipliedFullWidth(by: total).high)
    }

    /// A draw from the likeliest that make up `topP`, without an order of all: sums by distance show in which bin the last of them lies, and
    /// in which the one that is drawn; only these two are looked at closely.
    private func sampleBins(
        _ softmax: Softmax, _ settings: SamplingSettings, _ keys: UnsafeMutablePointer<UInt64>, _ random: inout SplitMix64
    ) -> UInt32 {
        let bins = pointer(plan.bins, as: UInt64.self)
        softmax.sumBins(into: bins)
        var total: UInt64 = 0
        for k in 0..<Softmax.binCount { total &+= bins[k] }
        // What topP keeps.
        var kept: UInt64 = 0
        var bin = 0
        while !reaches(kept &+ bins[bin], settings.topP, total) {
            kept &+= bins[bin]
            bin += 1
        }
        let base = kept
        kept &+= select(keys, binKeys(softmax, bin: bin, keys)) { reaches(base &+ $0, settings.topP, total) }.sum
        // What min_p keeps are the likeliest too: of the two the fewer.
        if settings.minP > 0 {
            let likely = Softmax(
                logits: softmax.logits, count: softmax.count, greatest: softmax.greatest, factor: softmax.factor, shift: softmax.shift,
                least: settings.minP << 14, kernels)
            kept = min(kept, likely.total())
        }
        var rest = random.next().multipliedFullWidth(by: kept).high
        bin = 0
        while rest >= bins[bin] {
            rest &-= bins[bin]
            bin += 1
        }
        return UInt32(truncatingIfNeeded: select(keys, binKeys(softmax, bin: bin, keys)) { $0 > rest }.key)
    }

    private func probability(_ key: UInt64) -> UInt64 { UInt64(exp2Negative(UInt32(truncatingIfNeeded: key &>> 32))) }

    /// sum * 65,536 >= topP * total; both sides stay below 2^128.
    private func reaches(_ sum: UInt64, _ topP: UInt32, _ total: UInt64) -> Bool {
        let reached = sum.multipliedFullWidth(by: 65_536), goal = UInt64(topP).multipliedFullWidth(by: total)
        return reached.high > goal.high || (reached.high == goal.high && reached.low >= goal.low)
    }

    /// The id of the first of `count` ordered keys at which the running sum exceeds `rest`.
    private func drawn(_ keys: UnsafePointer<UInt64>, _ count: Int, _ rest: UInt64) -> UInt32 {
        var rest = rest
        for k in 0..<count {
            let p = probability(keys[k])
            if rest < p { return UInt32(truncatingIfNeeded: keys[k]) }
            rest &-= p
        }
        return UInt32(truncatingIfNeeded: keys[0])
    }

    /// Keys of a bin, by id.
    private func binKeys(_ softmax: Softmax, bin: Int, _ keys: UnsafeMutablePointer<UInt64>) -> Int {
        let width = UInt64(Softmax.binWidth)
        guard let highest = softmax.greatestLogit(atDistance: UInt64(bin) * width) else { return 0 }
        // The last bin holds all that is farther, and is never asked for: what is there is 0.
        let lowest = softmax.greatestLogit(atDistance: UInt64(bin + 1) * width).map { $0 &+ 1 } ?? Int32.min
        var count = 0
        var i = softmax.next(from: 0, in: lowest...highest)
        while i < softmax.count {
            keys[count] = key(softmax, i)
            count += 1
            i = softmax.next(from: i + 1, in: lowest...highest)
        }
        return count
    }

    /// The first of some keys, in their order, up to which the sum of probabilities is `enough`; the last if it never is. The keys are put
    /// in order only as far as it takes (quickselect, Hoare 1961).
    /// - Returns: the key, and the sum up to it.
    private func select(
        _ keys: UnsafeMutablePointer<UInt64>, _ count: Int, enough: (UInt64) -> Bool
    ) -> (key: UInt64, sum: UInt64) {
        var start = 0, end = count
        var before: UInt64 = 0
        while end - start > 1 {
            // Somewhere in the midst, so that keys which are in order already are halved too.
            swap(keys, start + (end - start) / 2, end - 1)
            let pivot = keys[end - 1]
            var middle = start
            var sum: UInt64 = 0
            for k in start..<end where keys[k] <= pivot {
                sum &+= probability(keys[k])
                swap(keys, middle, k)
                middle += 1
            }
            // keys[middle - 1] is the pivot.
            let own = probability(pivot)
            if enough(before &+ sum &- own), middle - 1 > start {
                end = middle - 1
            } else if enough(before &+ sum) || middle == end {
                return (pivot, before &+ sum)
            } else {
                before &+= sum
                start = middle
            }
        }
        return (keys[start], before &+ probability(keys[start]))
    }

    private func key(_ softmax: Softmax, _ i: Int) -> UInt64 { UInt64(softmax.distance(i)) &<< 32 | UInt64(i) }

    /// The `capacity` least keys in ascending order, by a heap with the greatest on top.
    private func likeliestKeys(_ softmax: Softmax, _ keys: UnsafeMutablePointer<UInt64>, _ capacity: Int) -> Int {
        let count = min(capacity, softmax.count)
        for i in 0..<count {
            var child = i
            keys[i] = key(softmax, i)
            while child > 0, keys[(child - 1) / 2] < keys[child] {
                swap(keys, child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        }
        var i = count
        while i < softmax.count {
            // As ids ascend, only a greater logit than that on top can be nearer.
            let top = softmax.logits[Int(truncatingIfNeeded: keys[0] & 0xFFFF_FFFF)]
            if top == Int32.max { break }
            i = softmax.next(from: i, in: top + 1...Int32.max)
            if i == softmax.count { break }
            let key = key(softmax, i)
            if key < keys[0] {
                keys[0] = key
                siftDown(keys, 0, count)
            }
            i += 1
        }
        sortHeap(keys, count)
        return count
    }

    private func sortHeap(_ keys: UnsafeMutablePointer<UInt64>, _ count: Int) {
        var end = count
        while end > 1 {
            end -= 1
            swap(keys, 0, end)
            siftDown(keys, 0, end)
        }
    }

    private func siftDown(_ keys: UnsafeMutablePointer<UInt64>, _ start: Int, _ count: Int) {
        var parent = start
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
