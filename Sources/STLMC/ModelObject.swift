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

/// What is behind an object's head.
protocol ObjectBody {
    /// What is in the head as long as it is open.
    static var magic: UInt64 { get }
    /// Of the last error. The first field: C reads it where the body begins.
    var sentence: Sentence { get set }
}

/// What a `stlm_model` is, behind its head.
struct ModelObject: ObjectBody {
    static var magic: UInt64 { modelMagic }

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

@inline(__always)
func body<Object: ObjectBody>(_ object: OpaquePointer) -> UnsafeMutablePointer<Object> {
    (UnsafeMutableRawPointer(object) + headByteCount).assumingMemoryBound(to: Object.self)
}

/// Calls `work` with a model while no other thread is in it. The code of an error that it throws, whose sentence is then in the object.
@inline(__always)
func withModel(_ model: OpaquePointer?, _ work: (ModelPointer) throws(STLMError) -> Int32) -> Int32 { within(model, work) }

/// The same with an object of either kind.
@inline(__always)
func within<Object: ObjectBody>(
    _ object: OpaquePointer?, _ work: (UnsafeMutablePointer<Object>) throws(STLMError) -> Int32
) -> Int32 {
    let refusal = enter(object, Object.magic)
    guard refusal == STLM_OK, let object else { return refusal }
    let inner: UnsafeMutablePointer<Object> = body(object)
    defer { stlm_object_leave(head(object)) }
    do throws(STLMError) {
        return try work(inner)
    } catch {
        return inner.pointee.fail(error)
    }
}

/// STLM_OK if the thread is in the object now.
@inline(never)
private func enter(_ object: OpaquePointer?, _ magic: UInt64) -> Int32 {
    guard let object else { return STLM_NULL_POINTER }
    if !isAligned(UnsafeRawPointer(object)) { return STLM_NOT_OPEN }
    switch stlm_object_enter(head(object), magic) {
    case 0: return STLM_OK
    case 1: return STLM_NOT_OPEN
    default: return STLM_BUSY
    }
}

/// Where the sentence of an object is, if it is open with one of these words in its head; else that of a status.
func sentence(_ object: OpaquePointer?, _ magic: UInt64, or other: UInt64) -> UnsafePointer<CChar> {
    guard let object else { return stlm_status_text(STLM_NULL_POINTER) }
    guard isAligned(UnsafeRawPointer(object)), stlm_object_is(head(object), magic) != 0 || stlm_object_is(head(object), other) != 0
    else { return stlm_status_text(STLM_NOT_OPEN) }
    return (UnsafeRawPointer(object) + headByteCount).assumingMemoryBound(to: CChar.self)
}

extension ObjectBody {
    /// Notes the sentence of a status.
    mutating func fail(_ status: Int32) -> Int32 {
        sentence.set(status)
        return status
    }

    mutating func fail(_ status: Int32, _ template: StaticString, _ a: Int = 0, _ b: Int = 0) -> Int32 {
        sentence.set(template, Int64(a), Int64(b))
        return status
    }

    mutating func fail(_ error: STLMError) -> Int32 { sentence.set(error) }
}
