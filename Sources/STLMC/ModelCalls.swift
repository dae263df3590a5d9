import CPlatform
import CSTLM
import ModelFile
import STLM

@c @implementation
public func stlm_model_bytes() -> Int { ModelObject.byteCount }

@c @implementation
public func stlm_model_open(
    _ memory: UnsafeMutableRawPointer!, _ byteCount: Int, _ path: UnsafePointer<CChar>!, _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
    open(memory, byteCount, model, isGiven: path != nil) { object in
        var base: UnsafeRawPointer?
        var count = 0
        let error = stlm_file_map(path, &base, &count, nil)
        guard error == 0, let base else {
            object.pointee.sentence.set("%n cannot be opened as a model file (%d); check the path", name: path, detail: stlm_error_text(error))
            return STLM_NO_FILE
        }
        object.pointee.mapped = UnsafeRawBufferPointer(start: base, count: count)
        return object.pointee.open(base, count)
    }
}

@c @implementation
public func stlm_model_open_descriptor(
    _ memory: UnsafeMutableRawPointer!, _ byteCount: Int, _ descriptor: Int32, _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
    open(memory, byteCount, model, isGiven: true) { object in
        var base: UnsafeRawPointer?
        var count = 0
        let error = stlm_descriptor_map(descriptor, &base, &count)
        guard error == 0, let base else {
            object.pointee.sentence.set(
                "descriptor %a cannot be mapped as a model file (%d); open a file for reading", detail: stlm_error_text(error), Int64(descriptor))
            return STLM_NO_FILE
        }
        object.pointee.mapped = UnsafeRawBufferPointer(start: base, count: count)
        return object.pointee.open(base, count)
    }
}

@c @implementation
public func stlm_model_open_memory(
    _ memory: UnsafeMutableRawPointer!, _ byteCount: Int, _ file: UnsafeRawPointer!, _ fileByteCount: Int,
    _ model: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
    open(memory, byteCount, model, isGiven: file != nil) { $0.pointee.open(file, fileByteCount) }
}

/// Makes an object and opens its model; an object that fails keeps the sentence.
private func open(
    _ memory: UnsafeMutableRawPointer?, _ byteCount: Int, _ model: UnsafeMutablePointer<OpaquePointer?>?, isGiven: Bool,
    _ open: (ModelPointer) -> Int32
) -> Int32 {
    guard let model else { return STLM_NULL_POINTER }
    model.pointee = nil
    guard let memory, isGiven else { return STLM_NULL_POINTER }
    if !isAligned(memory) { return STLM_MISALIGNED }
    if byteCount < ModelObject.byteCount { return STLM_TOO_SMALL }
    let object = OpaquePointer(memory)
    let inner: ModelPointer = body(object)
    inner.initialize(to: ModelObject())
    model.pointee = object
    let status = open(inner)
    stlm_object_begin(head(object), status == STLM_OK ? modelMagic : failedMagic)
    if status != STLM_OK { inner.pointee.unmap() }
    stlm_object_leave(head(object))
    return status
}

extension ModelObject {
    fileprivate mutating func open(_ base: UnsafeRawPointer, _ byteCount: Int) -> Int32 {
        do throws(ModelFileError) {
            model = Model(try ModelFile(base, byteCount: byteCount))
            return STLM_OK
        } catch {
            return fail(.modelRefused(error))
        }
    }

    fileprivate mutating func unmap() {
        if let mapped { stlm_file_unmap(mapped.baseAddress!, mapped.count, -1) }
        (mapped, model) = (nil, nil)
    }
}

@c @implementation
public func stlm_model_close(_ model: OpaquePointer!) -> Int32 {
    withModel(model) { object in
        let count = Int(stlm_object_users(head(model)))
        if count > 0 { return object.pointee.fail(STLM_SESSIONS_OPEN, "the model still has %a open sessions; close them first", count) }
        object.pointee.unmap()
        stlm_object_end(head(model))
        return STLM_OK
    }
}

@c @implementation
public func stlm_model_error(_ model: OpaquePointer!) -> UnsafePointer<CChar>! { sentence(model, modelMagic, or: failedMagic) }

@c @implementation
public func stlm_model_get_info(_ model: OpaquePointer!, _ info: UnsafeMutablePointer<stlm_model_info>!) -> Int32 {
    withModel(model) { object in
        guard let info else { return object.pointee.fail(STLM_NULL_POINTER) }
        let model = object.pointee.model!
        info.pointee = stlm_model_info(
            file_bytes: UInt64(model.file.byteCount), vocabulary_size: UInt32(model.vocabularySize), block_size: UInt32(model.blockSize),
            context_default: model.record.contextDefault, context_maximum: model.record.contextMaximum,
            input_size: UInt32(model.inputSize), output_size: UInt32(model.outputSize), begin_token: model.record.bosToken,
            has_tokenizer: model.tokenizer == nil ? 0 : 1)
        return STLM_OK
    }
}
