import Foundation

/// Test data that lies beside the checkout, not in it: the folder `STLM_SHARED`, else `../shared`. Tests that need
/// what is not there are skipped.
public enum SharedData {
    public static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["STLM_SHARED"] { return URL(fileURLWithPath: path) }
        // Tests/TestSupport/SharedData.swift, so three levels up is the package.
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return package.deletingLastPathComponent().appendingPathComponent("shared")
    }()

    /// The path of a file below the folder, such as `data/weights/stories260K.bin`.
    public static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    public static func holds(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
}
