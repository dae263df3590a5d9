// GPT-2's rule, 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+, as code: stlm-1, section 8.9.

extension ClassedText {
    /// The end of the piece that begins at `start`, which is below `byteCount`.
    package func gpt2PieceEnd(from start: Int) -> Int {
        let contraction = contractionEnd(from: start)
        if contraction > start { return contraction }
        let first = character(at: start)
        if first.kind != .white { return runEnd(of: first.kind, from: first.end) }
        if bytes[start] == 0x20, isSolid(at: first.end) {
            return runEnd(of: character(at: first.end).kind, from: first.end)
        }
        // White space: all of it at the end of the text, else all but its last character, but that if there is no other.
        var last = start
        var end = first.end
        while end < byteCount {
            let next = character(at: end)
            if next.kind != .white { return last == start ? end : last }
            last = end
            end = next.end
        }
        return end
    }

    /// The end of 's, 't, 'm, 'd, 're, 've or 'll at `start`, or `start`.
    private func contractionEnd(from start: Int) -> Int {
        let rest = byteCount &- start
        if bytes[start] != 0x27 || rest < 2 { return start }
        let first = bytes[start &+ 1]
        if first == 0x73 || first == 0x74 || first == 0x6D || first == 0x64 { return start &+ 2 }
        if rest < 3 { return start }
        let second = bytes[start &+ 2]
        if (first == 0x72 || first == 0x76) && second == 0x65 { return start &+ 3 }
        return first == 0x6C && second == 0x6C ? start &+ 3 : start
    }
}
