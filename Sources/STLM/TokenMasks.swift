import Grammar
import ModelFile
import Tokenizers

/// The tokens that a state allows, as bits, and how many they are.
struct TokenMask {
    /// (vocabulary / 64)
    let words: UnsafePointer<UInt64>
    let wordCount: Int
    let count: Int

    /// The token of a place among those that are allowed.
    func token(_ place: Int) -> UInt32 {
        var left = place
        for k in 0..<wordCount {
            let count = words[k] == .max ? 64 : words[k].nonzeroBitCount
            if left < count {
                var word = words[k]
                for _ in 0..<left { word &= word &- 1 }
                return UInt32(64 * k + word.trailingZeroBitCount)
            }
            left -= count
        }
        return 0
    }

    /// Moves the logits of allowed tokens together, by id.
    func gather(_ logits: UnsafeMutablePointer<Int32>) {
        var count = 0
        for k in 0..<wordCount {
            let word = words[k], from = logits + 64 * k
            if word == 0 { continue }
            let to = logits + count
            if word == .max {
                if to != from { to.update(from: from, count: 64) }
                count += 64
            } else {
                // Never upwards, so that nothing is lost.
                var place = 0
                for j in 0..<64 - word.leadingZeroBitCount {
                    to[place] = from[j]
                    place &+= Int(truncatingIfNeeded: word &>> UInt64(j) & 1)
                }
                count += place
            }
        }
    }

    /// True if one of 16 neighbouring tokens is allowed.
    func allows(block: Int) -> Bool { words[block / 4] >> UInt64(16 * (block % 4)) & 0xFFFF != 0 }
}

/// The tokens of a vocabulary in the order of their pieces, and sets of them that are allowed in some state.
///
/// A set is found by walking all pieces in order: what two neighbours share is walked once, and where a byte is not allowed all pieces that
/// have it there are passed over.
struct TokenMasks {
    /// Depth that states are kept to.
    private static let depth = 64
    private static let slotLimit = 255

    /// (pieces) tokens with a piece, ordered by its first four bytes; (pieces) bytes shared with the one before, below `depth`
    private let order: UnsafeMutablePointer<UInt16>
    private let shared: UnsafeMutablePointer<UInt8>
    /// (257) where the tokens begin whose pieces begin with a byte
    private let starts: UnsafeMutablePointer<UInt32>
    /// (kinds) where the set of a kind of states is; `slotLimit` for nowhere
    private let slots: UnsafeMutablePointer<UInt8>
    /// (slots) of which kind a set is, and how many tokens it has
    private let kinds: UnsafeMutablePointer<UInt16>
    private let counts: UnsafeMutablePointer<UInt32>
    /// The slot that is filled next, and whether all were
    private let hand: UnsafeMutablePointer<UInt32>
    /// (slots, vocabulary / 64)
    private let words: UnsafeMutablePointer<UInt64>
    private let wordCount: Int
    private let slotCount: Int

    private static func wordCount(_ model: Model) -> Int { (model.vocabularySize + 63) / 64 }

    /// Bytes of what does not depend on the grammar, and of two sets.
    static func orderByteCount(_ model: Model) -> Int { (offsets(model).end + 63) / 64 * 64 }
    static func leastByteCount(_ model: Model) -> Int { max(2 * 8 * wordCount(model), 2 * (model.tokenizer?.pieceCount ?? 0)) }

    private static func offsets(_ model: Model) -> (starts: Int, counts: Int, kinds: Int, order: Int, slots: Int, shared: Int, end: Int) {
        let pieces = model.tokenizer?.pieceCount ?? 0
        let starts = 8, counts = starts + 257 * 4, kinds = counts + 4 * slotLimit, order = kinds + 2 * slotLimit
        let slots = order + 2 * pieces, shared = slots + GrammarLimit.states
        return (starts, counts, kinds, order, slots, shared, shared + pieces)
    }

    /// - Parameters:
    ///   - order: `orderByteCount` bytes
    ///   - masks: `byteCount` bytes, at least `leastByteCount`
    init(_ model: Model, order memory: UnsafeMutableRawPointer, masks: UnsafeMutableRawPointer, _ byteCount: Int) {
        let tokenizer = model.tokenizer!, offsets = Self.offsets(model), pieces = tokenizer.pieceCount
        hand = memory.bindMemory(to: UInt32.self, capacity: 1)
        starts = (memory + offsets.starts).bindMemory(to: UInt32.self, capacity: 257)
        counts = (memory + offsets.counts).bindMemory(to: UInt32.self, capacity: Self.slotLimit)
        kinds = (memory + offsets.kinds).bindMemory(to: UInt16.self, capacity: Self.slotLimit)
        order = (memory + offsets.order).bindMemory(to: UInt16.self, capacity: pieces)
        slots = (memory + offsets.slots).bindMemory(to: UInt8.self, capacity: GrammarLimit.states)
        shared = (memory + offsets.shared).bindMemory(to: UInt8.self, capacity: pieces)
        words = masks.bindMemory(to: UInt64.self, capacity: byteCount / 8)
        wordCount = Self.wordCount(model)
        slotCount = min(Self.slotLimit, byteCount / 8 / wordCount)
        hand.pointee = 0
        for k in 0..<GrammarLimit.states { slots[k] = UInt8(Self.slotLimit) }
        for k in 0..<slotCount { kinds[k] = .max }
        sort(model, tokenizer, masks.bindMemory(to: UInt16.self, capacity: pieces))
        _ = masks.bindMemory(to: UInt64.self, capacity: byteCount / 8)
    }

    // MARK: Order

    /// Orders the tokens by the bytes of their pieces, the fourth first.
    /// - Parameters:
    ///   - other: (pieces)
    private func sort(_ model: Model, _ tokenizer: Tokenizer, _ other: UnsafeMutablePointer<UInt16>) {
        var count = 0
        for token in 0..<min(tokenizer.pieceCount, model.vocabularySize) where !tokenizer.piece(UInt32(token)).isEmpty && model.isText(UInt32(token)) {
            order[count] = UInt16(token)
            count += 1
        }
        for k in 0..<4 {
            let (from, to) = k % 2 == 0 ? (order, other) : (other, order)
            for b in 0...256 { starts[b] = 0 }
            for i in 0..<count { starts[byte(tokenizer, from[i], 3 - k) + 1] += 1 }
            for b in 0..<256 { starts[b + 1] += starts[b] }
            for i in 0..<count {
                let b = byte(tokenizer, from[i], 3 - k)
                to[Int(starts[b])] = from[i]
                starts[b] += 1
            }
        }
        // Each start has moved on to the next one.
        var before: UInt32 = 0
        for b in 0...256 { (starts[b], before) = (before, starts[b]) }
        for i in 0..<count { shared[i] = i == 0 ? 0 : sharedByteCount(tokenizer, order[i - 1], order[i]) }
    }

    private func byte(_ tokenizer: Tokenizer, _ token: UInt16, _ k: Int) -> Int {
        let piece = tokenizer.piece(UInt32(token))
        return k < piece.count ? Int(piece[k]) : 0
    }

    private func sharedByteCount(_ tokenizer: Tokenizer, _ a: UInt16, _ b: UInt16) -> UInt8 {
        let a = tokenizer.piece(UInt32(a)), b = tokenizer.piece(UInt32(b))
        var count = 0
        while count < min(min(a.count, b.count), Self.depth - 1), a[count] == b[count] { count += 1 }
        return UInt8(count)
    }

    // MARK: Sets

    func isKept(_ kind: Int) -> Bool { Int(slots[kind]) != Self.slotLimit }

    /// The set of a state; valid until the next call.
    func mask(_ model: Model, _ automaton: Automaton, _ state: UInt16, allowsEnd: Bool) -> TokenMask {
        let kind = automaton.kind(state)
        if !isKept(kind) { fill(model, automaton, state, kind, allowsEnd) }
        let slot = Int(slots[kind])
        return TokenMask(words: words + slot * wordCount, wordCount: wordCount, count: Int(counts[slot]))
    }

    private func fill(_ model: Model, _ automaton: Automaton, _ state: UInt16, _ kind: Int, _ allowsEnd: Bool) {
        let slot = Int(hand.pointee)
        hand.pointee = slot + 1 == slotCount ? 0 : UInt32(slot + 1)
        if kinds[slot] != .max { slots[Int(kinds[slot])] = UInt8(Self.slotLimit) }
        kinds[slot] = UInt16(kind)
        slots[kind] = UInt8(slot)
        let mask = words + slot * wordCount
        mask.update(repeating: 0, count: wordCount)
        for first in UInt8.min...UInt8.max where automaton.next(state, first) != Automaton.dead {
            walk(model.tokenizer!, automaton, state, Int(starts[Int(first)])..<Int(starts[Int(first) + 1]), mask)
        }
        if allowsEnd, automaton.isAccepting(state) {
            for k in 0..<Int(model.record.endCount) {
                let token = Int(model.record.endTokens[k])
                if token < model.vocabularySize { mask[token / 64] |= 1 << UInt64(token % 64) }
            }
        }
        var count = 0
        for k in 0..<wordCount { count += mask[k].nonzeroBitCount }
        counts[slot] = UInt32(count)
    }

    /// Sets the bits of the tokens, among some that follow one another, whose pieces are allowed.
    private func walk(
        _ tokenizer: Tokenizer, _ automaton: Automaton, _ state: UInt16, _ range: Range<Int>, _ mask: UnsafeMutablePointer<UInt64>
    ) {
        // (depth) where the bytes of the last piece led
        var states = InlineArray<64, UInt16>(repeating: state)
        var i = range.lowerBound
        while i < range.upperBound {
            let token = order[i], piece = tokenizer.piece(UInt32(token))
            // The first of a range has nothing that was walked.
            var k = i == range.lowerBound ? 0 : Int(shared[i])
            var now = states[k]
            while k < piece.count {
                now = automaton.next(now, piece[k])
                if now == Automaton.dead { break }
                k &+= 1
                if k < Self.depth { states[k] = now }
            }
            i &+= 1
            if k == piece.count {
                mask[Int(token / 64)] |= 1 &<< UInt64(token % 64)
            } else {
                while i < range.upperBound, Int(shared[i]) > k { i &+= 1 }
            }
        }
    }
}
