import Foundation
import PackedSupport

/// A memory control group of the kernel, version 1 or 2, in which a program is killed when it takes more than its limit.
final class MemoryGroup {
    private let path: String
    private let isUnified: Bool

    /// nil where no group can be made.
    init?(byteLimit: Int) {
        let name = "stlm-test-\(ProcessInfo.processInfo.processIdentifier)-\(UInt32.random(in: 0 ... .max))"
        let roots = [("/sys/fs/cgroup/memory", false), ("/sys/fs/cgroup", true)]
        for (root, isUnified) in roots {
            let path = "\(root)/\(name)"
            guard mkdir(path, 0o755) == 0 else { continue }
            let limit = isUnified ? "memory.max" : "memory.limit_in_bytes"
            if Self.write("\(byteLimit)", "\(path)/\(limit)") {
                (self.path, self.isUnified) = (path, isUnified)
                // No swap, where there is any.
                _ = Self.write("0", "\(path)/\(isUnified ? "memory.swap.max" : "memory.swappiness")")
                return
            }
            rmdir(path)
        }
        return nil
    }

    deinit { rmdir(path) }

    static var isThere: Bool { MemoryGroup(byteLimit: 1 << 24) != nil }

    /// The most that was charged to the group, the system's cache for its files included.
    var peak: Int? {
        let text = try? String(contentsOfFile: "\(path)/\(isUnified ? "memory.peak" : "memory.max_usage_in_bytes")", encoding: .utf8)
        return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    func run(_ program: String, _ words: [String]) throws -> Program.Outcome {
        try Program.call("/bin/sh", ["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"", path, program] + words)
    }

    private static func write(_ text: String, _ path: String) -> Bool {
        let file = open(path, O_WRONLY)
        if file < 0 { return false }
        defer { close(file) }
        return text.utf8.withContiguousStorageIfAvailable { Glibc.write(file, $0.baseAddress, $0.count) == $0.count } ?? false
    }
}
