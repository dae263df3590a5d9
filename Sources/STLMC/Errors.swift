import CPlatform
import CSTLM
import Kernels
import ModelFile
import STLM

extension STLMError {
    /// The code of stlm.h: c-abi-1, section 7.
    var status: Int32 {
        switch self {
        case .fileRefused: STLM_NO_FILE
        case .modelRefused: STLM_BAD_MODEL
        case .optionOutOfRange, .samplingNeedsMemory, .stopOutOfRange, .tooManyStops, .noMemory: STLM_BAD_OPTION
        case .session(let error):
            switch error {
            case .contextOutOfRange, .keptOutOfRange, .addressesExceeded, .weightsDoNotFit: STLM_BAD_OPTION
            case .tokenOutOfRange: STLM_BAD_TOKEN
            case .contextFull: STLM_CONTEXT_FULL
            case .arenaTooSmall: STLM_TOO_SMALL
            case .notCausal: STLM_NOT_CAUSAL
            }
        case .sessionFile(let error):
            switch error {
            case .notCausal: STLM_NOT_CAUSAL
            case .notWritten: STLM_NOT_WRITTEN
            case .contextFull: STLM_CONTEXT_FULL
            default: STLM_BAD_SESSION_FILE
            }
        case .sessionNotWritten: STLM_NOT_WRITTEN
        case .sessionNotRead: STLM_BAD_SESSION_FILE
        case .memoryTooSmall: STLM_TOO_SMALL
        case .workUnderWay, .nothingToDo: STLM_WRONG_ORDER
        case .noTokenizer: STLM_NO_TOKENIZER
        case .emptyPrompt: STLM_EMPTY_PROMPT
        case .partialBlock: STLM_BAD_TOKEN
        case .noPlaceToCut: STLM_NO_PLACE_TO_CUT
        case .cannotGenerate: STLM_CANNOT_GENERATE
        case .cancelled: STLM_CANCELLED
        }
    }
}

extension Sentence {
    /// What is wrong, in the words of stlm.h where what is to be done differs from the Swift API's.
    /// - Returns: the status of the error
    mutating func set(_ error: STLMError) -> Int32 {
        let status = error.status
        if let common = error.common {
            set(common.text, common.a, common.b)
            return status
        }
        let (template, a, b): (StaticString, Int, Int)
        switch error {
        case .modelRefused(let error):
            fill { error.write(into: $0) }
            return status
        case .optionOutOfRange(let option, let given, _, let most): (template, a, b) = (option.template, given, most)
        case .session(.keptOutOfRange(let asked, let context)):
            (template, a, b) = (
                "keeping %a positions leaves no room in a context of %b; keep fewer, or open the session with a greater context", asked, context)
        case .session(.addressesExceeded(let context)):
            (template, a, b) = ("a context of %a takes more memory than this CPU can address; open the session with a smaller one", context, 0)
        case .session(.contextFull(let needed, let context)):
            (template, a, b) = (
                "the text takes %a positions and the context has %b; open the session with a greater one or with STLM_SLIDES", needed, context)
        case .session(.arenaTooSmall(let have, let need)):
            (template, a, b) = ("the memory has %a bytes and %b are needed; give as many as stlm_session_bytes says", have, need)
        case .samplingNeedsMemory:
            (template, a, b) = (
                "this sampling needs more memory than that of the session's options, or another repeat_window; open the session with it", 0, 0)
        case .tooManyStops: (template, a, b) = ("a session has %a stop strings at most; clear them first", TextStream.stopLimit, 0)
        case .workUnderWay:
            (template, a, b) = ("the last prompt or score is still under way; call stlm_step until it ends, or stlm_reset to forget it", 0, 0)
        case .nothingToDo: (template, a, b) = ("there is nothing to do; call stlm_prompt or stlm_score first", 0, 0)
        default:
            set(status)
            return status
        }
        set(template, Int64(a), Int64(b))
        return status
    }
}

extension Sentence {
    /// The same of what saving and restoring throw; in a program that does neither these sentences are not.
    mutating func set(ofSaving error: STLMError) -> Int32 {
        switch error {
        case .sessionFile(let error):
            if let common = error.common {
                set(common.text, common.a, common.b)
                break
            }
            switch error {
            case .notASession: set("this is no session file; make one with stlm_save")
            case .contextFull(let needed, let context):
                set("the session file takes %a positions and the context has %b; open the session with a greater one", Int64(needed), Int64(context))
            case .otherKeyValueType(let saved, let own):
                set("the session file has keys and values of type %n and this session of type %d; open the session with the same",
                    name: cString(saved.name), detail: cString(own.name))
            default: return set(.sessionFile(error))
            }
        case .sessionNotWritten(let descriptor, let number):
            set("the session cannot be written to descriptor %a (%d); open a file for writing, where there is room", detail: stlm_error_text(number),
                Int64(descriptor))
        case .sessionNotRead(let descriptor, let number):
            set("the session cannot be read from descriptor %a (%d); open a session file for reading", detail: stlm_error_text(number), Int64(descriptor))
        default: return set(error)
        }
        return error.status
    }
}

extension GeneratorOption {
    /// The sentence of one that is out of its range, by the names of stlm.h.
    fileprivate var template: StaticString {
        switch self {
        case .temperature: "a temperature of %a / 65536 is out of range; give at most %b"
        case .topP: "top_p of %a / 65536 is out of range; give 1 to 65536"
        case .minP: "min_p of %a / 65536 is out of range; give 0 to 65536"
        case .topK: "top_k of %a is out of range; give at most %b"
        case .repeatPenalty: "repeat_penalty of %a / 65536 is out of range; 65536 is off"
        case .repeatWindow: "repeat_window of %a is out of range; give at most %b"
        case .threadCount: "%a threads are not to be had; give 1 to %b"
        case .batchTokenCount: "a batch of %a is not to be had; give at most %b"
        case .keptPositionCount: "no %a positions can be kept; give fewer than the context has"
        case .stepWork: "a quantum of %a does nothing; give the multiply-adds that a step may take"
        case .limit: "a limit of %a is out of range; give at most %b"
        }
    }
}
