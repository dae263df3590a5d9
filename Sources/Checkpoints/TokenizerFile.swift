import Foundation

/// Reads tokenizer files, recognised by their content.
public enum TokenizerFile {
    static let byteLimit = 64 << 20
    static let known = "an STLM .model file, a llama2.c tokenizer.bin, a tokenizer.json, or vocab.json and merges.txt together"

    /// Reads one file, or GPT-2's pair of vocab.json and merges.txt in either order. An empty file is an STLM merge list without merges.
    ///
    /// - Parameters:
    ///   - files: the content of one or two files.
    ///   - vocabularySize: number of ids of the model that the tokenizer is for.
    /// - Throws: `CheckpointError.tokenizer`.
    public static func recognise(_ files: [Data], vocabularySize: Int) throws(CheckpointError) -> TokenizerSource {
        var kinds: [TokenizerFileKind] = []
        for file in files { kinds.append(try TokenizerFileKind.recognise(file)) }
        if kinds.count == 1 {
            switch kinds[0] {
            case .llama2: return .llama2(pieces: try pieces(LittleEndianBytes(files[0]), vocabularySize))
            case .mergeList: return .merges(try merges(LittleEndianBytes(files[0]), vocabularySize))
            case .tokenizerJSON(let root): return .byteLevel(try TokenizerJSON(root: root).tokenizer(vocabularySize))
            case .vocabulary:
                throw .tokenizer("The tokenizer file is a vocab.json, and its merges.txt is missing; "
                    + "give both, each with --tokenizer.")
            case .mergesText:
                throw .tokenizer("The tokenizer file is a merges.txt, and its vocab.json is missing; "
                    + "give both, each with --tokenizer.")
            }
        }
        if kinds.count == 2 {
            for (first, second) in [(0, 1), (1, 0)] {
                guard case .vocabulary(let entries) = kinds[first] else { continue }
                // A file without a single merge looks like either list.
                guard kinds[second].isMergesText || files[second].isEmpty else { continue }
                return .byteLevel(try pair(entries, files[second], vocabularySize))
            }
            throw .tokenizer("The two tokenizer files, \(kinds[0].name) and \(kinds[1].name), do not make a pair; "
                + "give one file, or vocab.json and merges.txt.")
        }
        throw .tokenizer("There are \(files.count) tokenizer files; give one, or vocab.json and merges.txt.")
    }

    /// GPT-2's two files.
    private static func pair(
        _ entries: [ByteLevelBuilder.Entry], _ text: Data, _ vocabularySize: Int
    ) throws(CheckpointError) -> ByteLevelTokenizer {
        var builder = ByteLevelBuilder(vocabularyName: "vocab.json")
        try builder.take(entries, special: [], vocabularySize: vocabularySize)
        var lines = LittleEndianBytes(text).data.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for (index, line) in lines.enumerated() {
            if index == 0, line.starts(with: TokenizerFileKind.versionMark) { continue }
            let fields = (line.last == 0x0D ? line.dropLast() : line).split(separator: 0x20, omittingEmptySubsequences: false)
            guard fields.count == 2 else {
                throw .tokenizer("Line \(index + 1) of merges.txt is not two pieces with a space between "
                    + "(\(quoted(String(decoding: line.prefix(40), as: UTF8.self)))); download it again.")
            }
            try builder.merge(Array(fields[0]), Array(fields[1])) { "Line \(index + 1) of merges.txt" }
        }
        return try builder.tokenizer(isPreSplit: true)
    }
}
