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

    /// Ids that no Int of 32 bits holds.
    @Test(arguments: boards) func idsThatNoIntHoldsGetTheSameSentence(_ board: Board) throws {
        let model = VectorBoardTests.vectors.first { $0.name == "tokens" }!.path
        for id in ["2147483647", "2147483648", "4294967295", "99999999999999999999"] {
            for words in [[model, "--ids", "1 \(id)"], ["logits", model, "--ids", "1 \(id)", "--out", place.path("l.npy")]] {
                let ordinary = try Program.run.call(words), narrow = try board.run(words)
                #expect(ordinary.status == 1 && narrow.status == 1 && ordinary.errors == narrow.errors, "\(narrow.status) \(narrow.errors)")
                #expect(narrow.errors.contains("is out of range; this model takes ids 0 to "))
            }
        }
    }

    /// A session file whose numbers were replaced, all checksums right again.
    @Test(arguments: boards) func numbersOfASessionThatNoIntHoldsAreRefused(_ board: Board) throws {
        let model = Package.path("Formats/vectors/tokens.stlm"), saved = place.path("session")
        let words = [model, "--ids", "1 2 3", "-n", "3", "--seed", "1", "--ignore-eos", "--repeat-penalty", "1.2", "--repeat-window", "4"]
        #expect(try Program.run.call(words + ["--save-session", saved]).status == 0)
        let file = try [UInt8](Data(contentsOf: URL(fileURLWithPath: saved)))
        // Inputs: all of them but the last, the last, and what the penalty looks back at.
        for offset in [64, 64 + 4 * 4, 64 + 6 * 4] {
            var bytes = file
            (bytes[offset], bytes[offset + 3]) = (1, 0x80)
            let sum = bytes.withUnsafeBytes { CRC32.of($0.baseAddress!, byteCount: $0.count - 4) }
            for k in 0..<4 { bytes[bytes.count - 4 + k] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * k)) }
            let path = try place.file("damaged", bytes), words = [model, "--ids", "1", "-n", "1", "--session", path]
            let ordinary = try Program.run.call(words), narrow = try board.run(words)
            #expect(narrow.status == 1 && narrow.errors.contains("holds numbers that no session has"), "\(offset): \(narrow.errors)")
            #expect(narrow.status == ordinary.status && narrow.errors == ordinary.errors)
        }
    }

    /// Every wrong use through C, as on boards of 64 bits.
    @Test(.enabled(if: CProgram.clang != nil), arguments: boards) func misuseInCIsSafe(_ board: Board) throws {
        let program = place.path("misuse")
        try CProgram.link(Package.path("Tests/CProgram/misuse.c"), for: board, program)
        let emulator = try #require(Package.find(board.emulator!))
        let outcome = try Program.call(emulator, ["-cpu", board.cpu!, program, Package.path("Formats/vectors/pieces.stlm")])
        #expect(outcome.status == 0 && outcome.text == "as it should be\n", "\(outcome.text)\(outcome.errors)")
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
