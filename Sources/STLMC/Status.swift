import CSTLM
import ModelFile

/// The bytes of a literal as C takes them; a static string ends with a zero byte.
func cString(_ text: StaticString) -> UnsafePointer<CChar> { UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self) }

@c @implementation
public func stlm_status_text(_ status: Int32) -> UnsafePointer<CChar>! {
    let text: StaticString = switch status {
    case STLM_OK: "done"
    case STLM_WORKING: "there is more to do; call stlm_step again"
    case STLM_TOKEN: "a token was drawn; read it with stlm_get_text or stlm_get_ids"
    case STLM_ENDED: "there is nothing more to do; stlm_get_progress says why"
    case STLM_NULL_POINTER: "a pointer is null that must not be"
    case STLM_TOO_SMALL: "the memory is too small; stlm_model_bytes and stlm_session_bytes say how much is needed"
    case STLM_MISALIGNED: "the memory does not begin at a multiple of 64; align it to STLM_ALIGNMENT"
    case STLM_NOT_OPEN: "there is no open model or session at this pointer; it was closed, or never opened"
    case STLM_BUSY: "another thread is in this model or session; let one thread at a time call it"
    case STLM_WRONG_ORDER: "the session is not in a state for this call; stlm_session_error says what comes first"
    case STLM_SESSIONS_OPEN: "the model still has open sessions; close them first"
    case STLM_NO_FILE: "the file cannot be opened; check the path"
    case STLM_BAD_MODEL: "this is no model file that can be used; make one with stlm-pack"
    case STLM_BAD_OPTION: "an option is out of its range; stlm_model_error or stlm_session_error says which"
    case STLM_BAD_TOKEN: "an id is out of range, or ids are no whole number of blocks"
    case STLM_CONTEXT_FULL: "there are more positions than the context has; open the session with a greater one, or with STLM_SLIDES"
    case STLM_NO_TOKENIZER: "the model was packed without a tokenizer and takes ids only; use stlm_prompt_ids"
    case STLM_NO_PLACE_TO_CUT: "the text has a run of 4096 bytes that cannot be cut; break it"
    case STLM_CANCELLED: "the work was cancelled by stlm_cancel"
    case STLM_NOT_CAUSAL: "the model sees the whole text at once (it is not causal), so that this cannot be done with it"
    case STLM_CANNOT_GENERATE: "the model gives something else than it takes, so that nothing it writes can be fed back"
    case STLM_NOT_WRITTEN: "the session could not be written: no more bytes were taken; make room for it, and save it again"
    case STLM_BAD_SESSION_FILE: "this is no session file that this session can go on from"
    case STLM_EMPTY_PROMPT: "the prompt is empty and the model has no token that begins a text; give one"
    case STLM_NO_TRANSCRIPT: "the model file has no transcript to check against; pack it again with stlm-pack"
    case STLM_WRONG_LOGITS: "this computer does not make of the file what the packer's did; do not use it here, and report it"
    case STLM_BAD_GRAMMAR: "this is no grammar that can be used; stlm_session_error says where and why"
    default: "this number is no status of this library"
    }
    return cString(text)
}

/// The sentence of an object's last error, with a zero byte behind it.
struct Sentence {
    static let capacity = 512

    private var bytes = InlineArray<512, UInt8>(repeating: 0)

    /// A template: `%a` and `%b` are numbers, `%n` a name, which is cut where the sentence would not fit, `%d` another.
    @inline(never)
    mutating func set(
        _ template: StaticString, name: UnsafePointer<CChar>? = nil, detail: UnsafePointer<CChar>? = nil, _ a: Int64 = 0, _ b: Int64 = 0
    ) {
        fill { buffer in
            var writer = SentenceWriter(buffer: buffer), k = 0
            while k < template.utf8CodeUnitCount {
                let byte = template.utf8Start[k]
                if byte == UInt8(ascii: "%"), k + 1 < template.utf8CodeUnitCount {
                    switch template.utf8Start[k + 1] {
                    case UInt8(ascii: "n"): if let name { writer.append(name, limit: 256) }
                    case UInt8(ascii: "d"): if let detail { writer.append(detail, limit: 100) }
                    case UInt8(ascii: "a"): writer.append(a)
                    default: writer.append(b)
                    }
                    k += 2
                } else {
                    writer.append(byte)
                    k += 1
                }
            }
            return writer.count
        }
    }

    /// The sentence of a status that needs no names or numbers.
    mutating func set(_ status: Int32) { set("%n", name: stlm_status_text(status)) }

    /// What `write` puts into a buffer; it returns the count.
    mutating func fill(_ write: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        let count = withUnsafeMutableBytes(of: &bytes) {
            write(UnsafeMutableBufferPointer(start: $0.baseAddress!.assumingMemoryBound(to: UInt8.self), count: Self.capacity - 1))
        }
        bytes[count] = 0
    }
}

extension SentenceWriter {
    fileprivate mutating func append(_ text: UnsafePointer<CChar>, limit: Int) {
        var k = 0
        while k < limit, text[k] != 0 {
            append(UInt8(bitPattern: text[k]))
            k += 1
        }
    }
}
