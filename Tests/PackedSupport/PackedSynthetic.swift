import Checkpoints
import FloatModel
import Foundation
import Packing
import TestSupport

extension PackedModel {
    /// With one tokenizer file or none.
    public init(checkpoint: Data, tokenizer: Data?, width: WeightWidth) throws {
        try self.init(checkpoint: checkpoint, tokenizers: tokenizer.map { [$0] } ?? [], width: width)
    }
}

extension SyntheticSTLM {
    public func floatModel() throws -> FloatModel { try FloatModel(stlm: TorchCheckpoint(checkpointBytes())) }

    /// The model packed and opened.
    public func packed(_ width: WeightWidth, tokenizer: Data? = nil) throws -> OpenedModelFile {
        try OpenedModelFile(packedBytes(width, tokenizer: tokenizer))
    }

    public func packedBytes(_ width: WeightWidth, tokenizer: Data? = nil) throws -> [UInt8] {
        try PackedModel(checkpoint: checkpointBytes(), tokenizer: tokenizer, width: width).bytes
    }
}

extension SyntheticLlama2 {
    public func packed(_ width: WeightWidth, tokenizer: Data? = nil) throws -> OpenedModelFile {
        try OpenedModelFile(PackedModel(checkpoint: bytes(version: 1), tokenizer: tokenizer, width: width).bytes)
    }
}

/// Tokenizer files small enough to check by hand.
public enum SyntheticTokenizer {
    /// STLM merges over bytes: "th" is 256, "he" 257, "the" 258, " the" 259; then pad and end of text.
    public static let merges = Data("116 104\n104 101\n256 101\n32 258\n".utf8)
    /// Ids of the vocabulary that belongs to `merges`.
    public static let mergesVocabularySize = 262

    /// GPT-2's vocab.json and merges.txt with the same merges; the last id ends a text.
    public static let gpt2: (vocabulary: Data, merges: Data) = {
        // Printable bytes of Latin-1 are themselves, the others the characters from 256 on.
        var characters: [Character] = [], next: UInt32 = 256
        for byte in UInt32(0)..<256 {
            let isItself = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            characters.append(Character(UnicodeScalar(isItself ? byte : next)!))
            if !isItself { next += 1 }
        }
        let pieces = characters.map(String.init) + ["th", "he", "the", "\u{120}the", "<|endoftext|>"]
        let entries = Dictionary(uniqueKeysWithValues: zip(pieces, 0...))
        let vocabulary = try! JSONSerialization.data(withJSONObject: entries, options: [.sortedKeys])
        return (vocabulary, Data("#version: 0.2\nt h\nh e\nth e\n\u{120} the\n".utf8))
    }()
    public static let gpt2VocabularySize = 261

    /// Pieces from id 259 on: characters first, then what they merge to, the later the better.
    public static let pieces = [" ", "a", "b", "e", "h", "t", "é", "th", "the", " the", "ab", " a"]
    public static var llama2VocabularySize: Int { 259 + pieces.count }

    /// A llama2.c tokenizer.bin of `pieces`, scores from 0 downwards for those of several characters.
    public static func llama2(_ pieces: [String] = SyntheticTokenizer.pieces) -> Data {
        var all = ["<unk>", "\n<s>\n", "\n</s>\n"]
        all += (0..<256).map { String(format: "<0x%02X>", $0) }
        all += pieces
        var data = Data()
        func append(_ word: UInt32) { withUnsafeBytes(of: word.littleEndian) { data.append(contentsOf: $0) } }
        append(UInt32(all.map(\.utf8.count).max()!))
        for (id, piece) in all.enumerated() {
            append((id < 259 ? Float(0) : -Float(id - 259)).bitPattern)
            append(UInt32(piece.utf8.count))
            data.append(contentsOf: piece.utf8)
        }
        return data
    }
}

/// Root of the mean square of the differences, in % of the deviation of `reference`.
public func relativeError(_ own: [[Int32]], unit: Double, _ reference: [Double]) -> Double {
    let values = own.flatMap { $0 }.map { Double($0) * unit }
    precondition(values.count == reference.count)
    let count = Double(reference.count)
    let mean = reference.reduce(0, +) / count
    let deviation = (reference.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
    let error = (zip(values, reference).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / count).squareRoot()
    return 100 * error / deviation
}
