import Foundation

/// llama2.c's tokenizer.bin: three control tokens, the bytes, then the given pieces with their scores.
public struct TokenizerBinary: Sendable {
    public var pieces: [(text: String, score: Float)]

    public init(_ pieces: [(text: String, score: Float)]) { self.pieces = pieces }

    /// Every character is a piece of its own, every further piece a merge that costs more the later it stands.
    public init(characters: String, merges: [String]) {
        pieces = characters.map { (String($0), -1_000) }
        for (index, merge) in merges.enumerated() { pieces.append((merge, -Float(index))) }
    }

    public var vocabularySize: Int { 259 + pieces.count }

    public func bytes() -> Data {
        var all: [(text: String, score: Float)] = [("<unk>", 0), ("\n<s>\n", 0), ("\n</s>\n", 0)]
        for byte in 0..<256 { all.append((String(format: "<0x%02X>", byte), 0)) }
        all += pieces
        var bytes = littleEndian(UInt64(all.map(\.text.utf8.count).max()!), 4)
        for piece in all {
            bytes += littleEndian(UInt64(piece.score.bitPattern), 4) + littleEndian(UInt64(piece.text.utf8.count), 4)
            bytes += Array(piece.text.utf8)
        }
        return Data(bytes)
    }
}
