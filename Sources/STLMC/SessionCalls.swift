import CPlatform
import CSTLM
import FixedPoint
import Kernels
import ModelFile
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
    _ = withModel(model) { object in
        guard let options else { return object.pointee.fail(STLM_NULL_POINTER) }
        guard let plan = object.pointee.plan(options.pointee) else { return object.pointee.status(of: options.pointee) }
        byteCount = SessionPlaces(plan).byteCount
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
    return withModel(model) { object in
        guard let options, let memory, let session else { return object.pointee.fail(STLM_NULL_POINTER) }
        guard let plan = object.pointee.plan(options.pointee) else { return object.pointee.status(of: options.pointee) }
        let places = SessionPlaces(plan)
        if !isAligned(memory) { return object.pointee.fail(STLM_MISALIGNED) }
        if byteCount < places.byteCount {
            return object.pointee.fail(
                STLM_TOO_SMALL, "the memory has %a bytes and the session needs %b; stlm_session_bytes says so", byteCount, places.byteCount)
        }
        let inner = (memory + SessionPlaces.session).assumingMemoryBound(to: Session.self)
        do throws(SessionError) {
            let arena = UnsafeMutableRawBufferPointer(start: memory + places.arena, count: plan.arenaByteCount)
            inner.initialize(to: try Session(object.pointee.model!, plan, kernels: .detected, arena: arena))
        } catch {
            return object.pointee.fail(error)
        }
        let place = OpaquePointer(memory)
        sessionBody(place).initialize(
            to: SessionObject(
                model: model, session: inner, places: places, settings: SamplingSettings(options.pointee.sampling, object.pointee.model!),
                options: options.pointee))
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
        Session.end(object.pointee.session)
        stlm_object_end(head(session))
        return STLM_OK
    }
}

@c @implementation
public func stlm_session_error(_ session: OpaquePointer!) -> UnsafePointer<CChar>! {
    guard let session else { return stlm_status_text(STLM_NULL_POINTER) }
    guard isAligned(UnsafeRawPointer(session)), stlm_object_is(head(session), sessionMagic) != 0 else { return stlm_status_text(STLM_NOT_OPEN) }
    return UnsafeRawPointer(sessionBody(session)).assumingMemoryBound(to: CChar.self)
}

extension ModelObject {
    /// What options come to; nil if they are not to be had, which `status` then tells.
    fileprivate func plan(_ options: stlm_options) -> MemoryPlan? { try? memoryPlan(options) }

    /// Notes what is wrong with options.
    fileprivate mutating func status(of options: stlm_options) -> Int32 {
        do throws(OptionError) {
            _ = try memoryPlan(options)
            return STLM_OK
        } catch {
            switch error {
            case .wrong(let template, let a, let b): return fail(STLM_BAD_OPTION, template, a, b)
            case .session(let error): return fail(error)
            }
        }
    }

    private func memoryPlan(_ options: stlm_options) throws(OptionError) -> MemoryPlan {
        let model = self.model!
        if options.byte_count != UInt32(MemoryLayout<stlm_options>.size) {
            throw .wrong(
                "the options say that they have %a bytes and this library knows %b; set them with stlm_options_default", Int(clamping: options.byte_count),
                MemoryLayout<stlm_options>.size)
        }
        if options.flags & ~UInt32(STLM_SLIDES | STLM_IGNORES_END) != 0 {
            throw .wrong("the options have flags (%a) that this library does not know", Int(clamping: options.flags))
        }
        guard options.kv_type < UInt32(KeyValueType.count), let type = KeyValueType(rawValue: UInt8(options.kv_type)) else {
            throw .wrong("%a is no type of keys and values; use STLM_KV_INT16, STLM_KV_INT8 or STLM_KV_INT4", Int(clamping: options.kv_type))
        }
        if options.threads < 1 || options.threads > UInt32(STLM_POOL_THREADS_MAX) {
            throw .wrong("%a threads are not to be had; give 1 to %b", Int(clamping: options.threads), Int(STLM_POOL_THREADS_MAX))
        }
        if options.quantum == 0 { throw .wrong("a quantum of 0 does nothing; give the multiply-adds that a step may take") }
        if options.reserved != 0 { throw .wrong("the options' reserved number is not 0; begin with stlm_options_default") }
        if options.kept != .max, options.kept > UInt32(Limit.context) {
            throw .wrong("no %a positions can be kept; give fewer than the context has", Int(clamping: options.kept))
        }
        if options.batch > UInt32(Limit.context) {
            throw .wrong("a batch of %a is not to be had; give at most %b", Int(clamping: options.batch), Limit.context)
        }
        if let wrong = options.sampling.fault { throw wrong }
        var settings = SessionOptions(model)
        let context = options.context == 0 ? Int(model.record.contextDefault) : Int(clamping: options.context)
        settings.contextTokenCount = context
        settings.keyValueType = type
        settings.threadCount = Int(clamping: options.threads)
        settings.batchTokenCount = options.batch > 0
            ? Int(clamping: options.batch) : model.batchTokenCount(quantum: Int64(clamping: min(options.quantum, 1 << 48)), context: context)
        // STLM_KEPT_DEFAULT
        if options.kept != .max { settings.keptPositionCount = Int(clamping: options.kept) }
        settings.sampling = SamplingSettings(options.sampling, model)
        do throws(SessionError) {
            return try MemoryPlan(model, settings)
        } catch {
            throw .session(error)
        }
    }
}

/// What is wrong with options.
enum OptionError: Error {
    case wrong(StaticString, Int = 0, Int = 0)
    case session(SessionError)
}

extension stlm_sampling {
    init(_ settings: SamplingSettings) {
        self.init(
            temperature: settings.temperature, top_k: settings.topK, top_p: settings.topP, min_p: settings.minP,
            repeat_penalty: settings.repeatPenalty, repeat_window: settings.repeatWindow)
    }

    /// What is out of its range, if anything.
    var fault: OptionError? {
        if temperature > Limit.setting { return .wrong("a temperature of %a / 65536 is out of range; give at most %b", Int(temperature), Int(Limit.setting)) }
        if top_p < 1 || top_p > 65_536 { return .wrong("top_p of %a / 65536 is out of range; give 1 to 65536", Int(top_p)) }
        if min_p > 65_536 { return .wrong("min_p of %a / 65536 is out of range; give 0 to 65536", Int(min_p)) }
        if top_k > UInt32(Limit.rows) { return .wrong("top_k of %a is out of range; give at most %b", Int(top_k), Limit.rows) }
        if repeat_penalty < Limit.leastRepeatPenalty || repeat_penalty > Limit.setting {
            return .wrong("repeat_penalty of %a / 65536 is out of range; 65536 is off", Int(repeat_penalty))
        }
        if repeat_window > UInt32(Limit.repeatWindow) {
            return .wrong("repeat_window of %a is out of range; give at most %b", Int(repeat_window), Limit.repeatWindow)
        }
        return nil
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
