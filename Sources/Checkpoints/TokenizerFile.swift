import Foundation

/// Reads tokenizer files, recognised by their content.
public enum TokenizerFile {
    static let byteLimit = 64 << 20

    /// Reads a llama2.c tokenizer.bin or an STLM `.model` merge list. An empty file is a merge list without merges.
    ///
    /// - Parameter vocabularySize: number of ids of the model that the tokenizer is for.
    /// - Throws: `CheckpointError.tokenizer`.
    public static func recognise(_ data: Data, vocabularySize: Int) throws(CheckpointError) -> TokenizerSource {
        let bytes = LittleEndianBytes(data)
        let start = bytes.data.prefix(4)
        guard bytes.count <= byteLimit else {
            throw .tokenizer("The tokenizer file is \(bytes.count) bytes long and the limit is \(byteLimit); "
                + "give a llama2.c tokenizer.bin or an STLM .model file.")
        }
        // A merge list begins with digits, which read as a far larger number than any token is long.
        if let longest = bytes.word32(0), longest < 0x2000 {
            return .llama2(pieces: try pieces(bytes, vocabularySize))
        }
        if start.first == 0x7B {
            throw .tokenizer("The tokenizer file is JSON, which this version does not read; "
                + "give a llama2.c tokenizer.bin or an STLM .model file.")
        }
        if start.first == 0x0A, start.count > 3, start[2] < 0x20 {
            throw .tokenizer("The tokenizer file looks like a SentencePiece model, which this version does not read; "
                + "convert it with llama2.c's tokenizer.py.")
        }
        return .merges(try merges(bytes, vocabularySize))
    }

    /// llama2.c: int32 longest length, then for each id float32 score, int32 length, bytes.
    private static func pieces(_ bytes: LittleEndianBytes, _ expected: Int) throws(CheckpointError) -> [TokenizerSource.Piece] {
        guard let longest = bytes.signed32(0), longest > 0 else {
            throw .tokenizer("The tokenizer file is \(bytes.count) bytes long and does not begin with the length of its longest "
                + "token; give a llama2.c tokenizer.bin or an STLM .model file.")
        }
        var pieces: [TokenizerSource.Piece] = []
        var cursor = 4
        while cursor < bytes.count {
            let id = pieces.count
            guard let word = bytes.word32(cursor), let length = bytes.signed32(cursor + 4),
                length >= 0, length <= longest, bytes.holds(cursor + 8, length)
            else {
                throw .tokenizer("The tokenizer breaks off in token \(id) of the \(expected) that the model has, at byte "
                    + "\(cursor) of \(bytes.count); give the tokenizer that belongs to the model.")
            }
            let score = Float(bitPattern: word)
            guard score.isFinite else {
                throw .tokenizer("The tokenizer gives token \(id) a score that is not a finite number; export it again.")
            }
            pieces.append((bytes: Array(bytes.data[cursor + 8..<cursor + 8 + length]), score: score))
            cursor += 8 + length
        }
        guard pieces.count == expected else {
            throw .tokenizer("The tokenizer has \(pieces.count) tokens and the model \(expected); "
                + "give the tokenizer that belongs to the model.")
        }
        return pieces
    }

    /// STLM: one merge a line, two ids; line n (from 0) makes the id 256 + n.
    private static func merges(_ bytes: LittleEndianBytes, _ vocabularySize: Int) throws(CheckpointError) -> [TokenizerSource.Merge] {
        var merges: [TokenizerSource.Merge] = []
        var seen: Set<[Int]> = []
        var lines = bytes.data.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for (index, line) in lines.enumerated() {
            let isReturnLast = line.last == 0x0D
            let fields = (isReturnLast ? line.dropLast() : line).split(separator: 0x20, omittingEmptySubsequences: false)
            let ids = fields.compactMap(decimal)
            guard fields.count == 2, ids.count == 2 else {
                throw .tokenizer("Line \(index + 1) of the merge list is not two numbers with a space between "
                    + "(\(quoted(String(decoding: line.prefix(40), as: UTF8.self)))); give an STLM .model file or a llama2.c "
                    + "tokenizer.bin.")
            }
            for id in ids where id >= 256 + index {
                throw .tokenizer("Line \(index + 1) of the merge list names the id \(id), but only ids below \(256 + index) "
                    + "exist there; give the .model file as it was trained.")
            }
            guard seen.insert(ids).inserted else {
                throw .tokenizer("Line \(index + 1) of the merge list repeats the pair \(ids[0]) \(ids[1]); "
                    + "give the .model file as it was trained.")
            }
            merges.append((ids[0], ids[1]))
        }
        guard merges.count <= max(0, vocabularySize - 256) else {
            throw .tokenizer("The merge list makes \(256 + merges.count) ids and the model has \(vocabularySize); "
                + "give the tokenizer that belongs to the model.")
        }
        return merges
    }

    /// A decimal number of one to nine digits.
    private static func decimal(_ field: Data) -> Int? {
        guard (1...9).contains(field.count) else { return nil }
        var value = 0
        for byte in field {
            guard (0x30...0x39).contains(byte) else { return nil }
            value = 10 * value + Int(byte - 0x30)
        }
        return value
    }
}
