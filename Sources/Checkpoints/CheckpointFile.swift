import Foundation

/// The bytes of a file, mapped rather than read, so that what nobody asks for (optimizer state) is never loaded.
public enum CheckpointFile {
    /// Maps the file at `path`.
    ///
    /// - Throws: `CheckpointError.unreadable` with the system's reason.
    public static func bytes(path: String) throws(CheckpointError) -> Data {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw .unreadable("There is no file \(quoted(path)); check the path.")
        }
        if isDirectory.boolValue {
            throw .unreadable("\(quoted(path)) is a folder, not a file; give the path of the file inside it.")
        }
        do {
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
            // Mapping zero bytes is an error of the system; an empty file is a fact for the reader of the format.
            return size == 0 ? try Data(contentsOf: URL(fileURLWithPath: path))
                : try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        } catch {
            let reason = (error as NSError).userInfo[NSUnderlyingErrorKey].map { "\($0)" } ?? error.localizedDescription
            throw .unreadable("The file \(quoted(path)) cannot be read (\(reason.prefix(200))); check its permissions.")
        }
    }
}
