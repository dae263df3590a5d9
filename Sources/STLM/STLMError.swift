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
        switch self {
        case .fileRefused(let number):
            writer.append("the model file cannot be opened (")
            var letter = stlm_error_text(number)!
            while letter.pointee != 0 {
                writer.append(UInt8(bitPattern: letter.pointee))
                letter += 1
            }
            writer.append("); check the path")
        case .modelRefused: break
        case .optionOutOfRange(let option, let given, let least, let most):
            writer.append(option.name)
            writer.write(" of %r", region: option.unit, index: 0, 0, 0)
            writer.write("%i is out of range; give %a to %b", region: "", index: Int64(given), Int64(least), Int64(most))
        case .session(let error): writer.write(error)
        case .sessionFile(let error): writer.write(error)
        case .noMemory(let byteCount):
            writer.write("there is no memory for %a bytes; give a smaller context", region: "", index: 0, Int64(byteCount), 0)
        case .memoryTooSmall(let have, let need):
            writer.write("the memory has %a bytes and %b are needed, at a multiple of 64; Generator.byteCount says so", have, need)
        case .samplingNeedsMemory:
            writer.append("this sampling needs more memory than that of the generator's options, or another repeat window; make the generator with it")
        case .stopOutOfRange(let byteCount):
            writer.write("a stop string has 1 to %a bytes, not %b", TextStream.stopByteLimit, byteCount)
        case .tooManyStops: writer.write("a generator has %a stop strings at most; remove them first", TextStream.stopLimit)
        case .workUnderWay: writer.append("the last text is still under way; step until it ends, or cancel it")
        case .nothingToDo: writer.append("there is nothing to do; begin with a prompt or a text to score")
        case .noTokenizer: writer.append("the model was packed without a tokenizer and takes ids only; begin with ids")
        case .emptyPrompt: writer.append("the prompt is empty and the model has no token that begins a text; give one")
        case .partialBlock(let idCount, let blockSize):
            writer.write("%a ids are no whole number of blocks; this model takes %b symbols for each", idCount, blockSize)
        case .noPlaceToCut(let offset):
            writer.write(
                "the text has no place where it can be cut within %a bytes after byte %b; break the long run there", TextEncoder.partByteCount,
                offset)
        case .cannotGenerate: writer.append("the model gives something else than it takes, so that nothing it writes can be fed back; it can only score")
        case .cancelled: writer.append("the work was cancelled; begin again, or go on with another prompt")
        }
        return writer.count
    }
}

extension SentenceWriter {
    fileprivate mutating func write(_ template: StaticString, _ a: Int = 0, _ b: Int = 0) {
        write(template, region: "", index: 0, Int64(a), Int64(b))
    }

    fileprivate mutating func write(_ error: SessionError) {
        switch error {
        case .contextOutOfRange(let asked, let maximum):
            write("a context of %a is not to be had; this model has positions for 1 to %b", asked, maximum)
        case .keptOutOfRange(let asked, let context):
            write("keeping %a positions leaves no room in a context of %b; keep fewer, or take a greater context", asked, context)
        case .tokenOutOfRange(let token, let size): write("id %a is out of range; this model takes ids 0 to %b", Int(clamping: token), size - 1)
        case .contextFull(let needed, let context):
            write("the text takes %a positions and the context has %b; take a greater one, or a generator that slides", needed, context)
        case .arenaTooSmall(let have, let need): write("the arena has %a bytes and %b are needed, at a multiple of 64; give more", have, need)
        case .weightsDoNotFit(let limit, let least): write("the weights may take %a bytes and need %b at least; allow more", limit, least)
        case .addressesExceeded(let context): write("a context of %a takes more memory than this CPU can address; take a smaller one", context)
        case .notCausal: append("the model sees the whole text at once (it is not causal), so that this cannot be done with it; take one that is")
        }
    }

    fileprivate mutating func write(_ error: SessionFileError) {
        switch error {
        case .notCausal: write(SessionError.notCausal)
        case .notWritten: append("the session could not be written; no more bytes were taken")
        case .truncated: append("the session file ends early; copy it again, or save the session anew")
        case .wrongByteCount(let have, let need):
            write("the session file has %a bytes and should have %b; copy it again", have, Int(clamping: need))
        case .notASession: append("this is no session file; make one with Generator.save")
        case .unknownVersion(let version): write("the session file has version %a and this library knows version 1; save the session anew", Int(version))
        case .damaged: append("the session file is damaged: a checksum is wrong; copy it again, or save the session anew")
        case .impossible: append("the session file holds numbers that no session has; save it anew")
        case .otherModel: append("the session file was saved with another model file; open that one, or save the session anew")
        case .otherKeyValueType(let saved, let own):
            write("the session file has keys and values of type %a and this session of type %b; take the same", Int(saved.rawValue), Int(own.rawValue))
        case .contextFull(let needed, let context):
            write("the session file takes %a positions and the context has %b; take a greater one", needed, context)
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
