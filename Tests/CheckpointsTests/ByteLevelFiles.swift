import Foundation

/// A byte-level tokenizer small enough to write by hand, in the formats that it comes in.
struct ByteLevelFiles {
    /// Pieces spelled in GPT-2's alphabet; the place is the id.
    var pieces: [String]
    var merges: [(String, String)]
    var special = ["<|endoftext|>"]

    /// GPT-2's alphabet, byte after byte.
    static let alphabet: [String] = {
        var next: UInt32 = 256
        return (0...255 as ClosedRange<UInt32>).map { byte in
            let isPlain = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            if !isPlain { next += 1 }
            return String(Character(Unicode.Scalar(isPlain ? byte : next - 1)!))
        }
    }()

    /// The bytes in GPT-2's order, then what the merges make.
    init(_ merges: [(String, String)] = [("h", "e"), ("Ġ", "t"), ("Ġt", "he"), ("Ã", "©")]) {
        let plain = Self.alphabet.filter { $0.unicodeScalars.first!.value < 256 }
        pieces = plain + Self.alphabet.filter { !plain.contains($0) } + merges.map { $0.0 + $0.1 }
        self.merges = merges
    }

    var count: Int { pieces.count + special.count }

    static func json(_ text: String) -> String {
        "\"" + text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"", "\\": "\\" + String(scalar)
            case "Ġ": "\\u0120"
            default: String(scalar)
            }
        }.joined() + "\""
    }

    static func id(_ text: String, _ id: Int) -> String { "\(json(text)): \(id)" }

    var entries: [String] { (pieces + special).enumerated().map { Self.id($1, $0) } }

    var vocabulary: Data { Data("{\(entries.joined(separator: ", "))}".utf8) }

    var mergesText: Data { Data(("#version: 0.2\n" + merges.map { "\($0.0) \($0.1)\n" }.joined()).utf8) }

    /// The parts of a tokenizer.json by name.
    var parts: [(name: String, json: String)] {
        let added = special.enumerated().map {
            "{\"id\": \(pieces.count + $0), \"content\": \(Self.json($1)), \"lstrip\": false, \"special\": true}"
        }
        let byteLevel = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}"
        let vocabulary = pieces.enumerated().map { Self.id($1, $0) }.joined(separator: ",")
        let merges = merges.map { Self.json("\($0.0) \($0.1)") }.joined(separator: ", ")
        return [
            ("version", "\"1.0\""), ("truncation", "null"), ("padding", "null"), ("added_tokens", "[\(added.joined(separator: ","))]"),
            ("normalizer", "null"), ("pre_tokenizer", byteLevel), ("post_processor", byteLevel), ("decoder", byteLevel),
            ("model", "{\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": \"\", "
                + "\"end_of_word_suffix\": \"\", \"fuse_unk\": false, \"vocab\": {\(vocabulary)}, \"merges\": [\(merges)]}"),
        ]
    }

    /// A tokenizer.json with parts replaced, or left out where the replacement is nil.
    func tokenizerJSON(_ changes: [String: String?] = [:]) -> Data {
        let text = parts.compactMap { part in (changes[part.name] ?? part.json).map { "\"\(part.name)\": \($0)" } }
        return Data("{\n  \(text.joined(separator: ",\n  "))\n}\n".utf8)
    }

    /// A tokenizer.json with a text of one part replaced.
    func tokenizerJSON(_ name: String, _ text: String, by other: String) -> Data {
        let part = parts.first { $0.name == name }!.json
        precondition(part.contains(text), "the part holds no \(text)")
        return tokenizerJSON([name: part.replacingOccurrences(of: text, with: other)])
    }
}
