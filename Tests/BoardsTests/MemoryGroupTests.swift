import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// The limit kept for real: in a memory control group that kills what takes more.
@Suite(.serialized, .enabled(if: MemoryGroup.isThere && Board.x86.isAvailable)) struct MemoryGroupTests {
    /// The shape of 15M weights, without a tokenizer: 15 MB.
    private static let model = SyntheticLlama2 {
        ($0.hiddenSize, $0.feedForwardSize, $0.layerCount, $0.headCount, $0.kvHeadCount) = (288, 768, 6, 6, 6)
        ($0.vocabularySize, $0.contextSize) = (32_000, 256)
    }

    @Test func aModelRunsInLittleMoreThanTheLeast() throws {
        #expect(Board.x86.state == .ready)
        let folder = try TemporaryFolder(), path = try folder.file("15M.stlm", Self.model.packed(.int8).bytes)
        let program = Board.x86.folder + "/stlm-run"
        let words = [path, "--ids", "1 2 3", "-n", "10", "--temp", "0", "--ignore-eos", "--threads", "2", "--stats"]
        let free = try Program.call(program, words)
        #expect(free.status == 0)

        let refusal = try Program.call(program, words + ["--memory-limit", "1MB"])
        let least = try #require(refusal.errors.split { !$0.isNumber }.dropFirst().first.flatMap { Int($0) })
        #expect(refusal.status == 1 && refusal.errors.contains("\(least) bytes are needed at least") && least < 9_000_000)

        let group = try #require(MemoryGroup(byteLimit: least + least / 20 + 1_048_576))
        let kept = try group.run(program, words + ["--memory-limit", "\(least + 65_536)"])
        #expect(kept.status == 0 && kept.output == free.output, "\(kept.status) \(kept.errors)")
        #expect(kept.errors.contains("bytes were read and dropped"))
        // The group did limit it.
        #expect(try #require(group.peak) > least / 4 && group.peak! <= least + least / 20 + 1_048_576)

        let small = try #require(MemoryGroup(byteLimit: least * 3 / 4))
        let refused = try small.run(program, words + ["--memory-limit", "\(least * 3 / 4)"])
        #expect(refused.status == 1 && refused.output.isEmpty && refused.errors.contains("is too little"), "\(refused.status)")
    }
}
