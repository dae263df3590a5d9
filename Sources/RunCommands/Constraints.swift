import CPlatform
import Console
import Grammar
import ModelFile
import STLM

/// --grammar, --choices and --one-of: what the text must be.
package struct ConstraintFlags {
    package typealias Word = Arguments.Word

    /// A grammar, a list in a file, or texts of flags.
    private var grammar: Word?
    private var choices: Word?
    private var oneOf = InlineArray<32, Word?>(repeating: nil)
    private var oneOfCount = 0
    package private(set) var isGiven = false

    package init() {}

    /// Bytes of memory that a run takes for it, beside its arena.
    package func byteCount(_ model: Model) -> Int { isGiven ? Constraint.byteCount(model) : 0 }

    // MARK: The command line

    package static func has(_ flag: Word) -> Bool { equals(flag, "--grammar") || equals(flag, "--choices") || equals(flag, "--one-of") }

    /// One of these flags and its value; false after a complaint.
    package mutating func take(_ flag: Word, _ value: Word) -> Bool {
        isGiven = true
        if equals(flag, "--grammar") {
            grammar = value
        } else if equals(flag, "--choices") {
            choices = value
        } else if oneOfCount < oneOf.count {
            oneOf[oneOfCount] = value
            oneOfCount += 1
        } else {
            complain("--one-of can be given %a times at most; put the texts in a file and give --choices", oneOf.count)
            return false
        }
        return true
    }

    /// What does not go together, or not with this model; nil if all does.
    package func refuse(_ model: Model) -> Int32? {
        if (grammar != nil ? 1 : 0) + (choices != nil ? 1 : 0) + (oneOfCount > 0 ? 1 : 0) > 1 {
            complain("--grammar, --choices and --one-of each say what the text must be; give one of them")
            return ExitCode.usage
        }
        for k in 0..<oneOfCount {
            let text = utf8(oneOf[k]!)
            var isLine = !text.isEmpty
            for byte in text where byte == 0x0A { isLine = false }
            if !isLine {
                complain("--one-of takes a text that is not empty and has no newline; write such ones as a --grammar")
                return ExitCode.usage
            }
        }
        if isGiven, !model.writesBlocks, model.tokenizer == nil {
            complainThatTokensStandForNoText()
            return ExitCode.failure
        }
        return nil
    }

    // MARK: The constraint

    /// Makes the constraint and gives its memory back; false after a complaint.
    package func canBeMade(_ model: Model) -> Bool {
        guard let memory = Arena(byteCount(model)) else { return false }
        return make(model, allowsEnd: true, memory: memory.bytes) != nil
    }

    /// nil after a complaint.
    /// - Parameters:
    ///   - memory: `byteCount` bytes
    func make(_ model: Model, allowsEnd: Bool, memory: UnsafeMutableRawBufferPointer) -> Constraint? {
        if oneOfCount > 0 {
            var byteCount = 0
            for k in 0..<oneOfCount { byteCount += utf8(oneOf[k]!).count + 1 }
            guard let pages = Arena(byteCount) else { return nil }
            let lines = pages.bytes.bindMemory(to: UInt8.self)
            var count = 0
            for k in 0..<oneOfCount {
                for byte in utf8(oneOf[k]!) {
                    lines[count] = byte
                    count += 1
                }
                lines[count] = 0x0A
                count += 1
            }
            return make(model, .choices, UnsafeBufferPointer(start: lines.baseAddress!, count: count), cString("--one-of"), allowsEnd, memory)
        }
        let path = grammar ?? choices!
        guard let file = TextInput(path: path) else { return nil }
        return make(model, grammar != nil ? .rules : .choices, file.bytes, path, allowsEnd, memory)
    }

    private func make(
        _ model: Model, _ kind: GrammarKind, _ text: UnsafeBufferPointer<UInt8>, _ name: Word, _ allowsEnd: Bool,
        _ memory: UnsafeMutableRawBufferPointer
    ) -> Constraint? {
        do throws(ConstraintError) {
            return try Constraint(model, kind, text, allowsEnd: allowsEnd, memory: memory)
        } catch {
            switch error {
            case .badGrammar(let error):
                var sentence = InlineArray<512, UInt8>(repeating: 0)
                withUnsafeMutableBytes(of: &sentence) { bytes in
                    let start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
                    _ = error.write(into: UnsafeMutableBufferPointer(start: start, count: bytes.count - 1), text: text)
                    complain("%n: %d", name: name, detail: UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self))
                }
            case .byteNotWritten(let byte):
                complain("%n needs byte %a, whose token begins or ends a text in this model; do without it", name: name, Int(byte))
            case .memoryTooSmall(let have, let need):
                complain("%n got %a bytes of memory and needs %b, which is a fault of this program; report it", name: name, have, need)
            case .noTokenizer:
                complainThatTokensStandForNoText()
            }
            return nil
        }
    }

    private func complainThatTokensStandForNoText() {
        complain("this model was packed without a tokenizer, so that its tokens stand for no text; pack it again with --tokenizer")
    }
}

extension Options {
    var isConstrained: Bool { constraint.isGiven }

    /// What does not go together; nil if all does.
    func refuseConstraint(_ model: Model) -> Int32? {
        if stopCount > 0 || byteCount != nil {
            complain("--stop and --bytes would cut what the grammar or list asks for; leave them out")
            return ExitCode.usage
        }
        return constraint.refuse(model)
    }
}
