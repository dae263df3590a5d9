import CSTLM
import STLM

@c @implementation
public func stlm_prompt(_ session: OpaquePointer!, _ text: UnsafePointer<CChar>!, _ byteCount: Int) -> Int32 {
    withSession(session) { object throws(STLMError) in
        guard let bytes = utf8(text, byteCount) else { return object.pointee.fail(STLM_NULL_POINTER) }
        try object.pointee.engine.pointee.begin(bytes)
        return object.pointee.begun(session)
    }
}

@c @implementation
public func stlm_prompt_ids(_ session: OpaquePointer!, _ ids: UnsafePointer<UInt32>!, _ count: Int) -> Int32 {
    withSession(session) { object throws(STLMError) in
        if ids == nil, count != 0 { return object.pointee.fail(STLM_NULL_POINTER) }
        try object.pointee.engine.pointee.begin(ids: ids, count: count)
        return object.pointee.begun(session)
    }
}

@c @implementation
public func stlm_score(_ session: OpaquePointer!, _ text: UnsafePointer<CChar>!, _ byteCount: Int) -> Int32 {
    withSession(session) { object throws(STLMError) in
        guard let bytes = utf8(text, byteCount) else { return object.pointee.fail(STLM_NULL_POINTER) }
        try object.pointee.engine.pointee.begin(scoring: bytes)
        return object.pointee.begun(session)
    }
}

/// nil for a null pointer to something.
private func utf8(_ text: UnsafePointer<CChar>?, _ byteCount: Int) -> UnsafeBufferPointer<UInt8>? {
    if byteCount == 0 { return UnsafeBufferPointer(start: nil, count: 0) }
    guard let text, byteCount > 0 else { return nil }
    return UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: byteCount)
}

extension SessionObject {
    /// Work has begun; a cancel that came before is forgotten.
    fileprivate mutating func begun(_ session: OpaquePointer) -> Int32 {
        _ = stlm_object_take_cancel(head(session))
        failure = STLM_ENDING_NONE
        return STLM_OK
    }
}

// MARK: Steps

@c @implementation
public func stlm_step(_ session: OpaquePointer!) -> Int32 {
    withSession(session) { object throws(STLMError) in
        let head = head(session)
        do throws(STLMError) {
            return switch try object.pointee.engine.pointee.step({ stlm_object_take_cancel(head) != 0 }) {
            case .working: STLM_WORKING
            case .drawn: STLM_TOKEN
            case .ended: STLM_ENDED
            }
        } catch {
            switch error {
            case .nothingToDo: if object.pointee.failure != STLM_ENDING_NONE { return STLM_ENDED }
            case .cancelled: object.pointee.failure = STLM_ENDING_CANCELLED
            default: object.pointee.failure = STLM_ENDING_ERROR
            }
            throw error
        }
    }
}

@c @implementation
public func stlm_step_bound(_ session: OpaquePointer!, _ multiplyAdds: UnsafeMutablePointer<UInt64>!) -> Int32 {
    withSession(session) { object in
        guard let multiplyAdds else { return object.pointee.fail(STLM_NULL_POINTER) }
        multiplyAdds.pointee = UInt64(object.pointee.engine.pointee.bound)
        return STLM_OK
    }
}

@c @implementation
public func stlm_cancel(_ session: OpaquePointer!) -> Int32 {
    guard let session else { return STLM_NULL_POINTER }
    guard isAligned(UnsafeRawPointer(session)), stlm_object_is(head(session), sessionMagic) != 0 else { return STLM_NOT_OPEN }
    stlm_object_cancel(head(session))
    return STLM_OK
}
