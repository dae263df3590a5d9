import CPlatform
import Kernels
import ModelFile
import Tokenizers

/// What can go wrong with a `MappedModel` or a `Generator`. Each case has one plain sentence: `description`, or `write(into:)` where nothing
/// may be allocated.
public enum STLMError: Error, Sendable {
    /// The system refuses the model file; its errno.
    case fileRefused(number: Int32)
    /// The model file lies.
    case modelRefused(ModelFileError)
    /// An option is out of its range.
    case optionOutOfRange(GeneratorOption, given: Int, least: Int, most: Int)
    /// Context, ids and positions that do not fit.
    case session(SessionError)
    /// A session that cannot be saved, or a file that cannot be gone on from.
    case sessionFile(SessionFileError)
    /// The system refuses to write a session to a descriptor, or to read one from it; its errno.
    case sessionNotWritten(descriptor: Int32, number: Int32)
    case sessionNotRead(descriptor: Int32, number: Int32)
    /// The system has no memory for so many bytes.
    case noMemory(byteCount: Int)
    /// The caller's memory has `have` bytes, and `need` are needed at a multiple of 64.
    case memoryTooSmall(have: Int, need: Int)
    /// A sampling that needs more memory than that of the generator's options, or another repeat window.
    case samplingNeedsMemory
    /// A stop string has 1 to 256 bytes.
    case stopOutOfRange(byteCount: Int)
    /// More than 8 stop strings.
    case tooManyStops
    /// Not while a prompt is read, a text written or scored.
    case workUnderWay
    /// A step before a prompt.
    case nothingToDo
    /// A text for a model that has no tokenizer.
    case noTokenizer
    /// Nothing to begin from.
    case emptyPrompt
    /// Ids of a model of blocks that are no whole number of blocks.
    case partialBlock(idCount: Int, blockSize: Int)
    /// A run of 4,096 bytes after `offset` that cannot be cut.
    case noPlaceToCut(offset: Int)
    /// What the model gives it does not take.
    case cannotGenerate
    /// The work was cancelled.
    case cancelled

    /// Writes the sentence (UTF-8, no newline) and returns its byte count; cut off where `buffer` ends.
    public func write(into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        if case .modelRefused(let error) = self { return error.write(into: buffer) }
        var writer = SentenceWriter(buffer: buffer)
        var region: StaticString = ""
        switch self {
        case .optionOutOfRange(let option, _, _, _):
            writer.append(option.name)
            region = option.unit
        case .sessionFile(.otherKeyValueType(let saved, let own)):
            writer.write("the session file has keys and values of type %r and ", region: saved.name, index: 0, 0, 0)
            region = own.name
        default: break
        }
        let template = template
        writer.write(template.text, region: region, index: template.index, template.a, template.b)
        switch self {
        case .fileRefused(let number): writer.write(errno: number, "; check the path")
        case .sessionNotWritten(_, let number): writer.write(errno: number, "; open a file for writing, where there is room")
        case .sessionNotRead(_, let number): writer.write(errno: number, "; open a session file for reading")
        default: break
        }
        return writer.count
    }

    /// The sentence's template and its numbers, `%i`, `%a` and `%b`; only a part where the system or a type has a name in it.
    private var template: Template {
        if let common { return common }
        switch self {
        case .fileRefused: return Template("the model file cannot be opened")
        case .optionOutOfRange(_, let given, let least, let most):
            return Template(" of %r%i is out of range; give %a to %b", index: Int64(given), Int64(least), Int64(most))
        case .session(let error): return error.template
        case .sessionFile(let error): return error.template
        case .sessionNotWritten(let descriptor, _): return Template("the session cannot be written to descriptor %a", Int64(descriptor))
        case .sessionNotRead(let descriptor, _): return Template("the session cannot be read from descriptor %a", Int64(descriptor))
        case .noMemory(let byteCount): return Template("there is no memory for %a bytes; give a smaller context", Int64(byteCount))
        case .memoryTooSmall(let have, let need):
            return Template("the memory has %a bytes and %b are needed, at a multiple of 64; Generator.byteCount says so", Int64(have), Int64(need))
        case .samplingNeedsMemory:
            return Template("this sampling needs more memory than that of the generator's options, or another repeat window; make the generator with it")
        case .tooManyStops: return Template("a generator has %a stop strings at most; remove them first", Int64(TextStream.stopLimit))
        case .workUnderWay: return Template("the last text is still under way; step until it ends, or cancel it")
        case .nothingToDo: return Template("there is nothing to do; begin with a prompt or a text to score")
        case .noTokenizer: return Template("the model was packed without a tokenizer and takes ids only; begin with ids")
        case .emptyPrompt: return Template("the prompt is empty and the model has no token that begins a text; give one")
        case .cannotGenerate:
            return Template("the model gives something else than it takes, so that nothing it writes can be fed back; it can only score")
        case .cancelled: return Template("the work was cancelled; begin again, or go on with another prompt")
        case .modelRefused, .stopOutOfRange, .partialBlock, .noPlaceToCut: return Template("")
        }
    }

    /// The same where stlm.h has no other words for what is to be done; else nil.
    @export(interface)
    package var common: Template? {
        switch self {
        case .session(.contextOutOfRange(let asked, let maximum)):
            return Template("a context of %a is not to be had; this model has positions for 1 to %b", Int64(asked), Int64(maximum))
        case .session(.tokenOutOfRange(let token, let size)):
            return Template("id %a is out of range; this model takes ids 0 to %b", Int64(token), Int64(size - 1))
        case .session(.weightsDoNotFit(let limit, let least)):
            return Template("the weights may take %a bytes and need %b at least; allow more", Int64(limit), Int64(least))
        case .stopOutOfRange(let byteCount):
            return Template("a stop string has 1 to %a bytes, not %b", Int64(TextStream.stopByteLimit), Int64(byteCount))
        case .partialBlock(let idCount, let blockSize):
            return Template("%a ids are no whole number of blocks; this model takes %b symbols for each", Int64(idCount), Int64(blockSize))
        case .noPlaceToCut(let offset):
            return Template(
                "the text has no place where it can be cut within %a bytes after byte %b; break the long run there",
                Int64(TextEncoder.partByteCount), Int64(offset))
        default: return nil
        }
    }

    /// A sentence with places for its numbers.
    package struct Template {
        package let text: StaticString
        let index: Int64
        package let a: Int64
        package let b: Int64

        fileprivate init(_ text: StaticString, index: Int64 = 0, _ a: Int64 = 0, _ b: Int64 = 0) {
            self.text = text
            self.index = index
            self.a = a
            self.b = b
        }
    }
}

extension SentenceWriter {
    /// The system's word for an error in brackets, and what to do.
    fileprivate mutating func write(errno number: Int32, _ advice: StaticString) {
        append(" (")
        var letter = stlm_error_text(number)!
        while letter.pointee != 0 {
            append(UInt8(bitPattern: letter.pointee))
            letter += 1
        }
        append(")")
        append(advice)
    }
}

extension SessionError {
    fileprivate var template: STLMError.Template {
        switch self {
        case .keptOutOfRange(let asked, let context):
            .init("keeping %a positions leaves no room in a context of %b; keep fewer, or take a greater context", Int64(asked), Int64(context))
        case .contextFull(let needed, let context):
            .init("the text takes %a positions and the context has %b; take a greater one, or a generator that slides", Int64(needed), Int64(context))
        case .arenaTooSmall(let have, let need):
            .init("the arena has %a bytes and %b are needed, at a multiple of 64; give more", Int64(have), Int64(need))
        case .addressesExceeded(let context):
            .init("a context of %a takes more memory than this CPU can address; take a smaller one", Int64(context))
        case .notCausal:
            .init("the model sees the whole text at once (it is not causal), so that this cannot be done with it; take one that is")
        case .contextOutOfRange, .tokenOutOfRange, .weightsDoNotFit: .init("")
        }
    }
}

extension SessionFileError {
    /// Of keys and values the end, where `%r` is the session's own.
    fileprivate var template: STLMError.Template {
        if let common { return common }
        switch self {
        case .notCausal: return SessionError.notCausal.template
        case .notWritten: return .init("the session could not be written: no more bytes were taken; make room for it, and save it again")
        case .notASession: return .init("this is no session file; make one with Generator.save")
        case .otherKeyValueType: return .init("this session of type %r; take the same")
        case .contextFull(let needed, let context):
            return .init("the session file takes %a positions and the context has %b; take a greater one", Int64(needed), Int64(context))
        case .truncated, .wrongByteCount, .unknownVersion, .damaged, .impossible, .otherModel: return .init("")
        }
    }

    /// As `STLMError.common`. Programs that save nothing do without these.
    @export(interface)
    package var common: STLMError.Template? {
        switch self {
        case .truncated: .init("the session file ends early; copy it again, or save the session anew")
        case .wrongByteCount(let have, let need):
            .init("the session file has %a bytes and should have %b; copy it again", Int64(have), Int64(clamping: need))
        case .unknownVersion(let version):
            .init("the session file has version %a and this library knows version 1; save the session anew", Int64(version))
        case .damaged: .init("the session file is damaged: a checksum is wrong; copy it again, or save the session anew")
        case .impossible: .init("the session file holds numbers that no session has; save it anew")
        case .otherModel: .init("the session file was saved with another model file; open that one, or save the session anew")
        default: nil
        }
    }
}

#if !hasFeature(Embedded)
extension STLMError: CustomStringConvertible {
    public var description: String {
        String(unsafeUninitializedCapacity: 1_024) { write(into: $0) }
    }
}
#endif
