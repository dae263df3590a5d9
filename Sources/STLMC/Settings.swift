import CSTLM
import STLM

@c @implementation
public func stlm_reset(_ session: OpaquePointer!) -> Int32 {
    withSession(session) { object in
        _ = stlm_object_take_cancel(head(session))
        object.pointee.engine.pointee.reset()
        object.pointee.failure = STLM_ENDING_NONE
        return STLM_OK
    }
}

@c @implementation
public func stlm_set_seed(_ session: OpaquePointer!, _ seed: UInt64) -> Int32 {
    withSession(session) { object in
        object.pointee.engine.pointee.setSeed(seed)
        return STLM_OK
    }
}

@c @implementation
public func stlm_set_sampling(_ session: OpaquePointer!, _ sampling: UnsafePointer<stlm_sampling>!) -> Int32 {
    withSession(session) { object throws(STLMError) in
        guard let sampling else { return object.pointee.fail(STLM_NULL_POINTER) }
        try object.pointee.engine.pointee.setSampling(SamplingSettings(sampling.pointee, object.pointee.engine.pointee.model))
        return STLM_OK
    }
}

@c @implementation
public func stlm_set_limits(_ session: OpaquePointer!, _ tokens: UInt64, _ bytes: UInt64) -> Int32 {
    withSession(session) { object in
        (object.pointee.engine.pointee.tokenLimit, object.pointee.engine.pointee.byteLimit) = (tokens, bytes)
        return STLM_OK
    }
}

@c @implementation
public func stlm_add_stop(_ session: OpaquePointer!, _ text: UnsafePointer<CChar>!, _ byteCount: Int) -> Int32 {
    withSession(session) { object throws(STLMError) in
        guard let text else { return object.pointee.fail(STLM_NULL_POINTER) }
        try object.pointee.engine.pointee.addStop(UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: byteCount)
        return STLM_OK
    }
}

@c @implementation
public func stlm_clear_stops(_ session: OpaquePointer!) -> Int32 {
    withSession(session) { object throws(STLMError) in
        if !object.pointee.engine.pointee.isAtRest {
            return object.pointee.fail(STLM_WRONG_ORDER, "stop strings are in use until the answer ends; clear them then")
        }
        try object.pointee.engine.pointee.removeStops()
        return STLM_OK
    }
}

// MARK: What a step gave

@c @implementation
public func stlm_get_text(
    _ session: OpaquePointer!, _ text: UnsafeMutablePointer<UnsafePointer<CChar>?>!, _ byteCount: UnsafeMutablePointer<Int>!
) -> Int32 {
    withSession(session) { object in
        guard let text, let byteCount else { return object.pointee.fail(STLM_NULL_POINTER) }
        let engine = object.pointee.engine
        engine.pointee.text[engine.pointee.textCount] = 0
        text.pointee = UnsafeRawPointer(engine.pointee.text).assumingMemoryBound(to: CChar.self)
        byteCount.pointee = engine.pointee.textCount
        return STLM_OK
    }
}

@c @implementation
public func stlm_get_ids(
    _ session: OpaquePointer!, _ ids: UnsafeMutablePointer<UnsafePointer<UInt32>?>!, _ count: UnsafeMutablePointer<Int>!
) -> Int32 {
    withSession(session) { object in
        guard let ids, let count else { return object.pointee.fail(STLM_NULL_POINTER) }
        ids.pointee = UnsafePointer(object.pointee.engine.pointee.next)
        count.pointee = object.pointee.engine.pointee.givenCount
        return STLM_OK
    }
}

@c @implementation
public func stlm_get_cost(_ session: OpaquePointer!, _ cost: UnsafeMutablePointer<UInt64>!, _ count: UnsafeMutablePointer<UInt64>!) -> Int32 {
    withSession(session) { object in
        guard let cost, let count else { return object.pointee.fail(STLM_NULL_POINTER) }
        guard let score = object.pointee.engine.pointee.score else {
            return object.pointee.fail(STLM_WRONG_ORDER, "no score has ended; call stlm_score, then stlm_step until it ends")
        }
        (cost.pointee, count.pointee) = (UInt64(score.bits), score.count)
        return STLM_OK
    }
}

@c @implementation
public func stlm_get_progress(_ session: OpaquePointer!, _ progress: UnsafeMutablePointer<stlm_progress>!) -> Int32 {
    withSession(session) { object in
        guard let progress else { return object.pointee.fail(STLM_NULL_POINTER) }
        let engine = object.pointee.engine, plan = engine.pointee.plan
        progress.pointee = stlm_progress(
            position: UInt32(engine.pointee.session.pointee.position), context: UInt32(plan.contextTokenCount),
            batch: UInt32(plan.batchTokenCount), ending: UInt32(object.pointee.ending), tokens: engine.pointee.drawnCount)
        return STLM_OK
    }
}
