import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Text on its way out: stop strings, and characters that come in pieces.
@Suite struct TextStreamTests {
    static let model = try! SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }
        .packed(.int8, tokenizer: SyntheticTokenizer.merges)

    /// What comes out after each piece, and at the end.
    private func stream(_ pieces: [[UInt8]], stops: [String] = []) throws -> (parts: [String], end: String, isStopped: Bool) {
        try Self.model.withSession(Self.model.options()) { session in
            var stream = session.textStream()
            var memory: [UnsafeMutableBufferPointer<UInt8>] = []
            defer { memory.forEach { $0.deallocate() } }
            for stop in stops {
                let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: stop.utf8.count)
                _ = copy.initialize(from: stop.utf8)
                memory.append(copy)
                let isTaken = stream.addStop(UnsafeBufferPointer(copy))
                #expect(isTaken)
            }
            var parts: [String] = [], isStopped = false
            for piece in pieces where !isStopped {
                var bytes: [UInt8] = []
                isStopped = piece.withUnsafeBufferPointer { stream.append($0) { bytes += $0 } }
                parts.append(try #require(String(validating: bytes, as: UTF8.self)))
            }
            var rest: [UInt8] = []
            stream.finish { rest += $0 }
            return (parts, try #require(String(validating: rest, as: UTF8.self)), isStopped)
        }
    }

    private func stream(_ pieces: [String], stops: [String] = []) throws -> (parts: [String], end: String, isStopped: Bool) {
        try stream(pieces.map { Array($0.utf8) }, stops: stops)
    }

    private func whole(_ result: (parts: [String], end: String, isStopped: Bool)) -> String { result.parts.joined() + result.end }

    @Test func aStopStringEndsTheTextBeforeItsFirstByteAcrossTokens() throws {
        let result = try stream(["once ", "EN", "D", "never"], stops: ["END"])
        #expect(result.parts == ["once ", "", ""] && result.end == "" && result.isStopped)
        #expect(try whole(stream(["a b E", "N", "DE", "ND"], stops: ["END"])) == "a b ")
    }

    @Test func whatMayBecomeAStopStringIsHeldBackAndThenHandedOn() throws {
        let result = try stream(["xE", "N", "x", "EEN", "!", "E"], stops: ["END"])
        #expect(result.parts == ["x", "", "ENx", "E", "EN!", ""])
        #expect(result.end == "E" && !result.isStopped)
        // A false beginning inside a true one.
        #expect(try whole(stream(["aa", "ab"], stops: ["aab"])) == "a")
    }

    @Test func theFirstStopStringThatIsCompleteWinsHoweverTheTextIsCut() throws {
        for stops in [["abcd", "bc"], ["bc", "abcd"]] {
            for pieces in [["xabcd"], ["x", "a", "b", "c", "d"], ["xab", "cd"], ["xa", "bcd"]] {
                #expect(try whole(stream(pieces, stops: stops)) == "xa", "\(pieces)")
            }
        }
        // Of two that end together, the one that begins first.
        for pieces in [["xabc"], ["xa", "b", "c"]] { #expect(try whole(stream(pieces, stops: ["bc", "abc"])) == "x") }
    }

    @Test func randomTextsAreCutAtTheFirstStopHoweverTheyCome() throws {
        var numbers = SeededNumbers(seed: 11)
        for _ in 0..<400 {
            let text = (0..<24).map { _ in "abc".randomElement(using: &numbers)! }.map(String.init).joined()
            let stops = (0..<Int.random(in: 1...3, using: &numbers)).map { _ in
                (0..<Int.random(in: 1...5, using: &numbers)).map { _ in String("abc".randomElement(using: &numbers)!) }.joined()
            }
            var expected = text
            search: for end in 1...text.count {
                let start = String(text.prefix(end))
                if let longest = stops.filter(start.hasSuffix).max(by: { $0.count < $1.count }) {
                    expected = String(start.dropLast(longest.count))
                    break search
                }
            }
            var pieces: [String] = [], rest = Substring(text)
            while !rest.isEmpty {
                let part = rest.prefix(Int.random(in: 1...4, using: &numbers))
                pieces.append(String(part))
                rest = rest.dropFirst(part.count)
            }
            #expect(try whole(stream(pieces, stops: stops)) == expected, "\(pieces) \(stops)")
        }
    }

    @Test func aCharacterIsNeverSplit() throws {
        for character in ["é", "€", "😀"] {
            let bytes = Array(character.utf8)
            let result = try stream(bytes.map { [$0] })
            #expect(result.parts == Array(repeating: "", count: bytes.count - 1) + [character] && result.end == "")
        }
    }

    @Test func whatIsNoCharacterBecomesReplacements() throws {
        let cases: [([UInt8], String)] = [
            ([0x41, 0xFF, 0x42], "A\u{FFFD}B"), ([0x80], "\u{FFFD}"), ([0xC0, 0xAF], "\u{FFFD}\u{FFFD}"),
            ([0xC3, 0x41], "\u{FFFD}A"), ([0xE2, 0x82, 0x41], "\u{FFFD}A"), ([0xE2, 0xC3, 0xA9], "\u{FFFD}é"),
            ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"), ([0xF4, 0x90, 0x41], "\u{FFFD}\u{FFFD}A"),
            ([0xF0, 0x9F, 0x98], "\u{FFFD}"), ([0xE2, 0x82], "\u{FFFD}"), ([0xC3], "\u{FFFD}"), ([], ""),
        ]
        for (bytes, text) in cases {
            #expect(try whole(stream([bytes])) == text, "\(bytes)")
            #expect(try whole(stream(bytes.map { [$0] })) == text, "\(bytes)")
            // Swift's own decoder replaces the same maximal parts.
            #expect(String(decoding: bytes, as: UTF8.self) == text)
        }
    }

    @Test func anIncompleteEndIsOneReplacementAlsoBeforeAStop() throws {
        let result = try stream([[0x61, 0xE2, 0x82], Array("END".utf8)], stops: ["END"])
        #expect(whole(result) == "a\u{FFFD}" && result.isStopped)
    }

    @Test func stopStringsHaveALimit() throws {
        try Self.model.withSession(Self.model.options()) { session in
            var stream = session.textStream()
            func isTaken(_ count: Int) -> Bool {
                let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count)
                bytes.initialize(repeating: 0x61)
                defer { bytes.deallocate() }
                return stream.addStop(UnsafeBufferPointer(bytes))
            }
            #expect(!isTaken(0) && !isTaken(257))
            #expect((0..<8).allSatisfy { _ in isTaken(256) })
            #expect(!isTaken(1))
        }
    }
}
