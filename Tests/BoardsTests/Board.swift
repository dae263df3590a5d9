import Foundation
import PackedSupport

/// A board that the tests run: its Embedded builds, directly or under emulation.
struct Board: CustomStringConvertible, Sendable {
    let name: String
    let emulator: String?
    /// What the emulator is to be where a test does not say.
    var cpu: String?
    /// Built by the tests where it is not, which takes a minute.
    var builds = true

    static let x86 = Board(name: "x86_64", emulator: nil)
    static let aarch64 = Board(name: "aarch64", emulator: "qemu-aarch64-static")
    static let armv7 = Board(name: "armv7", emulator: "qemu-arm-static", cpu: "cortex-a7", builds: isWhole)
    static let armv6 = Board(name: "armv6", emulator: "qemu-arm-static", cpu: "arm1176", builds: isWhole)
    static let riscv64 = Board(name: "riscv64", emulator: "qemu-riscv64-static", builds: isWhole)
    /// Those that all tests of boards run; in an ordinary run the others are only compared with Formats/vectors.
    static let all = isWhole ? every : [x86, aarch64]
    static let every = [x86, aarch64, armv7, armv6, riscv64]
    /// Every test on every board, and all that tests can do: minutes (STLM_BOARDS=all).
    static let isWhole = ProcessInfo.processInfo.environment["STLM_BOARDS"] == "all"

    var description: String { name }
    var folder: String { Package.path(".build/boards/\(name)") }

    /// What came of building for the board.
    enum State: Sendable, Equatable {
        case ready
        /// This machine lacks what it takes.
        case unavailable(String)
        case failed(String)
    }

    /// Builds each board once a test run, unless it was built after the last change of a source.
    private static let states: [String: State] = {
        var states: [String: State] = [:]
        for board in every { states[board.name] = board.make() }
        return states
    }()

    var state: State { Self.states[name]! }
    var isAvailable: Bool { if case .unavailable = state { false } else { true } }

    private func make() -> State {
        #if !arch(x86_64)
        if emulator == nil { return .unavailable("another CPU") }
        #endif
        if let emulator, Package.find(emulator) == nil { return .unavailable("no \(emulator)") }
        if isFresh { return .ready }
        if !builds { return .unavailable("not built since a source changed: Tools/boards/build \(name)") }
        guard let outcome = try? Program.call(Package.path("Tools/boards/build"), [name]) else { return .failed("does not start") }
        if outcome.status == 0 { return .ready }
        return outcome.errors.contains("cannot be fetched") ? .unavailable(outcome.errors) : .failed(outcome.errors)
    }

    private var isFresh: Bool {
        func date(_ path: String) -> Date? {
            (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date
        }
        // What is linked last.
        guard let built = date(folder + "/kernel-check") else { return false }
        if let script = date(Package.path("Tools/boards/build")), script > built { return false }
        return ["Sources", "Tests/KernelCheck"].map(Package.path).allSatisfy { root in
            let files = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
            return files.allSatisfy { (date("\(root)/\($0)") ?? .distantPast) < built }
        }
    }

    /// - Parameters:
    ///   - program: what of the board's folder is to run
    ///   - cpu: what the emulator is to be
    func run(
        _ words: [String], program: String = "stlm-run", cpu: String? = nil, environment: [String: String] = [:]
    ) throws -> Program.Outcome {
        let program = "\(folder)/\(program)"
        guard let emulator else { return try Program.call(program, words, environment: environment) }
        let model = (cpu ?? self.cpu).map { ["-cpu", $0] } ?? []
        return try Program.call(Package.find(emulator)!, model + [program] + words, environment: environment)
    }
}

/// The package's own folder, and programs of the machine.
enum Package {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// A program on the path.
    static func find(_ program: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(program)" }
            .first(where: FileManager.default.isExecutableFile)
    }
}
