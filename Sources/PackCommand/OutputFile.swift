import CPlatform
import Foundation
import Packing

/// A file that appears under its name only when it is complete: temporary name, sync, rename.
enum OutputFile {
    /// Ends the process with 130 if it is interrupted, the temporary file removed. Before this nothing needs cleaning up, so that
    /// signals keep their usual meaning until here.
    static func write(_ bytes: [UInt8], to path: String) throws(PackError) {
        stlm_signals_install()
        var name = [CChar](repeating: 0, count: 4096)
        var descriptor: Int32 = -1
        var error = stlm_file_begin(path, &name, name.count, &descriptor)
        if error != 0 { throw .system(path: path, reason: text(error)) }
        let partByteCount = 1 << 20
        var start = 0
        while start < bytes.count, error == 0 {
            if stlm_signal_received() != 0 {
                stlm_file_abandon(descriptor, name)
                exit(130)
            }
            let count = min(partByteCount, bytes.count - start)
            error = bytes.withUnsafeBytes { stlm_write(descriptor, $0.baseAddress! + start, count) }
            start += count
        }
        if error != 0 {
            stlm_file_abandon(descriptor, name)
        } else {
            error = stlm_file_commit(descriptor, name, path)
        }
        if error != 0 { throw .system(path: path, reason: text(error)) }
    }

    private static func text(_ error: Int32) -> String { String(cString: stlm_error_text(error)) }
}
