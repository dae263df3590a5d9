import Foundation

/// What a tokenizer file is, judged by its content and never by its name.
enum TokenizerFileKind {
    /// llama2.c's tokenizer.bin.
    case llama2
    /// STLM's `.model`: two decimal ids a line.
    case mergeList
    /// GPT-2's vocab.json: an object of pieces and ids.
    case vocabulary([ByteLevelBuilder.Entry])
    /// GPT-2's merges.txt: two pieces a line.
    case mergesText
    /// A file of the library tokenizers.
    case tokenizerJSON(JSONValue)

    static let versionMark = Array("#version".utf8)

    var name: String {
        switch self {
        case .llama2: "a llama2.c tokenizer.bin"
        case .mergeList: "an STLM merge list"
        case .vocabulary: "a vocab.json"
        case .mergesText: "a merges.txt"
        case .tokenizerJSON: "a tokenizer.json"
        }
    }

    var isMergesText: Bool {
        if case .mergesText = self { true } else { false }
    }

    /// - Throws: `CheckpointError.tokenizer` where the content is of no kind that is read here.
    static func recognise(_ data: Data) throws(CheckpointError) -> TokenizerFileKind {
        let bytes = LittleEndianBytes(data)
        guard bytes.count <= TokenizerFile.byteLimit else {
            throw .tokenizer("The tokenizer file is \(bytes.count) bytes long and the limit is \(TokenizerFile.byteLimit); "
                + "give \(TokenizerFile.known).")
        }
        // A merge list begins with digits, which read as a far larger number than any token is long.
        if let longest = bytes.word32(0), longest < 0x2000 { return .llama2 }
        let start = bytes.data.prefix(4)
        if start.first == 0x0A, start.count > 3, start[2] < 0x20 {
            throw .tokenizer("The tokenizer file looks like a SentencePiece model, which this version does not read; "
                + "convert it with llama2.c's tokenizer.py.")
        }
        if let first = bytes.data.first(where: { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }), first == 0x7B || first == 0x5B {
            return try json(JSONReader.value(bytes.data))
        }
        let line = bytes.data.prefix { $0 != 0x0A }
        if line.starts(with: versionMark) { return .mergesText }
        let fields = (line.last == 0x0D ? line.dropLast() : line).split(separator: 0x20, omittingEmptySubsequences: false)
        // Two decimal numbers are ids; two pieces of GPT-2's byte alphabet are the first of its merges.
        let arePieces = fields.count == 2 && fields.allSatisfy { (try? ByteAlphabet.bytes(Array($0)).get())?.isEmpty == false }
        let areNumbers = fields.allSatisfy { $0.allSatisfy { (0x30...0x39).contains($0) } }
        return arePieces && !areNumbers ? .mergesText : .mergeList
    }

    private static func json(_ root: JSONValue) throws(CheckpointError) -> TokenizerFileKind {
        if case .object = root["model"] { return .tokenizerJSON(root) }
        guard case .object(let entries) = root else {
            throw .tokenizer("The tokenizer file is JSON but \(root.shortText), no object; give \(TokenizerFile.known).")
        }
        for entry in entries {
            guard case .number = entry.value else {
                throw .tokenizer("The tokenizer file is JSON and has \(entry.value.shortText) for "
                    + "\(quoted(String(decoding: entry.key, as: UTF8.self))), where a vocab.json has an id and a tokenizer.json "
                    + "a model; give \(TokenizerFile.known).")
            }
        }
        return .vocabulary(entries)
    }
}
