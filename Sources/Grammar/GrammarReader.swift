/// Reads a grammar's text and writes it out as a graph: grammar-1, sections 2 and 3.
///
/// There is no tree in between: a rule is read again wherever its name stands, and an item as often as it is repeated.
struct GrammarReader {
    let text: UnsafeBufferPointer<UInt8>
    var graph: ByteGraph
    var at = 0
    private let rules: UnsafeMutablePointer<Rule>
    private var ruleCount = 0
    let ranges: UnsafeMutablePointer<Characters>
    private var depth = 0
    private var itemCount = 0
    /// Nodes and edges are made; else only the form is looked at.
    private(set) var isWriting = false

    private var faultPlace = 0
    private var faultName = 0..<0

    typealias Fault = GrammarError.Fault

    private struct Rule {
        var name: Range<Int>
        var body: Int
        /// It is being written out.
        var isOpen = false
    }

    /// From the first scalar to the last.
    struct Characters {
        var low: UInt32
        var high: UInt32
    }

    init(_ text: UnsafeBufferPointer<UInt8>, _ room: inout Room) {
        self.text = text
        graph = ByteGraph(&room)
        rules = room.take(GrammarLimit.rules, of: Rule.self)!
        ranges = room.take(GrammarLimit.ranges, of: Characters.self)!
    }

    /// What `init` takes of a room beside the graph.
    static func layOut(_ room: inout Room) {
        _ = room.take(GrammarLimit.rules, of: Rule.self)
        _ = room.take(GrammarLimit.ranges, of: Characters.self)
    }

    /// Writes the graph of a text: node 0 begins it.
    /// - Returns: its end
    mutating func read(_ kind: GrammarKind) throws(Fault) -> UInt16 {
        try checkUTF8()
        let start = graph.node()
        if kind == .choices { return try readChoices(start) }
        try readRules()
        guard let root = rule(named: "root") else { throw error(.rootMissing, at: 0) }
        isWriting = true
        let end = try writeRule(root, start)
        if graph.isTooLarge { throw error(.tooLarge, at: 0) }
        return end
    }

    // MARK: Choices

    private mutating func readChoices(_ start: UInt16) throws(Fault) -> UInt16 {
        let end = graph.node()
        var isEmpty = true
        while at < text.count {
            var stop = at
            while stop < text.count, text[stop] != 0x0A { stop += 1 }
            let next = stop + 1
            if stop > at, text[stop - 1] == 0x0D { stop -= 1 }
            var node = start
            for k in at..<stop {
                let after = k == stop - 1 ? end : graph.node()
                graph.join(node, after, text[k], text[k])
                node = after
                isEmpty = false
            }
            if graph.isTooLarge { throw error(.tooLarge) }
            at = next
        }
        if isEmpty { throw error(.noChoice, at: 0) }
        return end
    }

    // MARK: Rules

    /// Notes where each rule begins; every one must have its form.
    private mutating func readRules() throws(Fault) {
        skipSpace(lines: true)
        while at < text.count {
            let name = self.name()
            if name.isEmpty { throw error(.nameExpected) }
            for k in 0..<ruleCount where equals(rules[k].name, name) { throw error(.ruleTwice, at: name.lowerBound, name) }
            skipSpace(lines: false)
            guard at + 3 <= text.count, text[at] == 0x3A, text[at + 1] == 0x3A, text[at + 2] == 0x3D else {
                throw error(.definitionExpected, name)
            }
            at += 3
            skipSpace(lines: true)
            if ruleCount == GrammarLimit.rules { throw error(.tooManyRules, at: name.lowerBound) }
            rules[ruleCount] = Rule(name: name, body: at)
            ruleCount += 1
            _ = try alternatives(0, isNested: false)
            if at < text.count, text[at] == UInt8(ascii: ")") { throw error(.groupClosed) }
            if at < text.count, text[at] != 0x0A, text[at] != 0x0D { throw error(.itemExpected) }
            skipSpace(lines: true)
        }
    }

    private mutating func writeRule(_ k: Int, _ from: UInt16) throws(Fault) -> UInt16 {
        if rules[k].isOpen { throw error(.recursion, rules[k].name) }
        rules[k].isOpen = true
        let place = at
        at = rules[k].body
        let end = try alternatives(from, isNested: false)
        at = place
        rules[k].isOpen = false
        return end
    }

    /// What stands between `|`. Nothing leads back to `from`.
    private mutating func alternatives(_ from: UInt16, isNested: Bool) throws(Fault) -> UInt16 {
        depth += 1
        if depth > GrammarLimit.depth { throw error(.tooDeep) }
        let end = isWriting ? graph.node() : 0
        while true {
            let last = try sequence(from, isNested: isNested)
            if isWriting { graph.join(last, end) }
            if at == text.count || text[at] != UInt8(ascii: "|") { break }
            at += 1
            skipSpace(lines: true)
        }
        depth -= 1
        return end
    }

    private mutating func sequence(_ from: UInt16, isNested: Bool) throws(Fault) -> UInt16 {
        var node = from
        while at < text.count {
            switch text[at] {
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"): throw error(.nothingToRepeat)
            case UInt8(ascii: "\""), UInt8(ascii: "["), UInt8(ascii: "("), UInt8(ascii: "."): break
            default: if !isNameByte(text[at]) { return node }
            }
            node = try repeated(node, isNested: isNested)
            skipSpace(lines: isNested)
        }
        return node
    }

    /// An item and how often it comes.
    private mutating func repeated(_ from: UInt16, isNested: Bool) throws(Fault) -> UInt16 {
        let place = at
        var start = isWriting ? graph.node() : 0
        if isWriting { graph.join(from, start) }
        var last = try item(start)
        let behind = at
        skipSpace(lines: isNested)
        guard let (least, most) = try repetition() else {
            at = behind
            return last
        }
        let after = at
        skipSpace(lines: isNested)
        if at < text.count, isRepetition(text[at]) { throw error(.repeatedTwice) }
        at = after
        if !isWriting { return 0 }
        if most == 0 {
            graph.part(from)
            return from
        }
        let end = graph.node()
        if least == 0 { graph.join(start, end) }
        for k in 1..<max(1, most ?? least) {
            if k >= least { graph.join(last, end) }
            let again = graph.node()
            graph.join(last, again)
            start = again
            at = place
            last = try item(start)
        }
        if most == nil { graph.join(last, start) }
        graph.join(last, end)
        at = after
        return end
    }

    /// A text in quotes, a class, a group, or what a name stands for.
    private mutating func item(_ from: UInt16) throws(Fault) -> UInt16 {
        itemCount += isWriting ? 1 : 0
        if itemCount > GrammarLimit.items || graph.isTooLarge { throw error(.tooLarge) }
        switch text[at] {
        case UInt8(ascii: "\""): return try literal(from)
        case UInt8(ascii: "["), UInt8(ascii: "."): return try characters(from)
        case UInt8(ascii: "("):
            let place = at
            at += 1
            skipSpace(lines: true)
            let end = try alternatives(from, isNested: true)
            if at == text.count { throw error(.groupOpen, at: place) }
            if text[at] != UInt8(ascii: ")") { throw error(.itemExpected) }
            at += 1
            return end
        default:
            let place = at, name = self.name()
            if !isWriting { return 0 }
            for k in 0..<ruleCount where equals(rules[k].name, name) {
                let behind = at
                at = place
                let end = try writeRule(k, from)
                at = behind
                return end
            }
            throw error(.ruleMissing, at: place, name)
        }
    }

    private mutating func literal(_ from: UInt16) throws(Fault) -> UInt16 {
        let place = at
        var node = from
        at += 1
        while true {
            if at == text.count || text[at] == 0x0A { throw error(.literalOpen, at: place) }
            if text[at] == UInt8(ascii: "\"") { break }
            let scalar = try scalar()
            if !isWriting { continue }
            let after = graph.node()
            var tails = InlineArray<4, UInt16>(repeating: ByteGraph.none)
            graph.join(node, after, scalars: scalar...scalar, &tails)
            node = after
        }
        at += 1
        return node
    }

    // MARK: Repetitions

    private func isRepetition(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "*") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "{")
    }

    /// How often at least and, unless that is open, at most; nil where no repetition stands.
    private mutating func repetition() throws(Fault) -> (Int, Int?)? {
        if at == text.count || !isRepetition(text[at]) { return nil }
        let place = at, mark = text[at]
        at += 1
        switch mark {
        case UInt8(ascii: "*"): return (0, nil)
        case UInt8(ascii: "+"): return (1, nil)
        case UInt8(ascii: "?"): return (0, 1)
        default: break
        }
        skipSpace(lines: false)
        guard let least = count() else { throw error(.repeatMalformed, at: place) }
        skipSpace(lines: false)
        var most: Int? = least
        if at < text.count, text[at] == UInt8(ascii: ",") {
            at += 1
            skipSpace(lines: false)
            most = count()
            skipSpace(lines: false)
        }
        guard at < text.count, text[at] == UInt8(ascii: "}"), max(least, most ?? 0) <= GrammarLimit.repetitions, least <= most ?? least else {
            throw error(.repeatMalformed, at: place)
        }
        at += 1
        // {0,} is *.
        return (least, most)
    }

    private mutating func count() -> Int? {
        var value: Int?
        while at < text.count, text[at] >= 0x30, text[at] <= 0x39 {
            value = min(GrammarLimit.repetitions + 1, (value ?? 0) * 10 + Int(text[at] - 0x30))
            at += 1
        }
        return value
    }

    // MARK: Words and spaces

    private func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }

    private mutating func name() -> Range<Int> {
        let start = at
        while at < text.count, isNameByte(text[at]) { at += 1 }
        return start..<at
    }

    private func equals(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        if a.count != b.count { return false }
        for k in 0..<a.count where text[a.lowerBound + k] != text[b.lowerBound + k] { return false }
        return true
    }

    private func rule(named name: StaticString) -> Int? {
        for k in 0..<ruleCount where rules[k].name.count == name.utf8CodeUnitCount {
            var isIt = true
            for j in 0..<name.utf8CodeUnitCount where text[rules[k].name.lowerBound + j] != name.utf8Start[j] { isIt = false }
            if isIt { return k }
        }
        return nil
    }

    /// Spaces, tabs and comments; with `lines` ends of lines too.
    private mutating func skipSpace(lines: Bool) {
        while at < text.count {
            switch text[at] {
            case 0x20, 0x09: at += 1
            case 0x0A, 0x0D:
                if !lines { return }
                at += 1
            case UInt8(ascii: "#"): while at < text.count, text[at] != 0x0A { at += 1 }
            default: return
            }
        }
    }

    /// Notes where something is wrong: here or elsewhere.
    /// - Parameters:
    ///   - name: what the sentence is to tell
    mutating func error(_ fault: Fault, at place: Int? = nil, _ name: Range<Int> = 0..<0) -> Fault {
        (faultPlace, faultName) = (place ?? at, name)
        return fault
    }

    /// The error with its line and column.
    func located(_ fault: Fault) -> GrammarError {
        var line = 1, column = 1
        for k in 0..<min(faultPlace, text.count) {
            if text[k] == 0x0A {
                (line, column) = (line + 1, 1)
            } else if text[k] & 0xC0 != 0x80 {
                column += 1
            }
        }
        return GrammarError(fault: fault, line: line, column: column, name: faultName)
    }
}
