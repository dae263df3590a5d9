import Checkpoints
import Foundation
import Packing
import TestSupport
import Testing

/// GPT-2's own tokenizer against tiktoken; skipped where its files are not there.
@Suite(.enabled(if: SharedData.holds("data/text/gpt2_vocab.json") && SharedData.holds("data/text/gpt2_merges.txt"))) struct GPT2Tests {
    /// A model file with it.
    private static let file = Result {
        let files = try ["gpt2_vocab.json", "gpt2_merges.txt"].map {
            try Data(contentsOf: URL(fileURLWithPath: SharedData.path("data/text/" + $0)))
        }
        let source = try TokenizerFile.recognise(files, vocabularySize: 50_257)
        let tables = try TokenizerTables(source, vocabularySize: 50_257)
        return SmallModelFile.bytes(tokenizer: tables.regions, vocabularySize: 50_257)
    }

    private let open: OpenTokenizer

    init() throws { open = try OpenTokenizer(Self.file.get()) }

    /// tiktoken 0.14.0, encode_ordinary.
    private static let golden: [(String, [Int])] = [
        ("Hello world", [15496, 995]),
        ("Once upon a time, there was a little girl named Lily.", [7454, 2402, 257, 640, 11, 612, 373, 257, 1310, 2576, 3706, 20037, 13]),
        ("I don't know; we'll've DON'T 'tis.", [40, 836, 470, 760, 26, 356, 1183, 1053, 23917, 6, 51, 705, 48010, 13]),
        ("  two  spaces   three\n\n\ttab\r\nend \n", [220, 734, 220, 9029, 220, 220, 1115, 628, 197, 8658, 201, 198, 437, 220, 198]),
        ("<|endoftext|>", [27, 91, 437, 1659, 5239, 91, 29]),
        ("internationalization antidisestablishmentarianism", [45609, 1634, 1885, 29207, 44390, 3699, 1042]),
        ("3.14159 12345678 ½ ٣٤ Ⅷ", [18, 13, 1415, 19707, 17031, 2231, 30924, 25208, 18923, 96, 149, 97, 2343, 227, 100]),
        ("naïve café “quotes” – dash", [2616, 38776, 40304, 564, 250, 421, 6421, 447, 251, 784, 14470]),
        ("Привет, мир! 你好,世界。", [
            140, 253, 21169, 18849, 38857, 16843, 20375, 11, 12466, 120, 18849, 21169, 0, 220, 19526, 254, 25001, 121, 11, 10310, 244, 45911,
            234, 16764]),
        ("😀👍🏽👩‍👩‍👧 é", [47249, 222, 41840, 235, 8582, 237, 121, 41840, 102, 447, 235, 41840, 102, 447, 235, 41840, 100, 38251]),
        ("नमस्ते العربية ไทย", [
            11976, 101, 11976, 106, 11976, 116, 24231, 235, 11976, 97, 24231, 229, 28981, 44690, 26897, 39848, 22654, 45632, 220, 31479, 226,
            19567, 245, 19567, 95]),
        ("x = {\"a\": [1, 2]}; // ok\n    return x", [
            87, 796, 19779, 64, 1298, 685, 16, 11, 362, 60, 19629, 3373, 12876, 198, 220, 220, 220, 1441, 2124]),
        ("     a", [220, 220, 220, 220, 257]),
        ("\u{A0}\u{3000} \u{2028}x\u{200D}\u{85}", [1849, 5099, 222, 220, 447, 101, 87, 447, 235, 126, 227]),
    ]

    @Test func idsOfKnownTexts() throws {
        for (text, ids) in Self.golden {
            let bytes = Array(text.utf8)
            #expect(try open.encode(bytes).tokens == ids, "\(text)")
            #expect(open.decode(ids) == bytes)
        }
    }

    @Test func theTablesAreThoseOfGPT2() throws {
        let file = open.file
        #expect(file.tokenizer.pieceCount == 50_257 && file.tokenizer.preSplit == 1 && file.recordCount(.merges) == 50_000)
        #expect(open.decode([50_256]) == Array("<|endoftext|>".utf8))
        let byteCount = [.tokenizer, .pieceOffsets, .pieceBytes, .merges, .adjacency].reduce(0) { $0 + file.tableByteCount($1) }
        #expect(byteCount < 1_050_000, "\(byteCount)")
        #expect(!file.tokenizer.putsSpaceFirst && file.recordCount(.characters) == 0)
    }

    /// Written by Tools/tables/verify_gpt2.py.
    private static let cases = ProcessInfo.processInfo.environment["STLM_GPT2_CASES"]

    @Test(.enabled(if: cases != nil)) func idsOfTiktoken() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: Self.cases!), options: .alwaysMapped)
        func number(_ at: Int, _ width: Int) -> Int { (0..<width).reduce(0) { $0 | Int(data[at + $1]) << (8 * $1) } }
        var at = 0, caseCount = 0, byteCount = 0, wrongCount = 0
        while at < data.count {
            let textCount = number(at, 4), idCount = number(at + 4, 4)
            let text = Array(data[at + 8..<at + 8 + textCount])
            let ids = (0..<idCount).map { number(at + 8 + textCount + 2 * $0, 2) }
            if try open.encode(text).tokens != ids {
                wrongCount += 1
                if wrongCount < 10 { Issue.record("text \(caseCount): \(String(decoding: text.prefix(100), as: UTF8.self))") }
            }
            at += 8 + textCount + 2 * idCount
            (caseCount, byteCount) = (caseCount + 1, byteCount + textCount)
        }
        #expect(wrongCount == 0 && caseCount > 0)
        print("\(caseCount) texts of tiktoken, \(byteCount) bytes: \(wrongCount) differ")
    }
}
