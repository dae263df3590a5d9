import Foundation

/// The rules that cut a text into pieces (stlm-1, sections 8.8 to 8.10), done in the plainest way over the list in Formats/.
enum NaiveRules {
    /// L, N, W or O for every code point.
    static let classes: [UInt8] = {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Formats/character-classes.txt")
        var classes = [UInt8](repeating: UInt8(ascii: "O"), count: 0x110000)
        for line in try! String(contentsOf: path, encoding: .utf8).split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: " ")
            for code in Int(fields[1], radix: 16)!...Int(fields[2], radix: 16)! { classes[code] = fields[0].utf8.first! }
        }
        return classes
    }()

    struct Character {
        var kind: UInt8
        var bytes: [UInt8]
        var isSpace: Bool { bytes == [0x20] }
        var isWhite: Bool { kind == UInt8(ascii: "W") }
    }

    static func characters(_ text: [UInt8]) -> [Character] {
        var characters: [Character] = []
        var at = 0
        while at < text.count {
            let (kind, count) = wellFormedCharacter(text[at...]).map { (classes[Int($0.scalar)], $0.count) } ?? (UInt8(ascii: "O"), 1)
            characters.append(Character(kind: kind, bytes: Array(text[at..<at + count])))
            at += count
        }
        return characters
    }

    /// GPT-2's pattern, alternative after alternative.
    static func gpt2(_ text: [UInt8]) -> [[UInt8]] {
        let all = characters(text)
        func literal(_ word: String, _ at: Int) -> Int? {
            let bytes = word.utf8.map { [$0] }
            return at + bytes.count <= all.count && all[at..<at + bytes.count].map(\.bytes) == bytes ? at + bytes.count : nil
        }
        func run(_ kind: UInt8, _ at: Int) -> Int? {
            let end = all[at...].firstIndex { $0.kind != kind } ?? all.count
            return end > at ? end : nil
        }
        func match(_ at: Int) -> Int {
            for word in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"] {
                if let end = literal(word, at) { return end }
            }
            for kind in "LNO".utf8 {
                if all[at].isSpace, at + 1 < all.count, let end = run(kind, at + 1) { return end }
                if let end = run(kind, at) { return end }
            }
            // \s+(?!\S): as many as possible, then fewer.
            let end = run(UInt8(ascii: "W"), at)!
            for shorter in (at + 1...end).reversed() where shorter == all.count || all[shorter].isWhite { return shorter }
            return end
        }
        var pieces: [[UInt8]] = []
        var at = 0
        while at < all.count {
            let end = match(at)
            pieces.append(all[at..<end].flatMap(\.bytes))
            at = end
        }
        return pieces
    }

    /// Words of at most `limit` bytes: each rule finds the whole piece, then it is cut.
    static func words(_ text: [UInt8], limit: Int) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = text[...]
        while !rest.isEmpty {
            let all = characters(Array(rest))
            var end = 1
            if all[0].isSpace, all.count > 1, !all[1].isWhite {
                end = 2
                while end < all.count, all[end].kind == all[1].kind { end += 1 }
            } else if all[0].isWhite {
                func stops(_ at: Int) -> Bool { all[at].isSpace && at + 1 < all.count && !all[at + 1].isWhite }
                while end < all.count, all[end].isWhite, !stops(end) { end += 1 }
            } else {
                while end < all.count, all[end].kind == all[0].kind { end += 1 }
            }
            var piece: [UInt8] = []
            for character in all[..<end] {
                if piece.count + character.bytes.count > limit { break }
                piece += character.bytes
            }
            if piece.isEmpty { piece = Array(all[0].bytes.prefix(limit)) }
            pieces.append(piece)
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}
