/// A tokenizer.json of the library tokenizers, as far as it is GPT-2's kind: byte pair encoding over the bytes. What it says about
/// cutting and padding batches of texts is of no concern here.
struct TokenizerJSON {
    let root: JSONValue

    func tokenizer(_ vocabularySize: Int) throws(CheckpointError) -> ByteLevelTokenizer {
        if let normalizer = part("normalizer") { throw unread("normalizer", type(normalizer)) }
        for name in ["post_processor", "decoder"] {
            if let part = part(name), type(part) != "ByteLevel" { throw unread(name, type(part)) }
        }
        let model = try checkedModel()
        let isPreSplit = try isPreSplit()
        guard case .object(var entries) = model["vocab"] else { throw missing("vocab", "an object of pieces and ids") }
        let special = try addedTokens(&entries)
        var builder = ByteLevelBuilder(vocabularyName: "tokenizer.json")
        try builder.take(entries, special: special, vocabularySize: vocabularySize)
        guard case .array(let merges) = model["merges"] else { throw missing("merges", "a list") }
        for (index, merge) in merges.enumerated() {
            let (left, right) = try pair(merge, index)
            try builder.merge(left, right) { "Merge \(index + 1) of tokenizer.json" }
        }
        return try builder.tokenizer(isPreSplit: isPreSplit)
    }

    private func part(_ name: String) -> JSONValue? {
        guard let value = root[name] else { return nil }
        if case .null = value { return nil }
        return value
    }

    private func type(_ part: JSONValue) -> String { part["type"]?.text ?? "" }

    private func unread(_ name: String, _ type: String) -> CheckpointError {
        .tokenizer("The tokenizer.json has the \(name) \(quoted(type)), which this version does not read; "
            + "give a byte-level BPE tokenizer such as GPT-2's.")
    }

    private func missing(_ name: String, _ what: String) -> CheckpointError {
        .tokenizer("The tokenizer.json has a model whose \(name) is not \(what); give a byte-level BPE tokenizer such as GPT-2's.")
    }

    /// The model, if no setting of it changes what merges do.
    private func checkedModel() throws(CheckpointError) -> JSONValue {
        let model = root["model"] ?? .null
        // Old files leave the type out; only BPE has merges.
        if let type = model["type"], type.text != "BPE" { throw unread("model", type.text ?? type.shortText) }
        if model["type"] == nil, model["merges"] == nil { throw unread("model", "without type and merges") }
        for name in ["continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback", "ignore_merges"] {
            switch model[name] {
            case nil, .null, .bool(false), .string([]): continue
            case .number(let digits) where digits.allSatisfy({ $0 == 0x30 || $0 == 0x2E }): continue
            case .some(let value):
                throw .tokenizer("The tokenizer.json has a model with \(name) \(value.shortText), which this version does not read; "
                    + "give a byte-level BPE tokenizer such as GPT-2's.")
            }
        }
        return model
    }

    /// True with GPT-2's rule, false where text is not cut before merging.
    private func isPreSplit() throws(CheckpointError) -> Bool {
        guard var part = part("pre_tokenizer") else {
            throw .tokenizer("The tokenizer.json has no pre_tokenizer, so that it does not work on bytes; "
                + "give a byte-level BPE tokenizer such as GPT-2's.")
        }
        if type(part) == "Sequence" {
            guard case .array(let parts) = part["pretokenizers"] else { throw unread("pre_tokenizer", "Sequence") }
            if let other = parts.first(where: { type($0) != "ByteLevel" }) { throw unread("pre_tokenizer", type(other)) }
            guard parts.count == 1 else { throw unread("pre_tokenizer", "Sequence of \(parts.count)") }
            part = parts[0]
        }
        if type(part) != "ByteLevel" { throw unread("pre_tokenizer", type(part)) }
        guard case .bool(false) = part["add_prefix_space"] else {
            throw .tokenizer("The tokenizer.json puts a space before every text (add_prefix_space), which this version does not; "
                + "export the tokenizer without it.")
        }
        switch part["use_regex"] {
        case nil, .bool(true): return true
        case .bool(false): return false
        case .some(let value): throw unread("pre_tokenizer", "ByteLevel with use_regex \(value.shortText)")
        }
    }

    /// Adds the tokens that the vocabulary lacks and returns all that are added: none may be cut out of a text before the merges.
    private func addedTokens(_ entries: inout [ByteLevelBuilder.Entry]) throws(CheckpointError) -> Set<[UInt8]> {
        guard let list = part("added_tokens") else { return [] }
        guard case .array(let tokens) = list else {
            throw .tokenizer("The tokenizer.json has added_tokens that are not a list; export the tokenizer again.")
        }
        var known: [[UInt8]: Int] = [:]
        for entry in entries { known[entry.key] = entry.value.index }
        var special: Set<[UInt8]> = []
        for (index, token) in tokens.enumerated() {
            guard case .string(let content) = token["content"], let value = token["id"], let id = value.index else {
                throw .tokenizer("Added token \(index + 1) of tokenizer.json has no content and id; export the tokenizer again.")
            }
            let name = quoted(String(decoding: content, as: UTF8.self))
            guard case .bool(true) = token["special"] else {
                throw .tokenizer("The tokenizer.json adds the token \(name), which is not special and would be cut out of every text, "
                    + "which this version does not do; use a tokenizer without it.")
            }
            guard special.insert(content).inserted else {
                throw .tokenizer("The tokenizer.json adds the token \(name) twice; export the tokenizer again.")
            }
            if let other = known[content] {
                guard other == id else {
                    throw .tokenizer("The tokenizer.json gives the token \(name) the ids \(other) and \(id); export the tokenizer again.")
                }
            } else {
                entries.append((content, value))
            }
        }
        return special
    }

    /// The two pieces of a merge: "a b" or ["a", "b"].
    private func pair(_ merge: JSONValue, _ index: Int) throws(CheckpointError) -> ([UInt8], [UInt8]) {
        switch merge {
        case .string(let text):
            let fields = text.split(separator: 0x20, omittingEmptySubsequences: false)
            if fields.count == 2 { return (Array(fields[0]), Array(fields[1])) }
        case .array(let fields):
            if fields.count == 2, case .string(let left) = fields[0], case .string(let right) = fields[1] { return (left, right) }
        default: break
        }
        throw .tokenizer("Merge \(index + 1) of tokenizer.json is not two pieces (\(merge.shortText)); export the tokenizer again.")
    }
}
