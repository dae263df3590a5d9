import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport
import Testing

/// Boards of 32 bits: numbers of a hostile file that an Int there does not hold, and sizes beyond its addresses, get the sentence that
/// they get elsewhere, or one of their own; never a trap.
@Suite(.serialized) struct NarrowBoardTests {
    static let boards = [Board.armv7, .armv6].filter(\.isAvailable)

    private let place: TemporaryFolder

    init() throws { place = try TemporaryFolder() }

    /// One word of the header, the region table or a table replaced, all checksums right again.
    private func damaged(_ file: [UInt8], _ numbers: inout SeededNumbers) -> [UInt8] {
        func word(_ offset: Int) -> UInt32 { file[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) } }
        func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
            bytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) -> UInt32 in CRC32.of(bytes.baseAddress!, byteCount: bytes.count) }
        }
        let regionCount = Int(word(24)), tableEnd = 64 + 32 * regionCount
        var result = file
        func put(_ value: UInt32, _ offset: Int) {
            for k in 0..<4 { result[offset + k] = UInt8(truncatingIfNeeded: value >> UInt32(8 * k)) }
        }
        let value: UInt32 = numbers.pick([.max, 1 << 31, 1 << 31 - 1, 1 << 31 - 64, 1 << 30, UInt32(truncatingIfNeeded: numbers.next())])
        let tables = (0..<regionCount).filter { word(64 + 32 * $0) < 64 }
        if numbers.int(0...5) == 0 {
            put(value, numbers.int(0...tableEnd / 4 - 1) * 4)
        } else {
            let record = 64 + 32 * numbers.pick(tables), start = Int(word(record + 8)), count = Int(word(record + 16))
            put(value, start + numbers.int(0...(min(count, 1_024) - 4) / 4) * 4)
            put(checksum(result[start..<start + count]), record + 24)
        }
        put(0, 28)
        put(checksum(result[0..<tableEnd]), 28)
        return result
    }

    @Test(arguments: boards) func numbersThatNoIntHoldsGetTheSameSentence(_ board: Board) throws {
        let vectors = VectorBoardTests.vectors.filter { ["tokens", "decoder", "int8", "pieces"].contains($0.name) }
        var refused = 0, numbers = SeededNumbers(seed: 32)
        let count = Board.isWhole ? 1_500 : 60
        for trial in 0..<count {
            let vector = vectors[trial % vectors.count]
            let file = try [UInt8](Data(contentsOf: URL(fileURLWithPath: vector.path)))
            let model = try place.file("model.stlm", damaged(file, &numbers))
            let ordinary = try Program.run.call(["info", model, "--json", "--threads", "1"])
            let narrow = try board.run(["info", model, "--json", "--threads", "1"])
            #expect(ordinary.status == narrow.status && ordinary.errors == narrow.errors, "\(vector.name) \(trial): \(narrow.errors)")
            // What corrected matrices take of an arena depends on the kernels.
            let arena = /"arena_bytes": [0-9]+/
            #expect(ordinary.text.replacing(arena, with: "") == narrow.text.replacing(arena, with: ""), "\(vector.name) \(trial)")
            if ordinary.status != 0 {
                refused += 1
                continue
            }
            let words = ["logits", model, "--ids", vector.inputs, "--threads", "2", "--out"]
            let first = try Program.run.call(words + [place.path("a.npy")]), second = try board.run(words + [place.path("b.npy")])
            #expect(first.status == second.status && first.errors == second.errors, "\(vector.name) \(trial): \(second.errors)")
            #expect(place.bytes("a.npy") == place.bytes("b.npy"), "\(vector.name) \(trial)")
        }
        #expect(refused > count / 2 && refused < count)
    }

    @Test(arguments: boards) func refusesAFileOfTwoGigabytes(_ board: Board) throws {
        // A hole: it takes no room.
        let model = try place.file("large.stlm", [0x89])
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: model))
        try file.truncate(atOffset: 1 << 31)
        try file.close()
        let run = try board.run(["info", model])
        #expect(run.status == 1 && run.output.isEmpty && run.errors.contains("is larger than 2 GiB"), "\(run.errors)")
    }

    /// 65,536 positions of 40 layers are 2.7 GB of keys and values.
    private static let deep: [UInt8] = try! Array(SyntheticLlama2 {
        ($0.hiddenSize, $0.feedForwardSize, $0.layerCount, $0.headCount, $0.kvHeadCount) = (256, 16, 40, 4, 4)
        ($0.vocabularySize, $0.contextSize) = (64, 65_536)
    }.packed(.int8).bytes)

    @Test(arguments: boards) func refusesAnArenaBeyondTheAddresses(_ board: Board) throws {
        let model = try place.file("deep.stlm", Self.deep)
        let run = try board.run(["info", model])
        #expect(run.status == 1 && run.output.isEmpty && run.errors.contains("more than a process of 32 bits can address"), "\(run.errors)")
        // What would fit is still found.
        let budget = try board.run([model, "--context", "2000", "--limit", "64MB", "--threads", "1"], program: "stlm-budget")
        let ordinary = try Program.budget.call([model, "--context", "2000", "--limit", "64MB", "--threads", "1"])
        #expect(budget.status == 1 && ordinary.status == 1 && budget.text.contains("would fit") && budget.text.contains("--context"), "\(budget.errors)")
        let large = try board.run([model, "--context", "2000", "--limit", "8GB", "--threads", "1"], program: "stlm-budget")
        #expect(large.status == 0 && large.text.contains("fits, "), "\(large.errors)")
    }
}
