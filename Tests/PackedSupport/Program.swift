import Foundation

/// The programs as processes: they lie beside the tests that run now.
public struct Program: Sendable {
    public static let run = Program(name: "stlm-run")
    public static let pack = Program(name: "stlm-pack")
    public static let budget = Program(name: "stlm-budget")

    public let name: String
    public init(name: String) { self.name = name }

    public static let folder: URL = {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: own ?? CommandLine.arguments[0]).deletingLastPathComponent()
    }()

    public var path: String { Self.folder.appendingPathComponent(name).path }
    public var exists: Bool { FileManager.default.isExecutableFile(atPath: path) }

    public struct Outcome: Sendable {
        /// The exit status; 128 and the number of the signal that ended the process.
        public let status: Int32
        public let output: [UInt8]
        public let errors: String
        public var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Runs the program to its end.
    @discardableResult
    public func callAsFunction(
        _ words: String..., input: [UInt8]? = nil, environment: [String: String] = [:], folder: String? = nil
    ) throws -> Outcome {
        try call(words, input: input, environment: environment, folder: folder)
    }

    public func call(
        _ words: [String], input: [UInt8]? = nil, environment: [String: String] = [:], folder: String? = nil
    ) throws -> Outcome {
        try Self.call(path, words, input: input, environment: environment, folder: folder)
    }

    /// Runs a line of the shell in which `$run`, `$pack` and `$budget` are the programs.
    public static func shell(_ line: String, folder: String, environment: [String: String] = [:]) throws -> Outcome {
        var environment = environment
        environment["run"] = run.path
        environment["pack"] = pack.path
        environment["budget"] = budget.path
        return try call("/bin/sh", ["-c", line], input: nil, environment: environment, folder: folder)
    }

    public static func call(
        _ path: String, _ words: [String], input: [UInt8]? = nil, environment: [String: String] = [:], folder: String? = nil
    ) throws -> Outcome {
        // Files in place of pipes: nothing can wait for a reader.
        let place = try TemporaryFolder()
        let out = place.path("out"), err = place.path("err"), into = place.path("in")
        _ = FileManager.default.createFile(atPath: out, contents: nil)
        _ = FileManager.default.createFile(atPath: err, contents: nil)
        _ = FileManager.default.createFile(atPath: into, contents: Data(input ?? []))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = words
        var all = ProcessInfo.processInfo.environment
        all["STLM_CPU"] = nil
        for (key, value) in environment { all[key] = value }
        process.environment = all
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        process.standardInput = FileHandle(forReadingAtPath: into)
        process.standardOutput = FileHandle(forWritingAtPath: out)
        process.standardError = FileHandle(forWritingAtPath: err)
        try process.run()
        process.waitUntilExit()
        let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        return Outcome(
            status: status, output: [UInt8](try Data(contentsOf: URL(fileURLWithPath: out))),
            errors: String(decoding: try Data(contentsOf: URL(fileURLWithPath: err)), as: UTF8.self))
    }
}

/// A folder that goes with the value that names it.
public final class TemporaryFolder: Sendable {
    public let url: URL

    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("stlm-tests-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    public func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    /// Writes a file and returns its path.
    public func file(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
        return path(name)
    }

    public func bytes(_ name: String) -> [UInt8]? {
        (try? Data(contentsOf: URL(fileURLWithPath: path(name)))).map { [UInt8]($0) }
    }

    public var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }
}
