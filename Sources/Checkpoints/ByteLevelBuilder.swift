/// Puts a byte-level tokenizer together from a vocabulary and merges that may contradict each other.
struct ByteLevelBuilder {
    typealias Entry = (key: [UInt8], value: JSONValue)

    static let mergeLimit = 65_536

    /// The file that the vocabulary is from, for sentences.
    let vocabularyName: String
    /// Ids by the pieces as they are written.
    private var ids: [[UInt8]: Int] = [:]
    private var pieces: [[UInt8]] = []
    private var merges: [ByteLevelTokenizer.Merge] = []
    private var pairs: Set<UInt64> = []
    private var special: Set<Int> = []

    init(vocabularyName: String) { self.vocabularyName = vocabularyName }

    private func name(_ key: [UInt8]) -> String { quoted(String(decoding: key, as: UTF8.self)) }

    /// Takes the vocabulary: the ids are 0 to the count of entries - 1, each once.
    ///
    /// - Parameters:
    ///   - special: keys that no text becomes; their text is literal, not spelled in the byte alphabet.
    mutating func take(_ entries: [Entry], special: Set<[UInt8]>, vocabularySize: Int) throws(CheckpointError) {
        guard entries.count == vocabularySize else {
            throw .tokenizer("The tokenizer has \(entries.count) tokens and the model \(vocabularySize); "
                + "give the tokenizer that belongs to the model.")
        }
        var keys = [[UInt8]?](repeating: nil, count: entries.count)
        for (key, value) in entries {
            guard let id = value.index, id < entries.count else {
                throw .tokenizer("\(vocabularyName) gives the piece \(name(key)) the id \(value.shortText), but its \(entries.count) "
                    + "pieces have the ids 0 to \(entries.count - 1), each once; export the tokenizer again.")
            }
            if let other = keys[id] {
                throw .tokenizer("\(vocabularyName) gives the pieces \(name(other)) and \(name(key)) the same id \(id); "
                    + "export the tokenizer again.")
            }
            if key.isEmpty {
                throw .tokenizer("\(vocabularyName) gives the id \(id) to a piece of no bytes; export the tokenizer again.")
            }
            keys[id] = key
            ids[key] = id
        }
        // As many ids as entries, none twice and none beyond: all are there.
        for (id, key) in keys.enumerated() { pieces.append(try piece(id, key!, isLiteral: special.contains(key!))) }
        for key in special { self.special.insert(ids[key]!) }
    }

    private func piece(_ id: Int, _ key: [UInt8], isLiteral: Bool) throws(CheckpointError) -> [UInt8] {
        if isLiteral { return key }
        switch ByteAlphabet.bytes(key) {
        case .success(let bytes): return bytes
        case .failure(let stranger):
            throw .tokenizer("\(vocabularyName) has the piece \(name(key)) (id \(id)) with the character \(stranger.name), which is none "
                + "of GPT-2's byte alphabet; give the files of a byte-level tokenizer.")
        }
    }

    /// Takes the next merge.
    ///
    /// - Parameter place: the beginning of a sentence that says which it is.
    mutating func merge(_ left: [UInt8], _ right: [UInt8], _ place: () -> String) throws(CheckpointError) {
        func id(_ key: [UInt8], _ verb: String) throws(CheckpointError) -> Int {
            guard let id = ids[key] else {
                throw .tokenizer("\(place()) \(verb) the piece \(name(key)), which \(vocabularyName) does not have; "
                    + "give the vocabulary and the merges of one tokenizer.")
            }
            if special.contains(id) {
                throw .tokenizer("\(place()) \(verb) the special token \(name(key)), which no merge can; export the tokenizer again.")
            }
            return id
        }
        let merge = (left: try id(left, "names"), right: try id(right, "names"), result: try id(left + right, "makes"))
        guard pairs.insert(UInt64(merge.left) << 32 | UInt64(merge.right)).inserted else {
            throw .tokenizer("\(place()) repeats the pair \(name(left)) \(name(right)); export the tokenizer again.")
        }
        if merges.count == Self.mergeLimit {
            throw .tokenizer("\(place()) is beyond the \(Self.mergeLimit) merges that a model file can hold; use another tokenizer.")
        }
        merges.append(merge)
    }

    /// The tokenizer, once all is taken.
    func tokenizer(isPreSplit: Bool) throws(CheckpointError) -> ByteLevelTokenizer {
        var isBuilt = [Bool](repeating: false, count: pieces.count)
        for (byte, character) in ByteAlphabet.characters.enumerated() {
            guard let id = ids[Array(String(Character(character)).utf8)], !special.contains(id) else {
                throw .tokenizer("\(vocabularyName) has no piece for the byte \(byte) (\(name(Array(String(Character(character)).utf8)))), and a "
                    + "byte-level tokenizer has one for each of the 256; export the tokenizer again.")
            }
            isBuilt[id] = true
        }
        for merge in merges { isBuilt[merge.result] = true }
        let specialIds = pieces.indices.filter { !isBuilt[$0] }
        return ByteLevelTokenizer(pieces: pieces, merges: merges, isPreSplit: isPreSplit, specialIds: specialIds)
    }
}
