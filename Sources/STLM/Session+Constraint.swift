import FixedPoint
import Kernels
import ModelFile

// Drawing only what a constraint allows: arithmetic-1, section 7.1.
extension Session {
    /// Chooses an allowed token by the logits of those that are allowed, which are moved together.
    @inline(never)
    func sample(
        _ logits: UnsafeMutablePointer<Int32>, _ constraint: Constraint, _ settings: SamplingSettings, random: inout SplitMix64,
        recent: RecentTokens
    ) -> UInt32 {
        let started = profile.begin(), mask = constraint.allowedTokens(model)
        var place: UInt32 = 0
        if mask.count == 1 {
            // Nothing is chosen, and a number is drawn all the same.
            if settings.temperature != 0 { _ = random.next() }
        } else {
            if settings.repeatPenalty != 65_536 { penalize(logits, settings, recent) }
            mask.gather(logits)
            place = sample(logits, count: mask.count, settings, &random)
        }
        let token = mask.token(Int(place))
        constraint.take(token: token, model)
        profile.end(.sampling, started)
        return token
    }

    /// The same for the symbol of a slot of a block.
    @inline(never)
    func sample(
        _ logits: UnsafeMutablePointer<Int32>, slot: Int, _ constraint: Constraint, _ settings: SamplingSettings, random: inout SplitMix64,
        recent: RecentTokens
    ) -> UInt32 {
        let started = profile.begin()
        if settings.repeatPenalty != 65_536 { penalize(logits, settings, recent) }
        var symbols = InlineArray<258, UInt16>(repeating: 0)
        var count = 0
        for symbol in 0..<Symbol.count where constraint.allows(symbol: symbol, slot: slot, model) {
            logits[count] = logits[symbol]
            symbols[count] = UInt16(symbol)
            count += 1
        }
        let symbol = UInt32(symbols[Int(sample(logits, count: count, settings, &random))])
        constraint.take(symbol: symbol, slot: slot)
        profile.end(.sampling, started)
        return symbol
    }

    /// Logits of the tokens that a constraint allows after one position of the last `feed`, where few are those and their neighbours only.
    @inline(never)
    func computeLogits(row: Int, _ constraint: Constraint) {
        if plan.weights != nil || row != fedCount - 1 {
            if constraint.allowedTokens(model).count > 1 { computeLogits(rows: row..<row + 1) }
            return
        }
        var next = 0, isFirst = true
        while let pieces = allowedPieces(constraint, from: next) {
            computeLogits(pieces: pieces, isFirst: isFirst)
            (next, isFirst) = (pieces.upperBound, false)
        }
    }

    /// The next pieces of the logits (`headBlockCount`) that a constraint's choice looks at; nil if it needs no more.
    /// - Parameters:
    ///   - most: how many there may be
    public func allowedPieces(_ constraint: Constraint, from start: Int, most: Int = .max) -> Range<Int>? {
        let mask = constraint.allowedTokens(model), end = headBlockCount
        if mask.count == 1 || start >= end { return nil }
        // Of many nearly every block has one.
        if end == 1 || mask.count > model.logitCount / 8 { return start..<min(end, start + min(most, end)) }
        var first = start
        while first < end, !mask.allows(block: first) { first += 1 }
        if first == end { return nil }
        // A gap is computed rather than left out where that is less than beginning again.
        let least = 8
        var last = first, k = first + 1
        while k < end, k - last <= least, k - first < most {
            if mask.allows(block: k) { last = k }
            k += 1
        }
        return first..<last + 1
    }
}
