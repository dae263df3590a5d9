import Checkpoints
import Foundation
import ModelFile
import Packing
import TestSupport
import Tokenizers

/// A tokenizer in a model file; the file, the scratch and every text between guard pages.
final class OpenTokenizer {
    private let memory: GuardedMemory
    private let scratch = GuardedMemory(byteCount: TextEncoder.scratchByteCount, alignment: 4)
    private let blockSize: Int
    let file: ModelFile
    let tokenizer: Tokenizer

    /// Opens a model file.
    init(_ bytes: [UInt8]) throws {
        memory = GuardedMemory(bytes, alignment: 64)
        file = try ModelFile(memory.base, byteCount: bytes.count)
        blockSize = Int(file.model.blockSize)
        tokenizer = Tokenizer(file)!
    }

    /// - Parameters:
    ///   - blockSize: that of the model, 0 for a model of tokens.
    convenience init(_ tables: TokenizerTables, vocabularySize: Int, blockSize: Int = 0) throws {
        try self.init(SmallModelFile.bytes(tokenizer: tables.regions, vocabularySize: vocabularySize, blockSize: blockSize))
    }

    /// The tokenizer of some tokenizer files.
    convenience init(_ files: Data..., vocabularySize: Int, blockSize: Int = 0) throws {
        let source = try TokenizerFile.recognise(files, vocabularySize: vocabularySize)
        try self.init(TokenizerTables(source, vocabularySize: vocabularySize), vocabularySize: vocabularySize, blockSize: blockSize)
    }

    /// Words for a model whose blocks have so many symbols.
    static func words(_ blockSize: Int) throws -> OpenTokenizer {
        try OpenTokenizer(.words, vocabularySize: 0, blockSize: blockSize)
    }

    lazy var naive = NaiveTokenizer(file)

    /// Calls `body` with the encoder and the count of items of each part.
    func eachPart(_ text: [UInt8], _ body: (borrowing TextEncoder, Int) throws -> Void) throws {
        let guarded = GuardedMemory(text)
        var encoder = TextEncoder(
            tokenizer, blockSize: blockSize, text: UnsafeBufferPointer(guarded.bytes.bindMemory(to: UInt8.self)), scratch: scratch.base)
        while case let count = try encoder.next(), count > 0 { try body(encoder, count) }
        precondition(encoder.isAtEnd && scratch.isSlackIntact)
    }

    /// Tokens of the text and the number of parts.
    func encode(_ text: [UInt8]) throws -> (tokens: [Int], partCount: Int) {
        var tokens: [Int] = []
        var parts = 0
        try eachPart(text) { encoder, count in
            for k in 0..<count { tokens.append(Int(encoder.tokens[k])) }
            parts += 1
        }
        return (tokens, parts)
    }

    /// The words of a text as ranges, and the block of every item.
    func blocks(_ text: [UInt8]) throws -> (ranges: [Range<Int>], blocks: [[UInt32]]) {
        let block = GuardedArray<UInt32>(count: blockSize, repeating: 9_999)
        var ranges: [Range<Int>] = [], blocks: [[UInt32]] = []
        try eachPart(text) { encoder, count in
            for k in 0..<count {
                if !tokenizer.givesTokens { ranges.append(encoder.wordRange(k)) }
                encoder.writeBlock(k, into: block.pointer)
                blocks.append(block.elements)
            }
        }
        return (ranges, blocks)
    }

    func decode(_ tokens: [Int]) -> [UInt8] {
        let text = tokens.flatMap { Array(tokenizer.piece(UInt32($0))) }
        return tokenizer.putsSpaceFirst && text.first == 0x20 ? Array(text.dropFirst()) : text
    }

    /// A tokenizer over bytes with these merges, in a model of the fitting vocabulary.
    static func bytes(_ merges: [(Int, Int)], isPreSplit: Bool = false) throws -> OpenTokenizer {
        let vocabularySize = 258 + merges.count
        var tables = try TokenizerTables(merges: merges, vocabularySize: vocabularySize)
        tables.record.preSplit = isPreSplit ? 1 : 0
        return try OpenTokenizer(tables, vocabularySize: vocabularySize)
    }

    static func characters(_ binary: TokenizerBinary) throws -> OpenTokenizer {
        try OpenTokenizer(binary.bytes(), vocabularySize: binary.vocabularySize)
    }

    /// Seeded merges among the letters and what they made.
    static func seededMerges(_ count: Int, alphabet: String, _ numbers: inout SeededNumbers) -> [(Int, Int)] {
        var ids = alphabet.utf8.map(Int.init)
        var merges: [(Int, Int)] = []
        while merges.count < count {
            let pair = (numbers.pick(ids), numbers.pick(ids))
            if merges.contains(where: { $0 == pair }) { continue }
            ids.append(256 + merges.count)
            merges.append(pair)
        }
        return merges
    }

    /// Seeded pieces, each the join of two others, with few distinct scores.
    static func seededPieces(_ count: Int, alphabet: String, _ numbers: inout SeededNumbers) -> TokenizerBinary {
        var pieces = alphabet.map { (text: String($0), score: Float(-100)) }
        while pieces.count < alphabet.count + count {
            let text = numbers.pick(pieces).text + numbers.pick(pieces).text
            if text.count > 12 || pieces.contains(where: { $0.text == text }) { continue }
            pieces.append((text, -Float(numbers.int(0...6))))
        }
        return TokenizerBinary(pieces)
    }
}
