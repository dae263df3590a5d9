import CPlatform
import CSTLM
import ModelFile
import STLM

/// Size of the part of an object that other threads may touch: `stlm_object`.
let headByteCount = Int(STLM_ALIGNMENT)
/// "STLMmodl" and "STLMsess", and a model that did not open, which keeps a sentence only.
let modelMagic: UInt64 = 0x6C64_6F6D_4D4C_5453
let sessionMagic: UInt64 = 0x7373_6573_4D4C_5453
let failedMagic: UInt64 = 0x6C69_6166_4D4C_5453

/// True if an object can begin there.
func isAligned(_ address: UnsafeRawPointer) -> Bool { UInt(bitPattern: address) % UInt(STLM_ALIGNMENT) == 0 }

/// What a `stlm_model` is, behind its head.
struct ModelObject {
    var sentence = Sentence()
    /// nil after an error.
    var model: Model?
    /// What is to be unmapped at the end, if anything.
    var mapped: UnsafeRawBufferPointer?

    static var byteCount: Int { headByteCount + (MemoryLayout<ModelObject>.size + 63) / 64 * 64 }
}

typealias ModelPointer = UnsafeMutablePointer<ModelObject>

/// The head of an object and what is behind it.
func head(_ object: OpaquePointer) -> UnsafeMutablePointer<stlm_object> {
    UnsafeMutableRawPointer(object).assumingMemoryBound(to: stlm_object.self)
}

func body(_ model: OpaquePointer) -> ModelPointer {
    (UnsafeMutableRawPointer(model) + headByteCount).assumingMemoryBound(to: ModelObject.self)
}

/// Calls `work` with a model while no other thread is in it.
@inline(__always)
func withModel(_ model: OpaquePointer?, _ work: (ModelPointer) -> Int32) -> Int32 {
    guard let model else { return STLM_NULL_POINTER }
    if !isAligned(UnsafeRawPointer(model)) { return STLM_NOT_OPEN }
    switch stlm_object_enter(head(model), modelMagic) {
    case 0:
        let status = work(body(model))
        stlm_object_leave(head(model))
        return status
    case 1: return STLM_NOT_OPEN
    default: return STLM_BUSY
    }
}

extension ModelObject {
    /// Notes the sentence of a status.
    mutating func fail(_ status: Int32) -> Int32 {
        sentence.set(status)
        return status
    }

    mutating func fail(_ status: Int32, _ template: StaticString, _ a: Int = 0, _ b: Int = 0) -> Int32 {
        sentence.set(template, a, b)
        return status
    }

    mutating func fail(_ error: SessionError) -> Int32 { sentence.set(error) }
}

extension Sentence {
    /// - Returns: the status of the error
    mutating func set(_ error: SessionError) -> Int32 {
        switch error {
        case .contextOutOfRange(let asked, let maximum):
            set("a context of %a is not to be had; this model has positions for 1 to %b", asked, maximum)
            return STLM_BAD_OPTION
        case .keptOutOfRange(let asked, let context):
            set("keeping %a positions leaves no room in a context of %b; keep fewer, or open the session with a greater context", asked, context)
            return STLM_BAD_OPTION
        case .addressesExceeded(let context):
            set("a context of %a takes more memory than this CPU can address; open the session with a smaller one", context)
            return STLM_BAD_OPTION
        case .tokenOutOfRange(let token, let size):
            set("id %a is out of range; this model takes ids 0 to %b", Int(token), size - 1)
            return STLM_BAD_TOKEN
        case .contextFull(let needed, let context):
            set("the text takes %a positions and the context has %b; open the session with a greater one or with STLM_SLIDES", needed, context)
            return STLM_CONTEXT_FULL
        case .arenaTooSmall(let have, let need):
            set("the memory has %a bytes and %b are needed", have, need)
            return STLM_TOO_SMALL
        case .weightsDoNotFit(let limit, let least):
            set("the weights may take %a bytes and need %b at least", limit, least)
            return STLM_BAD_OPTION
        case .notCausal:
            set(STLM_NOT_CAUSAL)
            return STLM_NOT_CAUSAL
        }
    }
}
