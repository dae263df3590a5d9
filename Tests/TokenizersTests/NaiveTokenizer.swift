import ModelFile

/// stlm-1, sections 8.6, 8.7 and 8.9, read off the tables and done in the plainest way.
struct NaiveTokenizer {
    var isOfBytes: Bool
    var isPreSplit: Bool
    var putsSpaceFirst: Bool
    var pieces: [[UInt8]] = []
    var byteTokens: [Int] = []
    /// Result and rank by 65536 * left + right.
    var merges: [Int: (result: Int, rank: Int)] = [:]
    var characters: [UInt32: Int] = [:]

    init(_ file: ModelFile) {
        func numbers<Number: FixedWidthInteger>(_ kind: RegionKind, _ from: Int = 0, _ to: Int? = nil, as: Number.Type) -> [Int] {
            let size = MemoryLayout<Number>.size
            return stride(from: from, to: to ?? file.tableByteCount(kind), by: size).map {
                Int(file.tableBytes(kind).loadUnaligned(fromByteOffset: $0, as: Number.self))
            }
        }
        isOfBytes = numbers(.tokenizer, 0, 4, as: UInt32.self)[0] == 1
        putsSpaceFirst = numbers(.tokenizer, 4, 8, as: UInt32.self)[0] == 1
        isPreSplit = numbers(.tokenizer, 528, 532, as: UInt32.self)[0] == 1
        byteTokens = numbers(.tokenizer, 16, 528, as: UInt16.self)
        let offsets = numbers(.pieceOffsets, as: UInt32.self)
        let text = UnsafeRawBufferPointer(start: file.tableBytes(.pieceBytes), count: file.tableByteCount(.pieceBytes))
        pieces = (0..<offsets.count - 1).map { Array(text[offsets[$0]..<offsets[$0 + 1]]) }
        let merge = numbers(.merges, as: UInt16.self)
        for k in stride(from: 0, to: merge.count, by: 4) { merges[merge[k] << 16 | merge[k + 1]] = (merge[k + 2], merge[k + 3]) }
        let character = numbers(.characters, as: UInt32.self)
        for k in stride(from: 0, to: character.count, by: 2) { characters[UInt32(character[k])] = character[k + 1] }
    }

    func encode(_ text: [UInt8]) -> [Int] {
        isPreSplit ? NaiveRules.gpt2(text).flatMap(encodePiece) : encodePiece(text)
    }

    private func encodePiece(_ text: [UInt8]) -> [Int] {
        let bytes = putsSpaceFirst && !text.isEmpty ? [0x20] + text : text
        var tokens: [Int] = []
        var at = 0
        while at < bytes.count {
            if !isOfBytes, let (scalar, count) = wellFormedCharacter(bytes[at...]), let token = characters[scalar] {
                tokens.append(token)
                at += count
            } else {
                tokens.append(byteTokens[Int(bytes[at])])
                at += 1
            }
        }
        while true {
            var best: (at: Int, result: Int, rank: Int)?
            for k in 0..<max(0, tokens.count - 1) {
                if let merge = merges[tokens[k] << 16 | tokens[k + 1]], merge.rank < best?.rank ?? .max {
                    best = (k, merge.result, merge.rank)
                }
            }
            guard let best else { return tokens }
            tokens.replaceSubrange(best.at...best.at + 1, with: [best.result])
        }
    }

    func decode(_ tokens: [Int]) -> [UInt8] {
        let text = tokens.flatMap { pieces[$0] }
        return putsSpaceFirst && text.first == 0x20 ? Array(text.dropFirst()) : text
    }
}

/// The well-formed character at the start, by the standard library's validation.
func wellFormedCharacter(_ bytes: ArraySlice<UInt8>) -> (scalar: UInt32, count: Int)? {
    for count in 1...4 where count <= bytes.count {
        if let text = String(validating: bytes.prefix(count), as: UTF8.self), text.unicodeScalars.count == 1 {
            return (text.unicodeScalars.first!.value, count)
        }
    }
    return nil
}
