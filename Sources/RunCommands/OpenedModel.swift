import CPlatform
import Console
import Kernels
import ModelFile
import STLM

/// A mapped and validated model file, unmapped at the end of its life.
struct OpenedModel: ~Copyable {
    let model: Model
    let byteCount: Int
    private let base: UnsafeRawPointer
    let descriptor: Int32
    /// The file is more than may be in memory, and no more of it comes than is looked at.
    let isLimited: Bool

    /// nil after a complaint.
    /// - Parameters:
    ///   - memoryLimit: what the run may take. Where the file is more than that, no more of it comes into memory than is looked at.
    init?(_ path: Arguments.Word, memoryLimit: Int? = nil) {
        var base: UnsafeRawPointer?
        var byteCount = 0
        var descriptor: Int32 = -1
        let error = stlm_file_map(path, &base, &byteCount, &descriptor)
        if error == STLM_TOO_LARGE {
            complain("%n is larger than 2 GiB, more than a process of 32 bits can map; run it on a 64-bit system", name: path)
            return nil
        }
        guard error == 0, let base else {
            complain("%n cannot be opened as a model file (%d); check the path", name: path, detail: stlm_error_text(error))
            return nil
        }
        var isLimited = false
        if let memoryLimit {
            var now: UInt64 = 0, peak: UInt64 = 0
            stlm_resident_bytes(&now, &peak)
            isLimited = now + UInt64(byteCount) > UInt64(memoryLimit)
        }
        if isLimited { stlm_window_begin(base, byteCount, descriptor) }
        do throws(ModelFileError) {
            model = Model(try ModelFile(base, byteCount: byteCount))
        } catch {
            complainAbout(error, path)
            stlm_file_unmap(base, byteCount, descriptor)
            return nil
        }
        self.base = base
        self.byteCount = byteCount
        self.descriptor = descriptor
        self.isLimited = isLimited
    }

    /// The mapped file.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

    /// Reads every byte of the weights and compares their checksums; what was read leaves memory where that is limited.
    func verifyWeights() throws(ModelFileError) {
        if !isLimited { return try model.file.verifyWeights() }
        let (base, byteCount, descriptor) = (base, byteCount, descriptor)
        try model.file.verifyWeights(pieceByteCount: Self.pieceByteCount) { offset, count in
            stlm_window_drop(base, offset, count, byteCount, descriptor)
            let next = offset + count
            if next < byteCount { stlm_window_fetch(base, next, min(2 * Self.pieceByteCount, byteCount - next)) }
        }
    }

    private static var pieceByteCount: Int { 131_072 }

    deinit { stlm_file_unmap(base, byteCount, descriptor) }
}

/// The exit code of `body` with an opened model, or of a failure after a complaint. For programs of other modules: Embedded Swift ends no
/// value of another module that has a deinit.
package func withOpenedModel(_ path: Arguments.Word, _ body: (Model) -> Int32) -> Int32 {
    guard let opened = OpenedModel(path) else { return ExitCode.failure }
    return body(opened.model)
}

/// The sentence of a model file's lie.
func complainAbout(_ error: ModelFileError, _ path: Arguments.Word) {
    var sentence = InlineArray<512, UInt8>(repeating: 0)
    withUnsafeMutableBytes(of: &sentence) { bytes in
        let buffer = UnsafeMutableBufferPointer(
            start: bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), count: bytes.count - 1)
        _ = error.write(into: buffer)
        complain("%n: %d", name: path, detail: bytes.baseAddress!.assumingMemoryBound(to: CChar.self))
    }
}

package func complainAbout(_ error: SessionError) {
    switch error {
    case .contextOutOfRange(let asked, let maximum):
        complain("a context of %a is not to be had; this model has positions for 1 to %b", asked, maximum)
    case .keptOutOfRange(let asked, let context):
        complain("--keep %a leaves no room in a context of %b positions; keep fewer, or give a greater --context", asked, context)
    case .tokenOutOfRange(let token, let size):
        complain("id %a is out of range; this model takes ids 0 to %b", Int64(token), Int64(size) - 1)
    case .contextFull(let needed, let context):
        complain("the prompt takes %a positions and the context has %b; give --context, a shorter prompt, or --slide", needed, context)
    case .arenaTooSmall(let have, let need):
        complain("the arena has %a bytes and needs %b, which is a fault of this program; report it", have, need)
    case .weightsDoNotFit(let limit, let least):
        complain("the weights may take %a bytes and need %b at least; give a greater --memory-limit", limit, least)
    case .addressesExceeded(let context):
        complain("model and arena at a context of %a are more than a process of 32 bits can address; give a smaller --context or --batch", context)
    case .notCausal:
        complain("this model sees the whole text at once (it is not causal), so that a text cannot be scored token by token; give one that is")
    }
}

/// The kernels that STLM_CPU asks for, or the best there are; nil after a complaint.
package func chosenKernels() -> KernelSet? {
    guard let word = stlm_environment(cString("STLM_CPU")), word[0] != 0 else { return .detected }
    var candidate: KernelSet? = .baseline
    while let kernels = candidate {
        if equals(word, kernels.name) {
            if kernels.isAvailable { return kernels }
            complain("STLM_CPU asks for %n, which this CPU does not have; unset it or use baseline", name: word)
            return nil
        }
        candidate = kernels.next
    }
    complain("STLM_CPU is '%n'; it can be baseline, avx2, avxvnni, avx512, neon, dotprod or i8mm", name: word)
    return nil
}

/// Pages for a session's arena, given back at the end of its life.
struct Arena: ~Copyable {
    let bytes: UnsafeMutableRawBufferPointer

    /// nil after a complaint.
    init?(_ byteCount: Int) {
        guard let base = stlm_pages_reserve(byteCount) else {
            complain("there is no memory for %a bytes; give a smaller --context", byteCount)
            return nil
        }
        bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
    }

    deinit { stlm_pages_release(bytes.baseAddress, bytes.count) }
}
