import CPlatform
import Foundation
import Packing

/// A file that appears under its name only when it is complete: temporary name, sync, rename.
enum OutputFile {
    static func write(_ bytes: [UInt8], to path: String) throws(PackError) {
        var name = [CChar](repeating: 0, count: 4096)
        var descriptor: Int32 = -1
        var error = stlm_file_begin(path, &name, name.count, &descriptor)
        if error != 0 { throw .system(path: path, reason: String(cString: stlm_error_text(error))) }
        error = bytes.withUnsafeBytes { stlm_write(descriptor, $0.baseAddress, $0.count) }
        if error != 0 {
            stlm_file_abandon(descriptor, name)
        } else {
            error = stlm_file_commit(descriptor, name, path)
        }
        if error != 0 { throw .system(path: path, reason: String(cString: stlm_error_text(error))) }
    }
}
