import CSTLM
import STLM

/// What a `stlm_session` is, behind its head. The engine and all that belongs to it follow: `GeneratorPlaces`.
struct SessionObject: ObjectBody {
    static var magic: UInt64 { sessionMagic }

    var sentence = Sentence()
    let model: OpaquePointer
    let engine: UnsafeMutablePointer<GeneratorState>
    /// Why the last work has not come to its end: STLM_ENDING_CANCELLED or STLM_ENDING_ERROR, else STLM_ENDING_NONE.
    var failure = STLM_ENDING_NONE

    /// Where the engine begins.
    static var byteCount: Int { headByteCount + (MemoryLayout<SessionObject>.size + 63) / 64 * 64 }

    init(model: OpaquePointer, engine: UnsafeMutablePointer<GeneratorState>) {
        self.model = model
        self.engine = engine
    }

    var ending: Int32 {
        switch engine.pointee.ending {
        case nil: failure
        case .endToken: STLM_ENDING_END
        case .stopString: STLM_ENDING_STOP
        case .grammar: STLM_ENDING_GRAMMAR
        case .tokenLimit: STLM_ENDING_TOKENS
        case .byteLimit: STLM_ENDING_BYTES
        case .contextFull: STLM_ENDING_CONTEXT
        case .scored: STLM_ENDING_SCORED
        }
    }
}

typealias SessionPointer = UnsafeMutablePointer<SessionObject>

/// Calls `work` with a session while no other thread is in it, as `within` does.
@inline(__always)
func withSession(_ session: OpaquePointer?, _ work: (SessionPointer) throws(STLMError) -> Int32) -> Int32 { within(session, work) }
