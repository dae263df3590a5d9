/// The parts of a model under construction. A part whose weights are all the same objects as an earlier one's is that one.
struct PartLists {
    private(set) var attentions: [FloatAttention] = []
    private(set) var feedForwards: [FloatFeedForward] = []
    private(set) var norms: [FloatNorm] = []

    mutating func add(_ part: FloatAttention) -> Int {
        if let index = attentions.firstIndex(where: part.isSame) { return index }
        attentions.append(part)
        return attentions.count - 1
    }

    mutating func add(_ part: FloatFeedForward) -> Int {
        if let index = feedForwards.firstIndex(where: part.isSame) { return index }
        feedForwards.append(part)
        return feedForwards.count - 1
    }

    /// nil for no norm at all, as the schedule says it.
    mutating func add(_ part: FloatNorm) -> Int? {
        guard part.kind != .none else { return nil }
        if let index = norms.firstIndex(where: part.isSame) { return index }
        norms.append(part)
        return norms.count - 1
    }
}
