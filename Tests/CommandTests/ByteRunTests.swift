import FixedPoint
import Foundation
import ModelFile
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// stlm-run on models with blocks: what it writes where.
@Suite(.enabled(if: Program.run.exists)) struct ByteRunTests {
    private static let warm = ["--temp", "1", "--top-k", "0", "--seed", "3", "--ignore-eos", "--slide"]

    private func run(_ words: String..., input: [UInt8]? = nil) throws -> Program.Outcome {
        try Program.run.call(words, input: input)
    }

    /// The blocks that the library draws with the settings of `warm` after the end of a text.
    private func drawn(_ model: OpenedModelFile, _ count: Int) throws -> [[UInt32]] {
        var settings = SamplingSettings(model.model.record)
        (settings.temperature, settings.topK) = (65_536, 0)
        let size = model.model.blockSize
        return try model.withSession(model.options { $0 = settings }) { session in
            var blocks: [[UInt32]] = [], random = SplitMix64(seed: 3), recent = session.recentTokens()
            try session.feed((0..<size).map { UInt32(model.model.record.endBlock[$0]) })
            while blocks.count < count {
                blocks.append(Array(UnsafeBufferPointer(start: session.draw(settings, random: &random, recent: &recent), count: size)))
                if session.position == session.plan.contextTokenCount { try session.slide() }
                try session.feed(blocks.last!)
            }
            return blocks
        }
    }

    private func bytes(_ blocks: [[UInt32]]) -> [UInt8] { blocks.joined().filter { $0 < 256 }.map { UInt8($0) } }
    private func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test(arguments: [CommandFixture.slots, CommandFixture.decoder, CommandFixture.original, CommandFixture.bareBlocks])
    func blocksThatTheLibraryDrawsAreTheText(_ path: String) throws {
        let blocks = try drawn(CommandFixture.opened(path), 40)
        for count in [0, 1, 7, 40] {
            let outcome = try Program.run.call([path, "-p", "", "-n", "\(count)"] + Self.warm)
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            #expect(outcome.text == text(bytes(Array(blocks.prefix(count)))) + "\n")
        }
        // One thread or three, any kernels.
        let words = [path, "-p", "", "-n", "40"] + Self.warm
        let one = try Program.run.call(words)
        #expect(try Program.run.call(words + ["--threads", "3"]).output == one.output)
        #expect(try Program.run.call(words, environment: ["STLM_CPU": "baseline"]).output == one.output)
        #expect(try Program.run.call(words + ["--seed", "4"]).output != one.output)
    }

    /// Blocks so small that characters begin in one and end in the next, and limits at every byte of the text.
    @Test(arguments: [1, 2, 5]) func charactersThatCrossBlocksAreWhole(_ blockSize: Int) throws {
        let folder = try TemporaryFolder()
        for head in ["byte_level", "byte_decoder"] {
            let source = SyntheticSTLM(embedder: "byte_level", head: head) { $0.blockSize = blockSize }
            let path = try folder.file("m.stlm", source.packedBytes(.int8))
            let blocks = try drawn(CommandFixture.opened(path), 1_200 / blockSize), all = bytes(blocks)
            // Somewhere a character of two bytes lies across the end of a block.
            var end = 0, crossings = 0
            for block in blocks {
                end += bytes([block]).count
                if end > 0, end < all.count, (0xC2...0xDF).contains(all[end - 1]), (0x80...0xBF).contains(all[end]) { crossings += 1 }
            }
            #expect(crossings > 0, "\(head)")
            let outcome = try Program.run.call([path, "-p", "", "-n", "\(blocks.count)"] + Self.warm)
            #expect(outcome.text == text(all) + "\n")
            let first = try #require(all.indices.dropLast().first { (0xC2...0xDF).contains(all[$0]) && (0x80...0xBF).contains(all[$0 + 1]) })
            for count in [0, 1, 2, 3, first, first + 1, first + 2, first + 3] where count <= all.count {
                let cut = try Program.run.call([path, "-p", "", "--bytes", "\(count)", "--stats"] + Self.warm)
                #expect(cut.text == text(all.prefix(count)) + "\n", "\(count) bytes")
                #expect(cut.errors.contains("the number of bytes asked for"))
                // Inside the character: U+FFFD stands for its beginning.
                if count == first + 1 { #expect(cut.text.hasSuffix("\u{FFFD}\n")) }
            }
        }
    }

    @Test(arguments: [CommandFixture.slots, CommandFixture.decoder]) func idsAreBlocksALine(_ path: String) throws {
        let model = try CommandFixture.opened(path)
        let prompt = try model.pieces("Once there was".utf8).inputs
        let ids = prompt.joined().map(String.init).joined(separator: " ")
        let outcome = try run(path, "--ids", ids, "-n", "5", "--temp", "0")
        let blocks = outcome.text.split(separator: "\n").map { $0.split(separator: " ").compactMap { Int($0) } }
        #expect(outcome.status == 0 && blocks.count == 5 && blocks.allSatisfy { $0.count == 12 && $0.allSatisfy { $0 < 258 } })
        #expect(outcome.text == blocks.map { $0.map(String.init).joined(separator: " ") }.joined(separator: "\n") + "\n")
        // Each is the likeliest after all that came before.
        let all = try model.logits(inputs: prompt + blocks)
        for (k, block) in blocks.enumerated() {
            let place = (prompt.count - 1 + k) * 12
            for slot in 0..<model.model.drawnCount(block.map { UInt32($0) }) {
                #expect(block[slot] == all[place + slot].firstIndex(of: all[place + slot].max()!))
            }
        }
        // The same prompt as a text gives the same blocks as a text.
        let text = try run(path, "-p", "Once there was", "-n", "5", "--temp", "0", "--no-echo")
        #expect(text.text == self.text(bytes(blocks.map { $0.map { UInt32($0) } })) + "\n")
    }

    @Test func statisticsCountBlocksAndBytes() throws {
        let outcome = try Program.run.call([CommandFixture.slots, "-p", "Once there was", "-n", "6", "--stats", "--no-echo"] + Self.warm)
        for word in [" blocks/s (6 blocks in ", " bytes/s (", "first block ", "prompt ", " blocks/s (3 blocks in ", "arena",
            "ended by       the number of blocks"] {
            #expect(outcome.errors.contains(word), "\(word) in \(outcome.errors)")
        }
        #expect(!outcome.errors.contains("token"))
        // With --ids the same is counted though no text is written; the pads are no bytes.
        let ids = try run(CommandFixture.slots, "--ids", Array(repeating: "256", count: 12).joined(separator: " "), "-n", "2", "--stats")
        #expect(ids.errors.contains(" blocks/s (2 blocks in ") && ids.errors.contains(" bytes/s ("))
    }

    @Test func bytesOfTheStatisticsAreThoseOfTheText() throws {
        let all = bytes(try drawn(CommandFixture.opened(CommandFixture.decoder), 9))
        let outcome = try Program.run.call([CommandFixture.decoder, "-p", "", "-n", "9", "--stats"] + Self.warm)
        #expect(outcome.errors.contains("(\(all.count) bytes in "), "\(outcome.errors)")
    }

    @Test func stopStringsEndTheTextBeforeThemAcrossBlocks() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("m.stlm", SyntheticSTLM(embedder: "byte_level", head: "byte_level") { $0.blockSize = 2 }.packedBytes(.int8))
        let all = bytes(try drawn(CommandFixture.opened(path), 300)), whole = text(all)
        // Three plain letters in a row, which no block of two holds.
        let start = try #require((0..<all.count - 2).first { k in all[k..<k + 3].allSatisfy { (0x21...0x7E).contains($0) } })
        let stop = text(all[start..<start + 3])
        let cut = try Program.run.call([path, "-p", "", "-n", "300", "--stop", "never to be seen", "--stop", stop, "--stats"] + Self.warm)
        #expect(cut.text == whole[..<(try #require(whole.range(of: stop)).lowerBound)] + "\n")
        #expect(cut.errors.contains("a stop string"))
    }

    @Test func aFullContextEndsTheTextAndSlideGoesOn() throws {
        let words = [CommandFixture.slots, "-p", "Once", "--temp", "0", "--ignore-eos", "--stats", "--no-echo"]
        let full = try Program.run.call(words)
        // 16 positions: one word, 15 blocks drawn and fed, and one more drawn.
        #expect(full.errors.contains("(16 blocks in ") && full.errors.contains("a full context"))
        let slid = try Program.run.call(words + ["--slide", "-n", "60"])
        #expect(slid.errors.contains("(60 blocks in ") && slid.text.hasPrefix(full.text.dropLast(2)))
        let wide = try Program.run.call(words + ["--context", "32"])
        #expect(wide.errors.contains("(32 blocks in "))
        // A prompt longer than the context is cut to its first word and its last 15.
        let long = (0..<40).map { "w\($0)" }
        let cut = try run(CommandFixture.slots, "-p", long.joined(separator: ","), "--slide", "-n", "3", "--temp", "0", "--no-echo")
        let ends = try run(CommandFixture.slots, "--ids", try idsOfTheEnds(long.joined(separator: ",")), "--slide", "-n", "3", "--temp", "0")
        let blocks = ends.text.split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
        #expect(cut.status == 0 && cut.text == text(bytes([blocks])) + "\n", "\(cut.errors)")
    }

    private func idsOfTheEnds(_ text: String) throws -> String {
        let inputs = try CommandFixture.opened(CommandFixture.slots).pieces(text.utf8).inputs
        return (inputs.prefix(1) + inputs.suffix(15)).joined().map(String.init).joined(separator: " ")
    }

    /// A model whose end of a text is what it would write third.
    @Test(arguments: ["byte_level", "byte_decoder"]) func theBlockThatEndsATextIsNoPartOfIt(_ head: String) throws {
        let source = SyntheticSTLM(embedder: "byte_level", head: head), folder = try TemporaryFolder()
        let ids = (97..<109).map(String.init).joined(separator: " ")
        let plain = try folder.file("plain.stlm", source.packedBytes(.int8))
        let words = ["--ids", ids, "-n", "5", "--temp", "1", "--top-k", "0", "--seed", "6"]
        let free = try Program.run.call([plain] + words).text.split(separator: "\n")
        let end = try #require(free.count == 5 && !free[..<2].contains(free[2]) ? free[2] : nil, "the model repeats itself")
        let path = try folder.file("ends.stlm", ending(source.packedBytes(.int8), end.split(separator: " ").compactMap { UInt16($0) }))
        let outcome = try Program.run.call([path] + words + ["--stats"])
        #expect(outcome.text == free[..<2].joined(separator: "\n") + "\n" && outcome.errors.contains("the end of the text"))
        let on = try Program.run.call([path] + words + ["--ignore-eos"])
        #expect(on.text == free.joined(separator: "\n") + "\n")
    }

    /// The file with another end_block: stlm-1, section 3.
    private func ending(_ file: [UInt8], _ block: [UInt16]) -> [UInt8] {
        var file = file
        func checksum(_ range: Range<Int>) -> UInt32 { file.withUnsafeBytes { CRC32.of($0.baseAddress! + range.lowerBound, byteCount: range.count) } }
        func set(_ value: some FixedWidthInteger, at offset: Int) {
            file.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: type(of: value)) }
        }
        let (regionCount, model) = file.withUnsafeBytes { raw in
            (Int(raw.load(fromByteOffset: 24, as: UInt32.self)), Int(raw.load(fromByteOffset: 64 + 8, as: UInt64.self)))
        }
        for (slot, symbol) in block.enumerated() { set(symbol, at: model + 144 + 2 * slot) }
        set(checksum(model..<model + 384), at: 64 + 24)
        set(UInt32(0), at: 28)
        set(checksum(0..<64 + 32 * regionCount), at: 28)
        return file
    }

    @Test func aModelThatIsNotCausalWritesToo() throws {
        let outcome = try Program.run.call([CommandFixture.notCausalBlocks, "-p", "a b", "-n", "4", "--temp", "0", "--threads", "2"])
        #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.text.hasPrefix("a b"))
    }

    @Test(arguments: [
        (CommandFixture.slots, "byte blocks", "byte slots", "words, no table"), (CommandFixture.decoder, "byte blocks", "byte decoder", "words, no table"),
        (CommandFixture.pooled, "byte blocks", "tokens", "262 pieces"), (CommandFixture.written, "tokens", "byte decoder", "262 pieces"),
        (CommandFixture.bareBlocks, "byte blocks", "byte slots", "none; takes blocks of ids"),
    ]) func infoNamesTheThreeParts(_ path: String, _ embedder: String, _ head: String, _ tokenizer: String) throws {
        let outcome = try run("info", path, "--verify")
        let lines = outcome.text.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ") }
        #expect(lines.contains("embedder \(embedder)") && lines.contains("head \(head)") && lines.contains("blocks 12 bytes"))
        #expect(lines.contains { $0.hasPrefix("tokenizer \(tokenizer)") }, "\(outcome.text)")
        let json = try #require(JSONSerialization.jsonObject(with: Data(run("info", path, "--json").output)) as? [String: Any])
        #expect(json["embedder"] as? String == embedder && json["head"] as? String == head && json["block_size"] as? Int == 12)
    }
}
