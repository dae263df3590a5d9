import Foundation
import Testing
import Tokenizers

/// Formats/character-classes.txt and the table made of it.
@Suite struct CharacterClassTests {
    @Test func theTableIsTheListForEveryCodePoint() {
        let letters: [CharacterClass: UInt8] = [.letter: 0x4C, .number: 0x4E, .white: 0x57, .other: 0x4F]
        let wrong = NaiveRules.classes.indices.filter { letters[characterClass(UInt32($0))] != NaiveRules.classes[$0] }
        #expect(wrong.isEmpty, "\(wrong.count) code points, first \(wrong.first ?? 0)")
        for code in [0x110000, 0x200000, .max] as [UInt32] { #expect(characterClass(code) == .other) }
    }

    @Test func theListIsOfOneVersionAndAscends() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Formats/character-classes.txt")
        let lines = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
        #expect(lines[0].hasSuffix("Unicode 16.0.0."))
        var counts: [Substring: Int] = [:]
        var end = -1
        for line in lines where !line.hasPrefix("#") {
            let fields = line.split(separator: " "), first = Int(fields[1], radix: 16)!, last = Int(fields[2], radix: 16)!
            #expect(fields.count == 3 && first > end && last >= first && last <= 0x10FFFF, "\(line)")
            counts[fields[0], default: 0] += last - first + 1
            end = last
        }
        // As the Unicode Consortium counts them for 16.0: letters Lu, Ll, Lt, Lm, Lo; numbers Nd, Nl, No; White_Space.
        #expect(counts == ["L": 1_858 + 2_258 + 31 + 404 + 136_477, "N": 760 + 236 + 915, "W": 25])
    }

    /// Far from the edges of versions, the standard library agrees.
    @Test func knownCharactersHaveTheirClasses() {
        for scalar in "aZéßжλאع漢あ한กǅʰª".unicodeScalars { #expect(characterClass(scalar.value) == .letter, "\(scalar)") }
        for scalar in "0٣४Ⅷ²½①〇".unicodeScalars { #expect(characterClass(scalar.value) == .number, "\(scalar)") }
        for scalar in " \t\n\r\u{B}\u{C}\u{85}\u{A0}\u{1680}\u{2003}\u{2028}\u{202F}\u{3000}".unicodeScalars {
            #expect(characterClass(scalar.value) == .white)
        }
        for scalar in "!_'\u{0}\u{1C}\u{1F}\u{AD}\u{301}\u{180E}\u{200B}\u{200D}\u{FEFF}😀€".unicodeScalars {
            #expect(characterClass(scalar.value) == .other)
        }
    }
}
