import Foundation

extension TokenizerFile {
    /// llama2.c: int32 longest length, then for each id float32 score, int32 length, bytes.
    static func pieces(_ bytes: LittleEndianBytes, _ expected: Int) throws(CheckpointError) -> [TokenizerSource.Piece] {
        guard let longest = bytes.signed32(0), longest > 0 else {
            throw .tokenizer("The tokenizer file is \(bytes.count) bytes long and does not begin with the length of its longest "
                + "token; give \(known).")
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
}
