// The rule of words: stlm-1, section 8.10.

extension ClassedText {
    /// The end of the piece of at most `byteLimit` bytes that begins at `start`, which is below `byteCount`.
    package func wordEnd(from start: Int, byteLimit: Int) -> Int {
        let limit = start &+ min(byteLimit, byteCount &- start)
        let first = character(at: start)
        if first.end > limit { return limit }
        var kind = first.kind
        // One space goes with the run that it stands before.
        if bytes[start] == 0x20, isSolid(at: first.end) { kind = character(at: first.end).kind }
        var end = first.end
        while end < limit {
            let next = character(at: end)
            if next.kind != kind || next.end > limit { break }
            if kind == .white, bytes[end] == 0x20, isSolid(at: next.end) { break }
            end = next.end
        }
        return end
    }
}
