import CSTLM
import STLM

@c @implementation
public func stlm_save(_ session: OpaquePointer!, _ write: stlm_write_bytes!, _ context: UnsafeMutableRawPointer!) -> Int32 {
    save(session, isGiven: write != nil) { engine throws(STLMError) in try engine.save { write(context, $0.baseAddress, $0.count) == 0 } }
}

@c @implementation
public func stlm_save_descriptor(_ session: OpaquePointer!, _ descriptor: Int32) -> Int32 {
    save(session) { engine throws(STLMError) in
        try writing(descriptor) { write throws(STLMError) in try engine.save(write) }
    }
}

@c @implementation
public func stlm_restore(_ session: OpaquePointer!, _ read: stlm_read_bytes!, _ context: UnsafeMutableRawPointer!) -> Int32 {
    restore(session, isGiven: read != nil) { engine throws(STLMError) in try engine.restore { read(context, $0.baseAddress, $0.count) == 0 } }
}

@c @implementation
public func stlm_restore_descriptor(_ session: OpaquePointer!, _ descriptor: Int32) -> Int32 {
    restore(session) { engine throws(STLMError) in
        try reading(descriptor) { read throws(STLMError) in try engine.restore(read) }
    }
}

private func save(
    _ session: OpaquePointer?, isGiven: Bool = true, _ work: (inout GeneratorState) throws(STLMError) -> Void
) -> Int32 {
    withSession(session) { object in
        if !isGiven { return object.pointee.fail(STLM_NULL_POINTER) }
        do throws(STLMError) {
            try work(&object.pointee.engine.pointee)
            return STLM_OK
        } catch {
            if case .workUnderWay = error {
                return object.pointee.fail(
                    STLM_WRONG_ORDER, "a session is not saved while a prompt is read or a text scored; call stlm_step until that ends")
            }
            return object.pointee.sentence.set(ofSaving: error)
        }
    }
}

private func restore(
    _ session: OpaquePointer?, isGiven: Bool = true, _ work: (inout GeneratorState) throws(STLMError) -> Void
) -> Int32 {
    withSession(session) { object in
        if !isGiven { return object.pointee.fail(STLM_NULL_POINTER) }
        do throws(STLMError) {
            object.pointee.failure = STLM_ENDING_NONE
            try work(&object.pointee.engine.pointee)
            return STLM_OK
        } catch {
            return object.pointee.sentence.set(ofSaving: error)
        }
    }
}
