import ModelFile
import Packing
import Foundation
import TestSupport
import Tokenizers

/// stlm-1, sections 8.6 and 8.7, read off the tables and done in the plainest way.
struct NaiveTokenizer {
    var isOfBytes: Bool
    var putsSpaceFirst: Bool
    var pieces: [[UInt8]] = []
    var byteTokens: [Int] = []
    /// Result and rank by 65536 * left + right.
    var merges: [Int: (result: Int, rank: Int)] = [:]
    var characters: [UInt32: Int] = [:]

    init(_ file: ModelFile) {
        func numbers<Number: FixedWidthInteger>(_ kind: RegionKind, _ from: Int = 0, _ to: Int? = nil, as: Number.Type) -> [Int] {
            let size = MemoryLayout<Number>.size
            return stride(from: from, to: to ?? file.tableByteCount(kind), by: size).map {
                Int(file.tableBytes(kind).loadUnaligned(fromByteOffset: $0, as: Number.self))
            }
        }
        isOfBytes = numbers(.tokenizer, 0, 4, as: UInt32.self)[0] == 1
        putsSpaceFirst = numbers(.tokenizer, 4, 8, as: UInt32.self)[0] == 1
        byteTokens = numbers(.tokenizer, 16, 528, as: UInt16.self)
        let offsets = numbers(.pieceOffsets, as: UInt32.self)
        let text = UnsafeRawBufferPointer(start: file.tableBytes(.pieceBytes), count: file.tableByteCount(.pieceBytes))
        pieces = (0..<offsets.count - 1).map { Array(text[offsets[$0]..<offsets[$0 + 1]]) }
        let merge = numbers(.merges, as: UInt16.self)
        for k in stride(from: 0, to: merge.count, by: 4) { merges[merge[k] << 16 | merge[k + 1]] = (merge[k + 2], merge[k + 3]) }
        let character = numbers(.characters, as: UInt32.self)
        for k in stride(from: 0, to: character.count, by: 2) { characters[UInt32(character[k])] = character[k + 1] }
    }

    func encode(_ text: [UInt8]) -> [Int] {
        let bytes = putsSpaceFirst && !text.isEmpty ? [0x20] + text : text
        var tokens: [Int] = []
        var at = 0
        while at < bytes.count {
            if !isOfBytes, let (scalar, count) = character(bytes[at...]), let token = characters[scalar] {
                tokens.append(token)
                at += count
            } else {
                tokens.append(byteTokens[Int(bytes[at])])
                at += 1
            }
        }
        while true {
            var best: (at: Int, result: Int, rank: Int)?
            for k in 0..<max(0, tokens.count - 1) {
                if let merge = merges[tokens[k] << 16 | tokens[k + 1]], merge.rank < best?.rank ?? .max {
                    best = (k, merge.result, merge.rank)
                }
            }
            guard let best else { return tokens }
            tokens.replaceSubrange(best.at...best.at + 1, with: [best.result])
        }
    }

    /// The well-formed character at the start, by the standard library's validation.
    private func character(_ bytes: ArraySlice<UInt8>) -> (scalar: UInt32, count: Int)? {
        for count in 1...4 where count <= bytes.count {
            if let text = String(validating: bytes.prefix(count), as: UTF8.self), text.unicodeScalars.count == 1 {
                return (text.unicodeScalars.first!.value, count)
            }
        }
        return nil
    }

    func decode(_ tokens: [Int]) -> [UInt8] {
        let text = tokens.flatMap { pieces[$0] }
        return putsSpaceFirst && text.first == 0x20 ? Array(text.dropFirst()) : text
    }
}

/// A tokenizer in a model file, the file, the scratch and every text between guard pages.
final class OpenTokenizer {
    private let memory: GuardedMemory
    private let scratch = GuardedMemory(byteCount: TextEncoder.scratchByteCount, alignment: 4)
    let tokenizer: Tokenizer
    let naive: NaiveTokenizer

    init(_ bytes: [UInt8]) throws {
        memory = GuardedMemory(bytes, alignment: 64)
        let file = try ModelFile(memory.base, byteCount: bytes.count)
        tokenizer = Tokenizer(file)!
        naive = NaiveTokenizer(file)
    }

    /// Tokens of the text and the number of parts.
    func encode(_ text: [UInt8]) throws -> (tokens: [Int], partCount: Int) {
        let guarded = GuardedMemory(text)
        var encoder = TextEncoder(
            tokenizer, text: UnsafeBufferPointer(guarded.bytes.bindMemory(to: UInt8.self)), scratch: scratch.base)
        var tokens: [Int] = []
        var parts = 0
        while case let count = try encoder.next(), count > 0 {
            for k in 0..<count { tokens.append(Int(encoder.tokens[k])) }
            parts += 1
        }
        precondition(encoder.isAtEnd && scratch.isSlackIntact)
        return (tokens, parts)
    }

    func decode(_ tokens: [Int]) -> [UInt8] {
        let text = tokens.flatMap { Array(tokenizer.piece(UInt32($0))) }
        return tokenizer.putsSpaceFirst && text.first == 0x20 ? Array(text.dropFirst()) : text
    }

    /// A tokenizer over bytes with these merges, in a model of the fitting vocabulary.
    static func bytes(_ merges: [(Int, Int)]) throws -> OpenTokenizer {
        let model = SyntheticLlama2 { $0.vocabularySize = 258 + merges.count; small(&$0) }
        let list = merges.map { "\($0.0) \($0.1)\n" }.joined()
        return try OpenTokenizer(PackedModel(
            checkpoint: model.bytes(version: 0), tokenizer: Data(list.utf8), width: .int8).bytes)
    }

    static func characters(_ binary: TokenizerBinary) throws -> OpenTokenizer {
        let model = SyntheticLlama2 { $0.vocabularySize = binary.vocabularySize; small(&$0) }
        return try OpenTokenizer(PackedModel(
            checkpoint: model.bytes(version: 0), tokenizer: binary.bytes(), width: .int8).bytes)
    }

    private static func small(_ model: inout SyntheticLlama2) {
        (model.hiddenSize, model.feedForwardSize, model.headCount, model.kvHeadCount) = (4, 4, 1, 1)
        (model.layerCount, model.contextSize) = (1, 4)
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
