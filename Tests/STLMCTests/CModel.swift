import CSTLM
import Foundation
import PackedSupport
import Packing
import STLMC
import TestSupport
import Testing

/// Memory as C programs align it, filled with what no object holds.
final class AlignedMemory: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
    let count: Int

    init(_ count: Int) {
        self.count = count
        start = .allocate(byteCount: max(1, count), alignment: Int(STLM_ALIGNMENT))
        start.initializeMemory(as: UInt8.self, repeating: 0xA5, count: count)
    }

    deinit { start.deallocate() }
}

/// Texts that stay where they are, as stlm_prompt asks for.
enum CText {
    nonisolated(unsafe) static let the = UnsafePointer(strdup("the")!)
    nonisolated(unsafe) static let theEnd = UnsafePointer(strdup("the end")!)
}

/// A status that is no success, and its sentence.
struct Failure: Error, CustomStringConvertible {
    let status: Int32
    let sentence: String
    var description: String { "\(status): \(sentence)" }
}

/// A model through stlm.h. Closes at the end of its life.
final class CModel: @unchecked Sendable {
    let memory = AlignedMemory(stlm_model_bytes())
    private(set) var pointer: OpaquePointer!
    private let file: AlignedMemory?

    init(_ path: String) throws {
        file = nil
        try check(stlm_model_open(memory.start, memory.count, path, &pointer))
    }

    init(_ bytes: [UInt8]) throws {
        let file = AlignedMemory(bytes.count)
        file.start.copyMemory(from: bytes, byteCount: bytes.count)
        self.file = file
        try check(stlm_model_open_memory(memory.start, memory.count, file.start, file.count, &pointer))
    }

    deinit { stlm_model_close(pointer) }

    var sentence: String { String(cString: stlm_model_error(pointer)) }

    private func check(_ status: Int32) throws { if status != STLM_OK { throw Failure(status: status, sentence: sentence) } }

    func options(_ change: (inout stlm_options) -> Void = { _ in }) throws -> stlm_options {
        var options = stlm_options()
        try check(stlm_options_default(pointer, &options))
        change(&options)
        return options
    }

    func session(_ change: (inout stlm_options) -> Void = { _ in }) throws -> CSession { try CSession(self, options(change)) }
}

/// A session through stlm.h.
final class CSession: @unchecked Sendable {
    let model: CModel
    let memory: AlignedMemory
    private(set) var pointer: OpaquePointer!
    /// Of all steps so far.
    var stepCount = 0
    var ids: [UInt32] = []

    init(_ model: CModel, _ options: stlm_options) throws {
        self.model = model
        var options = options
        let byteCount = stlm_session_bytes(model.pointer, &options)
        if byteCount == 0 { throw Failure(status: 0, sentence: model.sentence) }
        memory = AlignedMemory(byteCount)
        let status = stlm_session_open(model.pointer, &options, memory.start, byteCount, &pointer)
        if status != STLM_OK { throw Failure(status: status, sentence: model.sentence) }
    }

    deinit { stlm_session_close(pointer) }

    var sentence: String { String(cString: stlm_session_error(pointer)) }

    func check(_ status: Int32) throws { if status < 0 { throw Failure(status: status, sentence: sentence) } }

    var progress: stlm_progress {
        var progress = stlm_progress()
        stlm_get_progress(pointer, &progress)
        return progress
    }

    func limit(_ tokens: Int = .max, bytes: Int = .max) {
        stlm_set_limits(pointer, tokens == .max ? .max : UInt64(tokens), bytes == .max ? .max : UInt64(bytes))
    }

    /// Steps until all is done; all text.
    @discardableResult func run() throws -> [UInt8] {
        var text: [UInt8] = []
        while true {
            let status = stlm_step(pointer)
            stepCount += 1
            try check(status)
            text += stepText()
            var numbers: UnsafePointer<UInt32>?, count = 0
            stlm_get_ids(pointer, &numbers, &count)
            #expect((status == STLM_TOKEN) == (count > 0))
            ids += UnsafeBufferPointer(start: numbers, count: count)
            if status == STLM_ENDED { return text }
        }
    }

    /// The text of the last step.
    func stepText() -> [UInt8] {
        var bytes: UnsafePointer<CChar>?, count = 0
        stlm_get_text(pointer, &bytes, &count)
        #expect(bytes![count] == 0)
        return UnsafeBufferPointer(start: bytes, count: count).map { UInt8(bitPattern: $0) }
    }

    /// The text after a prompt.
    @discardableResult func answer(_ prompt: String) throws -> [UInt8] {
        // The text stays where it is until it is read.
        let bytes = Array(prompt.utf8)
        return try bytes.withUnsafeBufferPointer { buffer in
            try check(stlm_prompt(pointer, UnsafeRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self), buffer.count))
            return try run()
        }
    }

    /// What comes after ids; all that is drawn is in `ids`.
    func answer(ids prompt: [UInt32]) throws {
        try prompt.withUnsafeBufferPointer { buffer in
            try check(stlm_prompt_ids(pointer, buffer.baseAddress, buffer.count))
            try run()
        }
    }

    /// Bits in units of 2^-24 of a text, and of how many tokens.
    func score(_ text: String) throws -> (cost: UInt64, count: UInt64) {
        let bytes = Array(text.utf8)
        try bytes.withUnsafeBufferPointer { buffer in
            try check(stlm_score(pointer, UnsafeRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self), buffer.count))
            try run()
        }
        var cost: UInt64 = 0, count: UInt64 = 0
        try check(stlm_get_cost(pointer, &cost, &count))
        return (cost, count)
    }

    func saved() throws -> [UInt8] {
        final class Bytes { var all: [UInt8] = [] }
        let bytes = Bytes()
        try check(stlm_save(pointer, { context, piece, count in
            Unmanaged<Bytes>.fromOpaque(context!).takeUnretainedValue().all += UnsafeRawBufferPointer(start: piece, count: count)
            return 0
        }, Unmanaged.passUnretained(bytes).toOpaque()))
        return bytes.all
    }

    func restore(_ file: [UInt8]) throws {
        final class Rest { var all: ArraySlice<UInt8>; init(_ all: [UInt8]) { self.all = all[...] } }
        let rest = Rest(file)
        try check(stlm_restore(pointer, { context, place, count in
            let rest = Unmanaged<Rest>.fromOpaque(context!).takeUnretainedValue()
            if rest.all.count < count { return 1 }
            place!.copyMemory(from: Array(rest.all.prefix(count)), byteCount: count)
            rest.all = rest.all.dropFirst(count)
            return 0
        }, Unmanaged.passUnretained(rest).toOpaque()))
    }
}
