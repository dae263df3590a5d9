import CSTLM
import Grammar
import STLM

@c @implementation
public func stlm_constraint_bytes(_ model: OpaquePointer!) -> Int {
    var byteCount = 0
    _ = withModel(model) { object in
        let model = object.pointee.model!
        if !model.writesBlocks, model.tokenizer == nil { return object.pointee.fail(STLM_NO_TOKENIZER) }
        byteCount = Constraint.byteCount(model)
        return STLM_OK
    }
    return byteCount
}

@c @implementation
public func stlm_set_constraint(
    _ session: OpaquePointer!, _ kind: UInt32, _ text: UnsafePointer<CChar>!, _ byteCount: Int, _ memory: UnsafeMutableRawPointer!,
    _ memoryByteCount: Int
) -> Int32 {
    withSession(session) { object in
        guard let text, let memory, byteCount >= 0 else { return object.pointee.fail(STLM_NULL_POINTER) }
        return object.pointee.constrain(
            kind, UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: byteCount),
            UnsafeMutableRawBufferPointer(start: memory, count: max(0, memoryByteCount)))
    }
}

@c @implementation
public func stlm_clear_constraint(_ session: OpaquePointer!) -> Int32 {
    withSession(session) { object in
        if let status = object.pointee.refuseConstraint() { return status }
        object.pointee.engine.pointee.session.pointee.constraint = nil
        return STLM_OK
    }
}

extension SessionObject {
    fileprivate mutating func refuseConstraint() -> Int32? {
        engine.pointee.isAtRest ? nil : fail(STLM_WRONG_ORDER, "a constraint holds until the answer ends; set or clear it then")
    }

    fileprivate mutating func constrain(_ kind: UInt32, _ text: UnsafeBufferPointer<UInt8>, _ memory: UnsafeMutableRawBufferPointer) -> Int32 {
        if let status = refuseConstraint() { return status }
        if kind > UInt32(STLM_CHOICES) {
            return fail(STLM_BAD_OPTION, "%a is no kind of constraint; use STLM_RULES or STLM_CHOICES", Int(clamping: kind))
        }
        if !isAligned(memory.baseAddress!) { return fail(STLM_MISALIGNED) }
        let session = engine.pointee.session
        session.pointee.constraint = nil
        do throws(ConstraintError) {
            session.pointee.constraint = try Constraint(
                engine.pointee.model, kind == UInt32(STLM_RULES) ? .rules : .choices, text, allowsEnd: !engine.pointee.ignoresEnd, memory: memory)
            return STLM_OK
        } catch {
            switch error {
            case .badGrammar(let error):
                sentence.fill { error.write(into: $0, text: text) }
                return STLM_BAD_GRAMMAR
            case .memoryTooSmall(let have, let need):
                return fail(STLM_TOO_SMALL, "the memory has %a bytes and a constraint needs %b; stlm_constraint_bytes says so", have, need)
            case .noTokenizer: return fail(STLM_NO_TOKENIZER)
            case .byteNotWritten(let byte):
                return fail(STLM_BAD_GRAMMAR, "the grammar needs byte %a, whose token begins or ends a text in this model; do without it", Int(byte))
            }
        }
    }
}
