import ModelFile

/// What a text is that says what may be written: grammar-1.
public enum GrammarKind: Sendable {
    /// Rules, literals, classes, groups and repetitions: section 2.
    case rules
    /// One text a line: section 3.
    case choices
}

/// Why a text is no grammar that can be used, and where.
public struct GrammarError: Error, Equatable, Sendable {
    public enum Fault: UInt8, Error, Sendable {
        case notUTF8, nameExpected, definitionExpected, itemExpected, literalOpen, classOpen, classEmpty, rangeReversed, escapeUnknown, scalarNone
        case groupOpen, groupClosed, nothingToRepeat, repeatMalformed, repeatedTwice, ruleTwice, ruleMissing, rootMissing, recursion, tooDeep
        case tooManyRules, tooManyRanges, tooLarge, tooManyStates, noChoice
    }

    public let fault: Fault
    /// Counted from 1; columns are characters.
    public let line: Int
    public let column: Int
    /// Where a name that the sentence tells stands in the text: bytes.
    public let name: Range<Int>

    /// Writes the sentence (UTF-8, no newline) and returns its byte count; cut off where `buffer` ends.
    /// - Parameters:
    ///   - text: the grammar's
    public func write(into buffer: UnsafeMutableBufferPointer<UInt8>, text: UnsafeBufferPointer<UInt8>) -> Int {
        var writer = SentenceWriter(buffer: buffer)
        writer.append("line ")
        writer.append(Int64(line))
        writer.append(", column ")
        writer.append(Int64(column))
        writer.append(": ")
        let template = fault.template
        for k in 0..<template.utf8CodeUnitCount {
            let byte = template.utf8Start[k]
            if byte != UInt8(ascii: "%") {
                writer.append(byte)
            } else {
                for at in name.prefix(64) { writer.append(text[at]) }
            }
        }
        return writer.count
    }
}

extension GrammarError.Fault {
    /// What is wrong and what to do; % is a name.
    var template: StaticString {
        switch self {
        case .notUTF8: "the text is no UTF-8 here; save it as UTF-8"
        case .nameExpected: "the name of a rule is expected here; write NAME ::= and what it stands for"
        case .definitionExpected: "::= is expected after the rule's name '%'; put it there"
        case .itemExpected: "nothing of a rule begins so; put text between quotes, and each rule on a line of its own"
        case .literalOpen: "the text in quotes does not end in its line; end it with a quote, and write a newline as \\n"
        case .classOpen: "the class does not end in its line; end it with ]"
        case .classEmpty: "the class has no character; put one in"
        case .rangeReversed: "the range runs backwards; put the lesser character first"
        case .escapeUnknown: "there is no such escape; use \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH or \\UHHHHHHHH"
        case .scalarNone: "this is no Unicode character; give 0 to D7FF or E000 to 10FFFF"
        case .groupOpen: "the group that begins here is not closed; end it with )"
        case .groupClosed: "there is no group to close here; take the ) away"
        case .nothingToRepeat: "there is nothing before this to repeat; put text in quotes, a class, a name or a group there"
        case .repeatMalformed: "this is no repetition; write {m}, {m,} or {m,n} with m not above n and neither above 1000"
        case .repeatedTwice: "this is repeated already; put it in a group, and repeat that"
        case .ruleTwice: "there is a rule '%' already; give this one another name"
        case .ruleMissing: "there is no rule '%'; write it, or correct the name"
        case .rootMissing: "there is no rule root, which stands for all of the text; write one"
        case .recursion: "the rule '%' leads back to itself, which is not supported; write what repeats with * or +"
        case .tooDeep: "rules and groups lie more than 32 deep in one another here; make them flatter"
        case .tooManyRules: "there are more than 256 rules; join some"
        case .tooManyRanges: "the class has more than 256 ranges; split it in two"
        case .tooLarge: "the grammar is too large by here, with all rules and repetitions written out; shorten it or its repetitions"
        case .tooManyStates: "the grammar needs too many states; shorten its repetitions, or what can begin alike"
        case .noChoice: "there is no text to choose; write one on each line"
        }
    }
}
