import CSTLM
import FixedPoint
import ModelFile
import STLM

@c @implementation
public func stlm_reset(_ session: OpaquePointer!) -> Int32 {
    withSession(session) { object in
        _ = stlm_object_take_cancel(head(session))
        object.pointee.forget()
        object.pointee.random = SplitMix64(seed: object.pointee.seed)
        object.pointee.isRandomKept = object.pointee.isSeeded
        return STLM_OK
    }
}

@c @implementation
public func stlm_set_seed(_ session: OpaquePointer!, _ seed: UInt64) -> Int32 {
    withSession(session) { object in
        object.pointee.seed = seed
        object.pointee.random = SplitMix64(seed: seed)
        (object.pointee.isSeeded, object.pointee.isRandomKept) = (true, true)
        return STLM_OK
    }
}

@c @implementation
public func stlm_set_sampling(_ session: OpaquePointer!, _ sampling: UnsafePointer<stlm_sampling>!) -> Int32 {
    withSession(session) { object in
        guard let sampling else { return object.pointee.fail(STLM_NULL_POINTER) }
        if case .wrong(let template, let a, let b)? = sampling.pointee.fault { return object.pointee.fail(STLM_BAD_OPTION, template, a, b) }
        let settings = SamplingSettings(sampling.pointee, object.pointee.file)
        if !object.pointee.plan.serves(settings, object.pointee.file) {
            return object.pointee.fail(
                STLM_BAD_OPTION,
                "this sampling needs more memory than that of the session's options, or another repeat_window; open the session with it")
        }
        object.pointee.settings = settings
        return STLM_OK
    }
}

@c @implementation
public func stlm_set_limits(_ session: OpaquePointer!, _ tokens: UInt64, _ bytes: UInt64) -> Int32 {
    withSession(session) { object in
        (object.pointee.tokenLimit, object.pointee.byteLimit) = (tokens, bytes)
        return STLM_OK
    }
}

@c @implementation
public func stlm_add_stop(_ session: OpaquePointer!, _ text: UnsafePointer<CChar>!, _ byteCount: Int) -> Int32 {
    withSession(session) { object in
        guard let text else { return object.pointee.fail(STLM_NULL_POINTER) }
        if byteCount < 1 || byteCount > TextStream.stopByteLimit {
            return object.pointee.fail(
                STLM_BAD_OPTION, "a stop string has 1 to %a bytes, not %b", TextStream.stopByteLimit, byteCount)
        }
        let count = object.pointee.stopCount
        if count == TextStream.stopLimit {
            return object.pointee.fail(STLM_BAD_OPTION, "a session has %a stop strings at most; clear them first", count)
        }
        let place = object.pointee.stops + count * TextStream.stopByteLimit
        place.update(from: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: byteCount)
        object.pointee.stopByteCounts[count] = byteCount
        object.pointee.stopCount = count + 1
        return STLM_OK
    }
}

@c @implementation
public func stlm_clear_stops(_ session: OpaquePointer!) -> Int32 {
    withSession(session) { object in
        if object.pointee.phase != .rest {
            return object.pointee.fail(STLM_WRONG_ORDER, "stop strings are in use until the answer ends; clear them then")
        }
        object.pointee.stopCount = 0
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
        object.pointee.text[object.pointee.textCount] = 0
        text.pointee = UnsafeRawPointer(object.pointee.text).assumingMemoryBound(to: CChar.self)
        byteCount.pointee = object.pointee.textCount
        return STLM_OK
    }
}

@c @implementation
public func stlm_get_ids(
    _ session: OpaquePointer!, _ ids: UnsafeMutablePointer<UnsafePointer<UInt32>?>!, _ count: UnsafeMutablePointer<Int>!
) -> Int32 {
    withSession(session) { object in
        guard let ids, let count else { return object.pointee.fail(STLM_NULL_POINTER) }
        ids.pointee = UnsafePointer(object.pointee.next)
        count.pointee = object.pointee.givenCount
        return STLM_OK
    }
}

@c @implementation
public func stlm_get_cost(_ session: OpaquePointer!, _ cost: UnsafeMutablePointer<UInt64>!, _ count: UnsafeMutablePointer<UInt64>!) -> Int32 {
    withSession(session) { object in
        guard let cost, let count else { return object.pointee.fail(STLM_NULL_POINTER) }
        if !object.pointee.isScoring || object.pointee.ending != STLM_ENDING_SCORED {
            return object.pointee.fail(STLM_WRONG_ORDER, "no score has ended; call stlm_score, then stlm_step until it ends")
        }
        (cost.pointee, count.pointee) = (UInt64(max(0, object.pointee.cost)), object.pointee.scoredCount)
        return STLM_OK
    }
}

@c @implementation
public func stlm_get_progress(_ session: OpaquePointer!, _ progress: UnsafeMutablePointer<stlm_progress>!) -> Int32 {
    withSession(session) { object in
        guard let progress else { return object.pointee.fail(STLM_NULL_POINTER) }
        let plan = object.pointee.plan
        progress.pointee = stlm_progress(
            position: UInt32(object.pointee.session.pointee.position), context: UInt32(plan.contextTokenCount),
            batch: UInt32(plan.batchTokenCount), ending: UInt32(object.pointee.ending), tokens: object.pointee.drawnCount)
        return STLM_OK
    }
}
