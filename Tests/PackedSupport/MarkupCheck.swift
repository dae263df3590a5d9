/// What is wrong with a page: tags that are not closed, attributes without quotes, signs that should be escaped. Empty if nothing is.
public func markupFaults(_ page: String) -> [String] {
    var faults: [String] = [], open: [String] = []
    let empty: Set<String> = ["meta", "br", "wbr", "!doctype"]
    var rest = page[...]
    while let angle = rest.firstIndex(where: { $0 == "<" || $0 == ">" || $0 == "&" }) {
        let after = rest[rest.index(after: angle)...]
        switch rest[angle] {
        case ">":
            // A style sheet may have one.
            if open.last != "style" { faults.append("a bare > before \(after.prefix(20))") }
            rest = after
        case "&":
            let name = after.prefix { $0 != ";" }
            if !["amp", "lt", "gt", "quot", "#39"].contains(String(name)) { faults.append("a bare & before \(after.prefix(20))") }
            rest = after
        default:
            guard let end = endOfTag(after) else { return faults + ["a tag without an end: \(after.prefix(20))"] }
            let tag = after[..<end]
            rest = after[after.index(after: end)...]
            let isClosing = tag.first == "/", isClosed = tag.last == "/"
            let name = tag.drop { $0 == "/" }.prefix { $0.isLetter || $0.isNumber || $0 == "!" }.lowercased()
            if isClosing {
                if open.popLast() != name { faults.append("</\(name)> closes what is not open") }
            } else {
                faults += attributeFaults(tag.drop { !$0.isWhitespace }, of: name)
                if !isClosed, !empty.contains(name) { open.append(name) }
            }
        }
    }
    return faults + open.map { "<\($0)> is not closed" }
}

/// Its >, which may also stand in an attribute's quotes.
private func endOfTag(_ text: Substring) -> Substring.Index? {
    var isQuoted = false
    for index in text.indices {
        if text[index] == "\"" { isQuoted.toggle() }
        if text[index] == ">", !isQuoted { return index }
    }
    return nil
}

/// Attributes are names alone, or names and values in quotes without < and bare &.
private func attributeFaults(_ text: Substring, of tag: String) -> [String] {
    var faults: [String] = [], rest = text
    while let first = rest.firstIndex(where: { !$0.isWhitespace && $0 != "/" }) {
        rest = rest[first...]
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" }
        if name.isEmpty { return faults + ["an attribute of <\(tag)> begins with \(rest.prefix(10))"] }
        rest = rest.dropFirst(name.count)
        guard rest.first == "=" else { continue }
        guard rest.dropFirst().first == "\"" else { return faults + ["\(name) of <\(tag)> has no quotes"] }
        let value = rest.dropFirst(2).prefix { $0 != "\"" }
        if value.contains("<") || value.contains(">") { faults.append("\(name) of <\(tag)> has an angle: \(value)") }
        rest = rest.dropFirst(3 + value.count)
    }
    return faults
}
