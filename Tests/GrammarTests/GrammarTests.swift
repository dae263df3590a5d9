import Foundation
import Grammar
import TestSupport
import Testing

/// An automaton in memory of exactly its size, between pages that cannot be touched.
final class Compiled {
    let automaton: Automaton
    private let memory = GuardedMemory(byteCount: Automaton.byteCount, alignment: 64)

    deinit { withExtendedLifetime(memory) {} }

    init(_ text: some Sequence<UInt8>, _ kind: GrammarKind = .rules, length: Int = 16) throws(GrammarError) {
        let work = GuardedMemory(byteCount: Automaton.workByteCount, alignment: 64), text = GuardedMemory(Array(text))
        defer { withExtendedLifetime((work, text)) {} }
        automaton = try Automaton(
            UnsafeBufferPointer(text.bytes.bindMemory(to: UInt8.self)), kind, memory: memory.base, work: work.base, length: length)
    }

    /// nil where no text of the grammar begins so.
    func state(_ text: [UInt8]) -> UInt16? {
        var state = Automaton.start
        for byte in text {
            state = automaton.next(state, byte)
            if state == Automaton.dead { return nil }
        }
        return state
    }

    func match(_ text: [UInt8]) -> (isWhole: Bool, goesOn: Bool) {
        guard let state = state(text) else { return (false, false) }
        return (automaton.isAccepting(state), automaton.goesOn(state))
    }
}

@Suite struct GrammarTests {
    private func sentence(_ text: String, _ kind: GrammarKind = .rules) throws -> String {
        do throws(GrammarError) {
            _ = try Compiled(Array(text.utf8), kind)
            return ""
        } catch {
            var buffer = [UInt8](repeating: 0, count: 400)
            let bytes = Array(text.utf8)
            let count = buffer.withUnsafeMutableBufferPointer { into in bytes.withUnsafeBufferPointer { error.write(into: into, text: $0) } }
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    /// Grammars by chance, and texts by chance: the automaton says what trying everything says.
    @Test func automataSayWhatTryingEverythingSays() throws {
        var numbers = SeededNumbers(seed: 1), counts = [0, 0, 0]
        for _ in 0..<600 {
            let grammar = NaiveGrammar.random(&numbers), compiled = try Compiled("root ::= \(grammar.text)".utf8)
            for _ in 0..<60 {
                let text = NaiveGrammar.randomText(&numbers), expected = grammar.match(text), own = compiled.match(text)
                #expect(own == expected, "\(grammar.text) \(text)")
                counts[expected.isWhole ? 0 : expected.goesOn ? 1 : 2] += 1
            }
        }
        #expect(counts.allSatisfy { $0 > 500 }, "\(counts)")
    }

    /// States of one kind allow the same texts, and a state of another kind some other.
    @Test func kindsAreStatesThatAllowTheSame() throws {
        var numbers = SeededNumbers(seed: 2)
        let bytes: [UInt8] = [97, 98, 116, 104, 101, 32, 49, 34, 10, 0xC3, 0xA9, 0xE2, 0x82, 0xAC]
        for length in [0, 1, 3] {
            for _ in 0..<60 {
                let compiled = try Compiled("root ::= \(NaiveGrammar.random(&numbers).text)".utf8, length: length), automaton = compiled.automaton
                defer { withExtendedLifetime(compiled) {} }
                if automaton.stateCount > 40 { continue }
                // All texts of up to so many bytes that are allowed, by bytes that any of the grammars has.
                func allowed(_ state: UInt16, _ left: Int) -> [[UInt8]] {
                    if left == 0 { return [[]] }
                    return [[]] + bytes.flatMap { byte in
                        let next = automaton.next(state, byte)
                        return next == Automaton.dead ? [] : allowed(next, left - 1).map { [byte] + $0 }
                    }
                }
                var byKind: [Int: (texts: [[UInt8]], isAccepting: Bool)] = [:]
                for state in 0..<UInt16(automaton.stateCount) {
                    let own = (texts: allowed(state, length), isAccepting: automaton.isAccepting(state))
                    if let other = byKind[automaton.kind(state)] {
                        #expect(other.texts == own.texts && other.isAccepting == own.isAccepting)
                    }
                    byKind[automaton.kind(state)] = own
                }
            }
        }
        // 201 states that differ only in how much may follow.
        #expect(try Compiled("root ::= [a-z]{0,200}".utf8, length: 8).automaton.kindCount == 9)
    }

    @Test func grammarsOfTheFieldAreRead() throws {
        let text = """
            # A command for a lamp.
            root   ::= "{" space pair ("," space pair)* "}"   # one or more pairs
            pair   ::= name ":" space (number | string |
                       "true" | "false")
            name   ::= "\\"" [a-z_] [a-z_0-9]{0,15} "\\""
            number ::= "-"? ("0" | [1-9] [0-9]{0,4}) ("." [0-9]+)?
            string ::= "\\"" ( [^"\\\\\\x00-\\x1F] | "\\\\" ["\\\\/bfnrt] )* "\\""
            space  ::= " "?

            """
        let compiled = try Compiled(text.utf8)
        for (line, isWhole) in [
            ("{\"on\":true}", true), ("{\"level\": 0.25,\"name\":\"Küche \\n\"}", true), ("{\"level\":007}", false), ("{}", false),
            ("{\"a\":\"\u{1}\"}", false), ("{\"a\":\"\\q\"}", false),
        ] {
            #expect(compiled.match(Array(line.utf8)).isWhole == isWhole, "\(line)")
        }
        #expect(compiled.match(Array("{\"a\": tr".utf8)) == (false, true))
    }

    @Test func listsAreTextsOnLines() throws {
        let compiled = try Compiled("on\r\noff\n\n oft\nonce".utf8, .choices)
        for (text, expected) in [
            ("on", (true, true)), ("off", (true, false)), (" oft", (true, false)), ("once", (true, false)), ("onc", (false, true)), ("", (false, true)),
            ("on\r", (false, false)), ("oft", (false, false)), ("[a]", (false, false)),
        ] {
            #expect(compiled.match(Array(text.utf8)) == expected, "\(text)")
        }
        #expect(try Compiled("\"a\"*\n".utf8, .choices).match(Array("\"a\"*".utf8)) == (true, false))
    }

    @Test(arguments: [
        ("root ::= \"\u{E9}\" x", "line 1, column 14: there is no rule 'x'; write it, or correct the name"),
        ("root ::= \"x\"\nroot ::= \"y\"", "line 2, column 1: there is a rule 'root' already; give this one another name"),
        ("", "line 1, column 1: there is no rule root, which stands for all of the text; write one"),
        ("root = \"x\"", "line 1, column 6: ::= is expected after the rule's name 'root'; put it there"),
        ("root ::= \"x", "line 1, column 10: the text in quotes does not end in its line; end it with a quote, and write a newline as \\n"),
        ("root ::= [a-", "line 1, column 10: the class does not end in its line; end it with ]"),
        ("root ::= [z-a]", "line 1, column 11: the range runs backwards; put the lesser character first"),
        ("root ::= []", "line 1, column 10: the class has no character; put one in"),
        ("root ::= [^\\x00-\\U0010FFFF]", "line 1, column 10: the class has no character; put one in"),
        ("root ::= \"\\q\"", "line 1, column 11: there is no such escape; use \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH or \\UHHHHHHHH"),
        ("root ::= \"\\uD800\"", "line 1, column 11: this is no Unicode character; give 0 to D7FF or E000 to 10FFFF"),
        ("root ::= (\"x\" |\n \"y\"", "line 1, column 10: the group that begins here is not closed; end it with )"),
        ("root ::= \"x\")", "line 1, column 13: there is no group to close here; take the ) away"),
        ("root ::= *", "line 1, column 10: there is nothing before this to repeat; put text in quotes, a class, a name or a group there"),
        ("root ::= \"x\"{3,2}", "line 1, column 13: this is no repetition; write {m}, {m,} or {m,n} with m not above n and neither above 1000"),
        ("root ::= \"x\"{1001}", "line 1, column 13: this is no repetition; write {m}, {m,} or {m,n} with m not above n and neither above 1000"),
        ("root ::= \"x\"+?", "line 1, column 14: this is repeated already; put it in a group, and repeat that"),
        ("root ::= a\na ::= \"x\" b\nb ::= a?", "line 3, column 7: the rule 'a' leads back to itself, which is not supported; write what repeats with * or +"),
        ("root ::= a ; b", "line 1, column 12: nothing of a rule begins so; put text between quotes, and each rule on a line of its own"),
        (" ::= \"x\"", "line 1, column 2: the name of a rule is expected here; write NAME ::= and what it stands for"),
        ("root ::= " + String(repeating: "(", count: 40), "line 1, column 42: rules and groups lie more than 32 deep in one another here; make them flatter"),
        ("root ::= (\"a\" | \"b\")* \"a\" (\"a\" | \"b\"){14}",
            "line 1, column 1: the grammar needs too many states; shorten its repetitions, or what can begin alike"),
        ("root ::= ((\"a\"{1000}){1000}){1000}",
            "line 1, column 12: the grammar is too large by here, with all rules and repetitions written out; shorten it or its repetitions"),
    ]) func faultsAreToldWithTheirPlace(_ text: String, _ expected: String) throws {
        #expect(try sentence(text) == expected)
    }

    @Test func otherFaultsAreTold() throws {
        #expect(try sentence("\n\r\n", .choices) == "line 1, column 1: there is no text to choose; write one on each line")
        let rules = (0..<257).map { "r\($0) ::= \"x\"\n" }.joined()
        #expect(try sentence(rules).contains("line 257, column 1: there are more than 256 rules"))
        let ranges = (0..<300).map { String(Character(UnicodeScalar(0x4E00 + UInt32($0) * 2)!)) }.joined()
        #expect(try sentence("root ::= [\(ranges)]").contains("the class has more than 256 ranges"))
        // Doubled at each of 30 rules, though nothing is written: 2^30 readings.
        let names = (0..<30).map { "r\($0)" }
        let doubling = zip(names, names.dropFirst()).map { "\($0) ::= \($1) \($1)\n" }.joined() + "r29 ::= ()\nroot ::= r0"
        #expect(try sentence(doubling).contains("the grammar is too large by here"))
        for bytes in [[0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]] {
            #expect(throws: GrammarError.self) { try Compiled(Array("root ::= \"".utf8) + bytes + [0x22]) }
            #expect(throws: GrammarError.self) { try Compiled(bytes, .choices) }
        }
    }

    /// Whatever bytes come, there is an automaton or an error, within its memory.
    @Test func anyBytesAreReadSafely() throws {
        var numbers = SeededNumbers(seed: 3), counts = [0, 0]
        let alphabet = Array("root::= \"ab[]^-.()*+?{}019,|\\xuU#\n\ré€".utf8)
        for round in 0..<4_000 {
            var text: [UInt8]
            if round % 2 == 0 {
                text = Array("root ::= \(NaiveGrammar.random(&numbers).text)\n".utf8)
                for _ in 0..<1 + numbers.int(0...2) {
                    let place = numbers.int(0...text.count - 1)
                    switch numbers.int(0...2) {
                    case 0: text[place] = numbers.pick(alphabet)
                    case 1: text.insert(numbers.pick(alphabet), at: place)
                    default: text.remove(at: place)
                    }
                }
            } else {
                text = Array("root ::= ".utf8) + (0..<numbers.int(0...39)).map { _ in numbers.pick(alphabet) }
            }
            do throws(GrammarError) {
                let compiled = try Compiled(text, round % 5 == 0 ? .choices : .rules), automaton = compiled.automaton
                defer { withExtendedLifetime(compiled) {} }
                #expect(automaton.stateCount >= 1 && automaton.stateCount <= GrammarLimit.states)
                // From every state an end can be reached, so that nothing is ever stuck.
                for state in 0..<UInt16(automaton.stateCount) { #expect(automaton.isAccepting(state) || automaton.goesOn(state)) }
                counts[0] += 1
            } catch {
                // The place that is told is one of the text.
                #expect(error.line >= 1 && error.column >= 1 && error.name.upperBound <= text.count)
                counts[1] += 1
            }
        }
        #expect(counts.allSatisfy { $0 > 500 }, "\(counts)")
    }
}
