import CPlatform
import Console

/// Writes a file that appears under its name only when it is complete; false after a complaint.
package func writeFile(_ path: Arguments.Word, _ body: (inout Writer) -> Void) -> Bool {
    guard let file = OutputFile(path) else { return false }
    var out = Writer(file.descriptor)
    body(&out)
    out.flush()
    return file.commit(out.error)
}

/// A file that appears under its name only when it is complete.
struct OutputFile: ~Copyable {
    let path: Arguments.Word
    let descriptor: Int32
    private var temporary = InlineArray<4096, CChar>(repeating: 0)
    private var isOpen = true

    /// nil after a complaint.
    init?(_ path: Arguments.Word) {
        self.path = path
        var descriptor: Int32 = -1
        let error = withUnsafeMutableBytes(of: &temporary) {
            stlm_file_begin(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count, &descriptor)
        }
        self.descriptor = descriptor
        if error != 0 {
            isOpen = false
            complain("%n cannot be written (%d); check the path", name: path, detail: stlm_error_text(error))
            return nil
        }
    }

    /// Puts the file in its place, unless writing it failed.
    consuming func commit(_ writeError: Int32) -> Bool {
        if writeError != 0 {
            complain("%n cannot be written (%d); the file is left as it was, check the disk", name: path, detail: stlm_error_text(writeError))
            return false
        }
        isOpen = false
        let path = self.path
        let descriptor = self.descriptor
        let error = withUnsafeBytes(of: &temporary) {
            stlm_file_commit(descriptor, $0.baseAddress!.assumingMemoryBound(to: CChar.self), path)
        }
        if error != 0 {
            complain("%n cannot be written (%d); the file is left as it was, check the disk", name: path, detail: stlm_error_text(error))
        }
        return error == 0
    }

    deinit {
        if isOpen {
            withUnsafeBytes(of: temporary) {
                stlm_file_abandon(descriptor, $0.baseAddress!.assumingMemoryBound(to: CChar.self))
            }
        }
    }
}
