import Foundation
import Packing
import TestSupport

/// What a program has in memory at most, as the system counts it.
public enum PeakMemory {
    private static let watcher = Program(name: "peak-memory")
    public static var isMeasured: Bool { watcher.exists }

    /// - Returns: what came of a run, and the most bytes that were resident of it.
    public static func call(_ program: String, _ words: [String], environment: [String: String] = [:]) throws -> (outcome: Program.Outcome, byteCount: Int) {
        let folder = try TemporaryFolder()
        let outcome = try watcher.call([folder.path("peak"), program] + words, environment: environment)
        return (outcome, Int(String(decoding: folder.bytes("peak") ?? [], as: UTF8.self)) ?? 0)
    }

    /// Files that need more than the limits under which they are run.
    public struct Trial: Sendable {
        public let folder: TemporaryFolder
        public let model: String
        public let byteCount: Int
        public let verbs: [[String]]

        /// A model of 20 MB with a tokenizer, and texts of 4 MB which are mostly blank.
        public init() throws {
            let source = SyntheticLlama2 {
                ($0.hiddenSize, $0.feedForwardSize, $0.layerCount, $0.headCount, $0.kvHeadCount) = (512, 1_376, 6, 8, 8)
                ($0.vocabularySize, $0.contextSize) = (SyntheticTokenizer.llama2VocabularySize, 64)
            }
            folder = try TemporaryFolder()
            let bytes = try source.packed(.int8, tokenizer: SyntheticTokenizer.llama2()).bytes
            byteCount = bytes.count
            model = try folder.file("model.stlm", bytes)
            let blank = String(repeating: " ", count: 1 << 20) + "\n", space = String(repeating: blank, count: 4)
            let text = try folder.file("text", ("the hen saw the hat. " + space + "then the hat sat there.").utf8)
            let task = #"{"prefix": "the hen", "options": ["sat there", "ran", "x"], "answer": 1}"# + "\n"
            let tasks = try folder.file("tasks", (task + space + task).utf8)
            // What is written back to the disk later cannot leave the system's memory, and a fault may map much of it at once.
            for name in ["model.stlm", "text", "tasks"] { try FileHandle(forWritingTo: folder.url.appendingPathComponent(name)).synchronize() }
            let ids = (0..<40).map { "\(3 + $0 * 37 % 250)" }.joined(separator: " ")
            verbs = [
                ["self-check", model], ["score", model, "--file", text, "--split", "\n"], ["choose", model, "--file", tasks],
                ["logits", model, "--ids", ids, "--out", folder.path("l.npy")], ["bench", model, "-p", "20", "-n", "4", "--rounds", "1"],
                [model, "--ids", ids, "-n", "8", "--ignore-eos"], [model, "-p", "the hen", "-n", "8", "--one-of", "the hat", "--one-of", "there"],
            ]
        }

        /// The limit that a run says it needs at least.
        public func least(_ program: String, _ words: [String], environment: [String: String] = [:]) throws -> Int? {
            let refusal = try Program.call(program, words + ["--memory-limit", "1MB"], environment: environment)
            return refusal.errors.firstMatch(of: /([0-9]+) bytes are needed at least/).flatMap { Int($0.1) }
        }
    }
}
