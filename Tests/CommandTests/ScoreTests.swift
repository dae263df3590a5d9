import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Windows by hand: arithmetic-1, section 10.
@Suite(.enabled(if: Program.run.exists)) struct ScoreTests {
    private struct Score {
        var tokens: Int, bytes: Int, bits: Double, perByte: Double, perplexity: Double, context: Int
    }

    private func score(_ words: String..., input: [UInt8]? = nil) throws -> Score {
        let outcome = try Program.run.call(["score"] + words + ["--json"], input: input)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let object = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        func number(_ key: String) throws -> Double { try #require(object[key] as? NSNumber, "\(key)").doubleValue }
        return try Score(
            tokens: Int(number("tokens")), bytes: Int(number("bytes")), bits: number("bits"), perByte: number("bits_per_byte"),
            perplexity: number("perplexity"), context: Int(number("context")))
    }

    /// The exact cost of targets after inputs, in units of 2^-24 bits.
    private func cost(_ model: OpenedModelFile, _ windows: [(inputs: [Int], targets: [Int])]) throws -> Int64 {
        var sum: Int64 = 0
        for window in windows {
            sum += try model.withSession(model.options(context: 16)) { session in
                let rows = try session.allLogits(window.inputs)
                return zip(rows, window.targets).reduce(Int64(0)) { $0 + session.cost($1.0, of: UInt32($1.1)) }
            }
        }
        return sum
    }

    private func expect(_ score: Score, _ units: Int64, tokens: Int, bytes: Int) {
        #expect(score.tokens == tokens && score.bytes == bytes)
        let bits = Double(units) / 16_777_216
        #expect(abs(score.bits - bits) < 1e-6)
        #expect(abs(score.perByte - bits / Double(bytes)) < 1e-6)
        #expect(abs(score.perplexity / exp2(bits / Double(tokens)) - 1) < 1e-5 + 1e-4 / score.perplexity)
    }

    @Test func withoutABeginTokenWindowsOverlapByOne() throws {
        let folder = try TemporaryFolder(), model = try CommandFixture.opened(CommandFixture.merges)
        let text = Array("abcdefghij".utf8), path = try folder.file("t.txt", text)
        let t = text.map { Int($0) }
        let windows = [
            (Array(t[0..<4]), Array(t[1..<5])), (Array(t[4..<8]), Array(t[5..<9])), (Array(t[8..<9]), Array(t[9..<10])),
        ]
        let result = try score(CommandFixture.merges, "--file", path, "--context", "4")
        try expect(result, cost(model, windows), tokens: 9, bytes: 10)
        #expect(result.context == 4)
        // One window where all fits, and windows of one token.
        try expect(score(CommandFixture.merges, "--file", path), cost(model, [(Array(t.dropLast()), Array(t.dropFirst()))]), tokens: 9, bytes: 10)
        let single = (0..<9).map { ([t[$0]], [t[$0 + 1]]) }
        try expect(score(CommandFixture.merges, "--file", path, "--context", "1"), cost(model, single), tokens: 9, bytes: 10)
        // From a pipe, and on two threads.
        let piped = try score(CommandFixture.merges, "--file", "-", "--context", "4", "--threads", "2", input: text)
        #expect(piped.bits == result.bits)
    }

    @Test func withABeginTokenEveryWindowStartsFromIt() throws {
        let folder = try TemporaryFolder(), model = try CommandFixture.opened(CommandFixture.begins)
        // A space is put before the text: 11 characters, none of which merge ("b a" has " a" though).
        let text = "htbbeehttb", path = try folder.file("t.txt", Array(text.utf8))
        let ids = [259] + text.map { 259 + SyntheticTokenizer.pieces.firstIndex(of: String($0))! }
        let windows = [
            ([1] + ids[0..<3], Array(ids[0..<4])), ([1] + ids[4..<7], Array(ids[4..<8])), ([1] + ids[8..<10], Array(ids[8..<11])),
        ]
        let result = try score(CommandFixture.begins, "--file", path, "--context", "4")
        try expect(result, cost(model, windows), tokens: 11, bytes: 10)
    }

    @Test func partsAreScoredByThemselves() throws {
        let folder = try TemporaryFolder(), model = try CommandFixture.opened(CommandFixture.merges)
        // Without a begin token each part starts from the end of the one before, which no window counts twice.
        let path = try folder.file("t.txt", Array("<e>\n ab c \n<e>\n\n<e>xyz<e>".utf8))
        let first = Array("ab c".utf8).map { Int($0) }, second = Array("xyz".utf8).map { Int($0) }
        let windows = [([261] + first.dropLast(), first), ([261] + second.dropLast(), second)]
        let result = try score(CommandFixture.merges, "--file", path, "--split", "<e>")
        try expect(result, cost(model, windows), tokens: 7, bytes: 7)
        // Windows within a part overlap as ever: the fifth input is the fourth target.
        let short = try score(CommandFixture.merges, "--file", path, "--split", "<e>", "--context", "3")
        let cut = [([261] + first[0..<2], Array(first[0..<3])), ([first[2]], [first[3]]), ([261] + second[0..<2], second)]
        try expect(short, cost(model, cut), tokens: 7, bytes: 7)
    }

    @Test func textsWithoutATokenToScoreAreRefused() throws {
        let folder = try TemporaryFolder()
        let one = try folder.file("one.txt", [0x61]), empty = try folder.file("empty.txt", []), blank = try folder.file("blank.txt", [0x20, 0x0A])
        expectRefusal(try Program.run("score", CommandFixture.merges, "--file", one), status: 1, containing: "no token to score")
        expectRefusal(try Program.run("score", CommandFixture.merges, "--file", empty), status: 1)
        expectRefusal(try Program.run("score", CommandFixture.merges, "--file", blank, "--split", "x"), status: 1, containing: "no token to score")
        expectRefusal(try Program.run("score", CommandFixture.merges, "--file", one, "--split", ""), status: 2, containing: "--split")
        expectRefusal(try Program.run("score", CommandFixture.merges, "--file", folder.path("none")), status: 1, containing: "No such file")
        // Scored after the begin token, one letter is enough: with its space it is one piece.
        #expect(try score(CommandFixture.begins, "--file", one).tokens == 1)
    }

    @Test func aLongRunWithoutAPlaceToCutIsRefusedAndOthersAreNot() throws {
        let folder = try TemporaryFolder()
        // In "hehe...", "he" and "eh" could meet in a piece only if some piece held both.
        let long = try folder.file("long.txt", Array(String(repeating: "he", count: 5000).utf8))
        #expect(try score(CommandFixture.merges, "--file", long).tokens == 4999)
    }

    // MARK: A real model

    static let model = "data/weights/stories260K.bin", text = "data/text/tinystories_val.txt"
    static let hasStories = [model, text, "data/weights/tok512.bin"].allSatisfy(SharedData.holds)

    private static func stories(_ width: WeightWidth, _ folder: TemporaryFolder) throws -> String {
        let read = { (name: String) in try Data(contentsOf: URL(fileURLWithPath: SharedData.path(name))) }
        return try folder.file("stories.stlm", PackedModel(checkpoint: read(model), tokenizer: read("data/weights/tok512.bin"), width: width).bytes)
    }

    @Test(.enabled(if: hasStories), arguments: [(WeightWidth.int8, 1.003, 0.99), (.int16, 1.0001, 0.9999)])
    func perplexityOfARealModel(_ width: WeightWidth, _ most: Double, _ least: Double) throws {
        let folder = try TemporaryFolder(), path = try Self.stories(width, folder)
        let text = try FileHandle(forReadingFrom: URL(fileURLWithPath: SharedData.path(Self.text))).read(upToCount: 100_000)!
        let score = try score(path, "--file", folder.file("t.txt", text), "--threads", "2")
        print("stories260K int\(width.rawValue): \(score.perplexity), \(score.perByte) bits per byte")
        #expect(score.tokens == 48_652 && score.bytes == 100_000)
        #expect(score.perplexity <= 4.3002 * most && score.perplexity >= 4.3002 * least)
    }

    @Test(.enabled(if: hasStories), arguments: [WeightWidth.int8, .int16])
    func theStoryThatEveryoneKnows(_ width: WeightWidth) throws {
        let folder = try TemporaryFolder(), path = try Self.stories(width, folder)
        let story = try Program.run(path, "-p", "Once upon a time", "--temp", "0", "-n", "60").text
        #expect(story.prefix(60) == "Once upon a time, there was a little girl named Lily. She lo", "\(story)")
    }
}
