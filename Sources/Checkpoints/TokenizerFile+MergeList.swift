import Foundation

extension TokenizerFile {
    /// STLM: one merge a line, two ids; line n (from 0) makes the id 256 + n.
    static func merges(_ bytes: LittleEndianBytes, _ vocabularySize: Int) throws(CheckpointError) -> [TokenizerSource.Merge] {
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
                    + "(\(quoted(String(decoding: line.prefix(40), as: UTF8.self)))); give \(known).")
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
