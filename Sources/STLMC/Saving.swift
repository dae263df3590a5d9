import CPlatform
import CSTLM
import FixedPoint
import Kernels
import STLM

@c @implementation
public func stlm_save(_ session: OpaquePointer!, _ write: stlm_write_bytes!, _ context: UnsafeMutableRawPointer!) -> Int32 {
    withSession(session) { object in
        guard let write else { return object.pointee.fail(STLM_NULL_POINTER) }
        return object.pointee.save { write(context, $0.baseAddress, $0.count) == 0 }
    }
}

@c @implementation
public func stlm_save_descriptor(_ session: OpaquePointer!, _ descriptor: Int32) -> Int32 {
    withSession(session) { object in
        var failure: Int32 = 0
        let status = object.pointee.save {
            failure = stlm_write(descriptor, $0.baseAddress, $0.count)
            return failure == 0
        }
        if failure != 0 {
            object.pointee.sentence.set(
                "the session cannot be written to descriptor %a (%d)", detail: stlm_error_text(failure), Int(descriptor))
        }
        return status
    }
}

@c @implementation
public func stlm_restore(_ session: OpaquePointer!, _ read: stlm_read_bytes!, _ context: UnsafeMutableRawPointer!) -> Int32 {
    withSession(session) { object in
        guard let read else { return object.pointee.fail(STLM_NULL_POINTER) }
        return object.pointee.restore { read(context, $0.baseAddress, $0.count) == 0 }
    }
}

@c @implementation
public func stlm_restore_descriptor(_ session: OpaquePointer!, _ descriptor: Int32) -> Int32 {
    withSession(session) { object in
        object.pointee.restore { buffer in
            var filled = 0
            while filled < buffer.count {
                var count = 0
                if stlm_read(descriptor, buffer.baseAddress! + filled, buffer.count - filled, &count) != 0 || count == 0 { return false }
                filled += count
            }
            return true
        }
    }
}

extension SessionObject {
    fileprivate mutating func save(_ write: (UnsafeRawBufferPointer) -> Bool) -> Int32 {
        if phase != .rest, isScoring || drawnCount == 0 {
            return fail(STLM_WRONG_ORDER, "a session is not saved while a prompt is read or a text scored; call stlm_step until that ends")
        }
        // Saving takes the memory of logits that are half computed.
        if phase == .draw { phase = .head }
        headPiece = 0
        let count = hasNext ? file.inputSize : 0
        do throws(SessionFileError) {
            let next = UnsafeBufferPointer(start: UnsafePointer(self.next), count: count)
            try session.pointee.save(random: isRandomKept ? random : nil, recent: recent, next: next, write)
            return STLM_OK
        } catch {
            return sentence.set(error)
        }
    }

    fileprivate mutating func restore(_ read: (UnsafeMutableRawBufferPointer) -> Bool) -> Int32 {
        if phase != .rest {
            return fail(STLM_WRONG_ORDER, "the last prompt or score is still under way; call stlm_step until it ends, or stlm_reset to forget it")
        }
        forget()
        do throws(SessionFileError) {
            let restored = try session.pointee.restore(slides: slides, read)
            recent = restored.recent
            if let saved = restored.random { (random, isRandomKept) = (saved, true) }
            return STLM_OK
        } catch {
            forget()
            return sentence.set(error)
        }
    }
}

extension Sentence {
    /// - Returns: the status of the error
    mutating func set(_ error: SessionFileError) -> Int32 {
        switch error {
        case .notCausal:
            set(STLM_NOT_CAUSAL)
            return STLM_NOT_CAUSAL
        case .notWritten:
            set(STLM_NOT_WRITTEN)
            return STLM_NOT_WRITTEN
        case .contextFull(let needed, let context):
            set("the session file takes %a positions and the context has %b; open the session with a greater one", needed, context)
            return STLM_CONTEXT_FULL
        case .truncated: set("the session file ends early; copy it again, or save the session anew")
        case .wrongByteCount(let have, let need):
            set("the session file has %a bytes and should have %b; copy it again", have, Int(clamping: need))
        case .notASession: set("this is no session file; make one with stlm_save")
        case .unknownVersion(let version):
            set("the session file has version %a and this library knows version 1; save the session anew", Int(version))
        case .damaged: set("the session file is damaged: a checksum is wrong; copy it again, or save the session anew")
        case .impossible: set("the session file holds numbers that no session has; save it anew")
        case .otherModel: set("the session file was saved with another model file; open that one, or save the session anew")
        case .otherKeyValueType(let saved, let own):
            set("the session file has keys and values of type %a and this session of type %b; open the session with the same", Int(saved.rawValue),
                Int(own.rawValue))
        }
        return STLM_BAD_SESSION_FILE
    }
}
