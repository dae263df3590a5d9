import CPlatform
import ModelFile

/// A model file, mapped read-only and checked, from which any number of generators are made.
///
/// The mapping is shared: it goes when the model and every `Generator` made from it are gone, in whatever order, so that no generator
/// reads a file that is closed. Any thread may use a model, several at once too.
///
/// ```swift
/// let model = try MappedModel(path)
/// var generator = try Generator(model)
/// try generator.write(after: "Once upon a time") { print($0, terminator: "") }
/// ```
public struct MappedModel: ~Copyable, @unchecked Sendable {
    let shared: UnsafeMutablePointer<SharedModel>

    /// Maps the file at a path.
    /// - Parameters:
    ///   - path: with a zero byte at its end
    public init(path: UnsafePointer<CChar>) throws(STLMError) { shared = try SharedModel.opened(path: path).get() }

    /// Maps an open file; the descriptor stays the caller's and may be closed at once.
    public init(descriptor: Int32) throws(STLMError) {
        var base: UnsafeRawPointer?
        var count = 0
        let error = stlm_descriptor_map(descriptor, &base, &count)
        shared = try SharedModel.opened(error, base, count).get()
    }

    /// Uses a file that is in memory already.
    /// - Parameters:
    ///   - bytes: at a multiple of 64; they must stay as they are until the model and all its generators are gone
    public init(bytes: UnsafeRawBufferPointer) throws(STLMError) { shared = try SharedModel.opened(bytes, isMapped: false).get() }

    /// What is in the file: sizes, tokenizer, records.
    public var model: Model { shared.pointee.model }

    /// The sampling that the file says.
    public var sampling: SamplingSettings { SamplingSettings(shared.pointee.model.record) }

    /// Ends its life here, before its scope does.
    public consuming func close() {}

    deinit { SharedModel.leave(shared) }
}

/// What a model and its generators share, in pages of its own.
struct SharedModel {
    /// The model and its generators.
    var users: Int32 = 1
    let model: Model
    /// What is to be unmapped in the end; nil where the bytes are the caller's.
    let mapped: UnsafeRawBufferPointer?

    static func opened(path: UnsafePointer<CChar>) -> Result<UnsafeMutablePointer<SharedModel>, STLMError> {
        var base: UnsafeRawPointer?
        var count = 0
        let error = stlm_file_map(path, &base, &count, nil)
        return opened(error, base, count)
    }

    /// - Parameters:
    ///   - error: of mapping, 0 for none
    static func opened(_ error: Int32, _ base: UnsafeRawPointer?, _ count: Int) -> Result<UnsafeMutablePointer<SharedModel>, STLMError> {
        guard error == 0, let base else { return .failure(.fileRefused(number: error)) }
        return opened(UnsafeRawBufferPointer(start: base, count: count), isMapped: true)
    }

    static func opened(_ bytes: UnsafeRawBufferPointer, isMapped: Bool) -> Result<UnsafeMutablePointer<SharedModel>, STLMError> {
        guard let base = bytes.baseAddress else { return .failure(.modelRefused(ModelFileError(.notAModelFile))) }
        do throws(ModelFileError) {
            let model = Model(try ModelFile(base, byteCount: bytes.count))
            if let pages = stlm_pages_reserve(MemoryLayout<SharedModel>.size) {
                let shared = pages.assumingMemoryBound(to: SharedModel.self)
                shared.initialize(to: SharedModel(model: model, mapped: isMapped ? bytes : nil))
                return .success(shared)
            }
            if isMapped { stlm_file_unmap(base, bytes.count, -1) }
            return .failure(.noMemory(byteCount: MemoryLayout<SharedModel>.size))
        } catch {
            if isMapped { stlm_file_unmap(base, bytes.count, -1) }
            return .failure(.modelRefused(error))
        }
    }

    static func join(_ shared: UnsafeMutablePointer<SharedModel>) { _ = stlm_count_add(users(shared), 1) }

    /// The last one unmaps.
    static func leave(_ shared: UnsafeMutablePointer<SharedModel>) {
        if stlm_count_add(users(shared), -1) > 0 { return }
        if let mapped = shared.pointee.mapped { stlm_file_unmap(mapped.baseAddress, mapped.count, -1) }
        stlm_pages_release(shared, MemoryLayout<SharedModel>.size)
    }

    /// The first field, which threads share.
    private static func users(_ shared: UnsafeMutablePointer<SharedModel>) -> UnsafeMutablePointer<Int32> {
        UnsafeMutableRawPointer(shared).assumingMemoryBound(to: Int32.self)
    }
}
