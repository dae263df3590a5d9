import CPlatform
import Console

/// A whole text: a mapped file, or standard input read into pages.
struct TextInput: ~Copyable {
    /// Standard input is read up to here.
    static let pipeByteLimit = 64 << 20

    let bytes: UnsafeBufferPointer<UInt8>
    private let mapped: UnsafeRawPointer?
    private let pages: UnsafeMutableRawPointer?
    /// The mapped file, or -1.
    private let descriptor: Int32

    /// The file at `path`. nil after a complaint.
    init?(path: Arguments.Word) {
        var base: UnsafeRawPointer?
        var count = 0
        var descriptor: Int32 = -1
        let error = stlm_file_map(path, &base, &count, &descriptor)
        guard error == 0, let base else {
            complain("%n cannot be read as a text (%d); give a file that is not empty", name: path, detail: stlm_error_text(error))
            return nil
        }
        mapped = base
        self.descriptor = descriptor
        pages = nil
        bytes = UnsafeBufferPointer(start: base.assumingMemoryBound(to: UInt8.self), count: count)
    }

    /// All of standard input. nil after a complaint.
    init?(standardInput: Void) {
        guard let pages = stlm_pages_reserve(Self.pipeByteLimit) else {
            complain("there is no memory to read standard input; give a file")
            return nil
        }
        var count = 0
        while true {
            if count == Self.pipeByteLimit {
                complain("standard input is longer than %a bytes; give a file", Self.pipeByteLimit)
                stlm_pages_release(pages, Self.pipeByteLimit)
                return nil
            }
            var read = 0
            let error = stlm_read(0, pages + count, Self.pipeByteLimit - count, &read)
            if error != 0 {
                complain("standard input cannot be read (%n); give a file", name: stlm_error_text(error))
                stlm_pages_release(pages, Self.pipeByteLimit)
                return nil
            }
            if read == 0 { break }
            count += read
        }
        mapped = nil
        descriptor = -1
        self.pages = pages
        bytes = UnsafeBufferPointer(start: UnsafeRawPointer(pages).assumingMemoryBound(to: UInt8.self), count: count)
    }

    /// - Parameters:
    ///   - isLimited: what was read of a file leaves memory as it goes
    func pages(isLimited: Bool) -> TextPages {
        if isLimited, let mapped { stlm_window_begin(mapped, bytes.count, descriptor) }
        return TextPages(mapped: isLimited ? mapped : nil, byteCount: bytes.count)
    }

    deinit {
        if let mapped { stlm_file_unmap(mapped, bytes.count, descriptor) }
        if let pages { stlm_pages_release(pages, Self.pipeByteLimit) }
    }
}

/// Which pages of a text are in memory: all of one that came through a pipe; of a file, where memory is limited, what was read last.
struct TextPages {
    private let mapped: UnsafeRawPointer?
    private let byteCount: Int
    private var passedByteCount = 0
    /// What is read before it is dropped, and what is mapped beside it: the pages around those that are read.
    private static let stepByteCount = 131_072, aroundByteCount = 262_144

    init(mapped: UnsafeRawPointer?, byteCount: Int) {
        self.mapped = mapped
        self.byteCount = byteCount
    }

    /// Bytes in memory before the text is read again, and at most.
    var residentByteCount: Int { mapped == nil ? byteCount : 0 }
    var mostByteCount: Int { mapped == nil ? byteCount + 4_096 : min(byteCount + 4_096, Self.stepByteCount + Self.aroundByteCount) }

    /// So many bytes were read.
    mutating func pass(_ count: Int) {
        passedByteCount += count
        if passedByteCount >= Self.stepByteCount { drop() }
    }

    mutating func drop() {
        passedByteCount = 0
        if let mapped { stlm_file_forget(mapped, byteCount) }
    }
}
