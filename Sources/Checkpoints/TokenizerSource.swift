/// The content of a tokenizer file, or of a pair of them.
public enum TokenizerSource: Sendable {
    /// One piece of a llama2.c tokenizer; its place in the list is its id.
    public typealias Piece = (bytes: [UInt8], score: Float)
    /// Ids whose pair becomes the id 256 + place in the list.
    public typealias Merge = (Int, Int)

    /// llama2.c's tokenizer.bin.
    case llama2(pieces: [Piece])
    /// STLM's own byte pair encoding: ids 0 to 255 are bytes.
    case merges([Merge])
    /// GPT-2's vocab.json and merges.txt, or a tokenizer.json with the same content.
    case byteLevel(ByteLevelTokenizer)
}
