import CPlatform
import Console
import Grammar
import ModelFile
import STLM

// --grammar, --choices and --one-of.
extension Options {
    var isConstrained: Bool { grammar != nil || choices != nil || oneOfCount > 0 }

    /// What does not go together; nil if all does.
    func refuseConstraint(_ model: Model) -> Int32? {
        if (grammar != nil ? 1 : 0) + (choices != nil ? 1 : 0) + (oneOfCount > 0 ? 1 : 0) > 1 {
            complain("--grammar, --choices and --one-of each say what the text must be; give one of them")
            return ExitCode.usage
        }
        if stopCount > 0 || byteCount != nil {
            complain("--stop and --bytes would cut what the grammar or list asks for; leave them out")
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
        if !model.writesBlocks, model.tokenizer == nil {
            complain("this model was packed without a tokenizer, so that its tokens stand for no text; pack it again with --tokenizer")
            return ExitCode.failure
        }
        return nil
    }

    /// nil after a complaint.
    func constraint(_ model: Model, memory: UnsafeMutableRawBufferPointer) -> Constraint? {
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
            let name: StaticString = "--one-of"
            return constraint(model, .choices, UnsafeBufferPointer(start: lines.baseAddress!, count: count), cString(name), memory)
        }
        let path = grammar ?? choices!
        guard let file = TextInput(path: path) else { return nil }
        return constraint(model, grammar != nil ? .rules : .choices, file.bytes, path, memory)
    }

    private func constraint(
        _ model: Model, _ kind: GrammarKind, _ text: UnsafeBufferPointer<UInt8>, _ name: Word, _ memory: UnsafeMutableRawBufferPointer
    ) -> Constraint? {
        do throws(ConstraintError) {
            return try Constraint(model, kind, text, allowsEnd: !ignoresEnd, memory: memory)
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
                complain("the memory has %a bytes and a grammar needs %b", have, need)
            case .noTokenizer:
                complain("this model was packed without a tokenizer, so that its tokens stand for no text; pack it again with --tokenizer")
            }
            return nil
        }
    }
}

/// The bytes of a literal as C takes them; a static string ends with a zero byte.
func cString(_ text: StaticString) -> UnsafePointer<CChar> { UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self) }
