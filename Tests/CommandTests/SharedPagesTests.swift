import Foundation
import PackedSupport
import Testing

/// Sums of what /proc/PID/smaps says of a file's mappings, in kB; nil where it cannot be read.
private struct Mapping {
    static let isReadable = Mapping(of: "", ProcessInfo.processInfo.processIdentifier) != nil

    var sums: [String: Int] = [:]
    var isWritable = false

    init?(of path: String, _ process: Int32) {
        guard let bytes = try? FileHandle(forReadingAtPath: "/proc/\(process)/smaps")?.readToEnd(), !bytes.isEmpty else { return nil }
        var isOfFile = false
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            if words[0].hasSuffix(":") {
                guard isOfFile, words.count == 3, let number = Int(words[1]) else { continue }
                sums[String(words[0].dropLast()), default: 0] += number
            } else {
                // "7f12a4000000-7f12a4e00000 r--p 00000000 fd:00 1234   /tmp/model.stlm"
                isOfFile = line.hasSuffix(" " + path)
                if isOfFile, words[1].contains("w") { isWritable = true }
            }
        }
    }

    subscript(_ name: String) -> Int { sums[name] ?? 0 }
    // What the system has not written to the disk yet counts as dirty.
    var shared: Int { self["Shared_Clean"] + self["Shared_Dirty"] }
    var own: Int { self["Private_Clean"] + self["Private_Dirty"] }
}

/// Processes that run one model file at the same time have its pages in common: what the kernel says of both while they run.
@Suite(.enabled(if: Program.run.exists), .enabled(if: Mapping.isReadable, "/proc/PID/smaps cannot be read here")) struct SharedPagesTests {
    /// A run that cannot end: it has more to write than its pipe holds.
    private final class EndlessRun {
        private let process = Process()
        private let pipe = Pipe()

        init(_ words: [String]) throws {
            process.executableURL = URL(fileURLWithPath: Program.run.path)
            process.arguments = words
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = pipe
            process.standardError = FileHandle.nullDevice
            try process.run()
        }

        var identifier: Int32 { process.processIdentifier }
        var isRunning: Bool { process.isRunning }

        /// Waits for the first ids: all of the model has been read by then.
        func waitForText() -> Bool { (try? pipe.fileHandleForReading.read(upToCount: 1))?.count == 1 }

        deinit {
            // It waits for its pipe to be read, which a signal that can be caught does not change.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }

    @Test func twoProcessesShareThePagesOfAModel() throws {
        let folder = try TemporaryFolder()
        // A name of its own: no other process has this file mapped. Foundation's temporary folder may be a link.
        let bytes = try Data(contentsOf: URL(fileURLWithPath: CommandFixture.merges))
        let path = URL(fileURLWithPath: try folder.file("model.stlm", bytes)).resolvingSymlinksInPath().path
        let words = [path, "--ids", "1 2 3 4 5 6 7 8", "-n", "1000000000", "--slide", "--ignore-eos", "--seed"]
        let alone = try EndlessRun(words + ["1"])
        #expect(alone.waitForText())
        let single = try #require(Mapping(of: path, alone.identifier))
        // As long as it is alone, what it has is its own: the test sees a difference.
        #expect(single["Rss"] > 0 && single.own == single["Rss"] && single.shared == 0, "\(single.sums)")

        let other = try EndlessRun(words + ["2"])
        #expect(other.waitForText())
        let both = try [alone, other].map { try #require(Mapping(of: path, $0.identifier)) }
        #expect(alone.isRunning && other.isRunning)
        for mapping in both {
            #expect(mapping["Rss"] * 1024 > bytes.count / 2 && mapping.shared == mapping["Rss"], "\(mapping.sums)")
            #expect(mapping.own == 0, "\(mapping.sums)")
            // Each is charged for half of them.
            #expect(mapping["Pss"] <= mapping["Rss"] / 2 + 1 && mapping["Anonymous"] == 0 && !mapping.isWritable, "\(mapping.sums)")
        }
    }
}
