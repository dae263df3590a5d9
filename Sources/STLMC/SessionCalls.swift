import CSTLM
import Kernels
import STLM

@c @implementation
public func stlm_options_default(_ model: OpaquePointer!, _ options: UnsafeMutablePointer<stlm_options>!) -> Int32 {
    withModel(model) { object in
        guard let options else { return object.pointee.fail(STLM_NULL_POINTER) }
        options.pointee = stlm_options(
            byte_count: UInt32(MemoryLayout<stlm_options>.size), flags: 0, context: 0, kv_type: UInt32(STLM_KV_INT16), threads: 1, batch: 0,
            quantum: 1 << 23, sampling: stlm_sampling(SamplingSettings(object.pointee.model!.record)), kept: .max, reserved: 0)
        return STLM_OK
    }
}

@c @implementation
public func stlm_session_bytes(_ model: OpaquePointer!, _ options: UnsafePointer<stlm_options>!) -> Int {
    var byteCount = 0
    _ = withModel(model) { object throws(STLMError) in
        guard let options else { return object.pointee.fail(STLM_NULL_POINTER) }
        let wrong = object.pointee.refuse(options.pointee)
        if wrong != STLM_OK { return wrong }
        let model = object.pointee.model!
        byteCount = SessionObject.byteCount + GeneratorPlaces(try GeneratorOptions(options.pointee, model).plan(model)).byteCount
        return STLM_OK
    }
    return byteCount
}

@c @implementation
public func stlm_session_open(
    _ model: OpaquePointer!, _ options: UnsafePointer<stlm_options>!, _ memory: UnsafeMutableRawPointer!, _ byteCount: Int,
    _ session: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
    session?.pointee = nil
    return withModel(model) { object throws(STLMError) in
        guard let options, let memory, let session else { return object.pointee.fail(STLM_NULL_POINTER) }
        let wrong = object.pointee.refuse(options.pointee)
        if wrong != STLM_OK { return wrong }
        let opened = object.pointee.model!, settings = GeneratorOptions(options.pointee, opened), plan = try settings.plan(opened)
        if !isAligned(memory) { return object.pointee.fail(STLM_MISALIGNED) }
        let need = SessionObject.byteCount + GeneratorPlaces(plan).byteCount
        if byteCount < need {
            return object.pointee.fail(
                STLM_TOO_SMALL, "the memory has %a bytes and the session needs %b; stlm_session_bytes says so", byteCount, need)
        }
        let engine = try GeneratorState.make(opened, settings, plan, memory + SessionObject.byteCount)
        let place = OpaquePointer(memory), inner: SessionPointer = body(place)
        inner.initialize(to: SessionObject(model: model, engine: engine))
        stlm_object_add_user(head(model))
        stlm_object_begin(head(place), sessionMagic)
        stlm_object_leave(head(place))
        session.pointee = place
        return STLM_OK
    }
}

@c @implementation
public func stlm_session_close(_ session: OpaquePointer!) -> Int32 {
    withSession(session) { object in
        let model = object.pointee.model
        // A model that was closed against the rules of this interface has nothing to be counted in.
        if stlm_object_is(head(model), modelMagic) != 0 { stlm_object_remove_user(head(model)) }
        Session.end(object.pointee.engine.pointee.session)
        stlm_object_end(head(session))
        return STLM_OK
    }
}

@c @implementation
public func stlm_session_error(_ session: OpaquePointer!) -> UnsafePointer<CChar>! { sentence(session, sessionMagic, or: sessionMagic) }

extension ModelObject {
    /// What of options only C programs can get wrong; STLM_OK if nothing is.
    fileprivate mutating func refuse(_ options: stlm_options) -> Int32 {
        if options.byte_count != UInt32(MemoryLayout<stlm_options>.size) {
            return fail(
                STLM_BAD_OPTION, "the options say that they have %a bytes and this library knows %b; set them with stlm_options_default",
                Int(clamping: options.byte_count), MemoryLayout<stlm_options>.size)
        }
        if options.flags & ~UInt32(STLM_SLIDES | STLM_IGNORES_END) != 0 {
            return fail(STLM_BAD_OPTION, "the options have flags (%a) that this library does not know", Int(clamping: options.flags))
        }
        if options.kv_type >= UInt32(KeyValueType.count) {
            return fail(
                STLM_BAD_OPTION, "%a is no type of keys and values; use STLM_KV_INT16, STLM_KV_INT8 or STLM_KV_INT4", Int(clamping: options.kv_type))
        }
        if options.reserved != 0 { return fail(STLM_BAD_OPTION, "the options' reserved number is not 0; begin with stlm_options_default") }
        return STLM_OK
    }
}

extension GeneratorOptions {
    /// Those of a C program that `refuse` has nothing against.
    fileprivate init(_ options: stlm_options, _ model: Model) {
        self.init(
            contextTokenCount: options.context == 0 ? nil : Int(clamping: options.context), sampling: SamplingSettings(options.sampling, model),
            keyValueType: KeyValueType(rawValue: UInt8(options.kv_type))!, threadCount: Int(clamping: options.threads),
            slides: options.flags & UInt32(STLM_SLIDES) != 0,
            // STLM_KEPT_DEFAULT
            keptPositionCount: options.kept == .max ? nil : Int(clamping: options.kept),
            ignoresEnd: options.flags & UInt32(STLM_IGNORES_END) != 0, batchTokenCount: options.batch == 0 ? nil : Int(clamping: options.batch),
            stepWork: Int64(clamping: min(options.quantum, 1 << 48)))
    }
}

extension stlm_sampling {
    init(_ settings: SamplingSettings) {
        self.init(
            temperature: settings.temperature, top_k: settings.topK, top_p: settings.topP, min_p: settings.minP,
            repeat_penalty: settings.repeatPenalty, repeat_window: settings.repeatWindow)
    }
}

extension SamplingSettings {
    init(_ sampling: stlm_sampling, _ model: Model) {
        self.init(model.record)
        temperature = sampling.temperature
        topK = sampling.top_k
        topP = sampling.top_p
        minP = sampling.min_p
        repeatPenalty = sampling.repeat_penalty
        repeatWindow = sampling.repeat_window
    }
}
