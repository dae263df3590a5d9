import Foundation
import PackedSupport
import STLM
import TestSupport
import Testing

/// Who owns what, and until when.
@Suite struct GeneratorLifeTests {
    /// True while a file is mapped into this process.
    private func isMapped(_ path: String) throws -> Bool {
        let maps = try #require(try FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd())
        return String(decoding: maps, as: UTF8.self).contains(path)
    }

    /// A copy of a model file of its own name, so that only this test maps it.
    private func copied(_ name: String) throws -> String {
        try SmallModels.folder.file(name, [UInt8](try Data(contentsOf: URL(fileURLWithPath: SmallModels.merges))))
    }

    /// A model that goes before its generators takes nothing from them; the last one unmaps the file.
    @Test func theFileStaysUntilTheLastGeneratorIsGone() throws {
        let path = try copied("life.stlm")
        func made() throws -> Generator {
            let model = try MappedModel(path)
            var first = try Generator(model)
            let second = try Generator(model)
            _ = try first.text(after: "the")
            first.close()
            return second
        }
        var generator = try made()
        #expect(try isMapped(path))
        let expected = try { () throws(STLMError) in
            var other = try Generator(try MappedModel(SmallModels.merges))
            return try other.text(after: "the end")
        }()
        #expect(try generator.text(after: "the end") == expected)
        generator.close()
        #expect(try !isMapped(path))
        let model = try MappedModel(path)
        #expect(try isMapped(path))
        model.close()
        #expect(try !isMapped(path))
    }

    /// One that fails to open leaves nothing behind; neither does a generator that is refused.
    @Test func whatIsRefusedLeavesNothing() throws {
        let path = try copied("refused.stlm")
        do {
            let model = try MappedModel(path)
            for _ in 0..<3 { #expect(throws: STLMError.self) { _ = try Generator(model, GeneratorOptions(contextTokenCount: 1_000_000)) } }
        }
        #expect(try !isMapped(path))
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        bytes[40] ^= 1
        let damaged = try SmallModels.folder.file("damaged.stlm", bytes)
        #expect(throws: STLMError.self) { _ = try MappedModel(damaged) }
        #expect(try !isMapped(damaged))
    }

    /// Generators of one model in several threads, each with the text that it has alone.
    @Test func generatorsShareAModel() async throws {
        let path = try copied("shared.stlm")
        func text(_ seed: Int, _ generator: consuming Generator) throws -> String {
            generator.setSeed(UInt64(seed))
            return try (0..<20).map { _ in
                generator.reset()
                return try generator.text(after: "the")
            }.joined(separator: "|")
        }
        let alone = try (0..<6).map { try text($0, try Generator(try MappedModel(SmallModels.merges))) }
        let together = try await withThrowingTaskGroup(of: (Int, String).self) { group in
            let model = try MappedModel(path)
            for seed in 0..<6 {
                let generator = Unsent(try Generator(model))
                group.addTask { (seed, try text(seed, generator.take())) }
            }
            model.close()
            return try await group.reduce(into: Array(repeating: "", count: 6)) { $0[$1.0] = $1.1 }
        }
        #expect(together == alone)
        #expect(try !isMapped(path))
    }

    /// A cancelled text leaves the generator at rest; what was read stays, and a prompt goes on from there.
    @Test(arguments: [SmallModels.merges, SmallModels.decoder]) func whatIsCancelledCanGoOn(_ path: String) throws {
        let model = try MappedModel(path), options = GeneratorOptions(ignoresEnd: true, stepWork: 1)
        var straight = try Generator(model, options)
        straight.tokenLimit = 6
        let expected = try straight.answer("the")
        // At every step: what was drawn until then, and after it what would have come.
        for stop in stride(from: 0, to: expected.steps, by: 7) {
            var generator = try Generator(model, options)
            generator.tokenLimit = 6
            var steps = 0, text: [UInt8] = []
            do throws(STLMError) {
                try generator.begin(prompt: "the")
                try generator.finish(shouldStop: {
                    steps += 1
                    return steps > stop
                }) { text += $0 }
                Issue.record("it was not cancelled")
            } catch {
                guard case .cancelled = error else { throw error }
            }
            #expect(steps == stop + 1 && generator.isAtRest && generator.ending == nil)
            #expect(expected.text.starts(with: text))
            // Where the prompt was read whole, an empty one goes on to the same text.
            let drawn = generator.drawnCount
            if drawn == 0 { continue }
            generator.tokenLimit = 6 - drawn
            #expect(try generator.answer("").ids == Array(expected.ids.dropFirst(drawn * model.model.outputSize)), "\(stop)")
        }
    }
}

/// A value that goes into a task once.
private final class Unsent: @unchecked Sendable {
    private var generator: Generator?
    init(_ generator: consuming Generator) { self.generator = consume generator }
    func take() -> Generator { generator.take()! }
}
