import Foundation
import PackedSupport
import STLM
import TestSupport
import Testing

/// Text as an asynchronous sequence.
@Suite struct AsyncGeneratorTests {
    /// One that never ends by itself.
    private func endless(_ work: Int64 = 1) throws -> AsyncGenerator {
        AsyncGenerator(try Generator(try MappedModel(SmallModels.merges), GeneratorOptions(slides: true, ignoresEnd: true, stepWork: work)))
    }

    @Test(arguments: SmallModels.written, [Int64(1), 1 << 23]) func piecesAreTheText(_ path: String, _ work: Int64) async throws {
        let model = try MappedModel(path)
        var generator = try Generator(model, GeneratorOptions(slides: true))
        (generator.tokenLimit, generator.byteLimit) = (30, 100)
        generator.setSeed(3)
        let expected = try (generator.text(after: "the"), generator.text(after: " teeth"))
        let writer = AsyncGenerator(try Generator(model, GeneratorOptions(slides: true, stepWork: work)))
        await writer.use {
            ($0.tokenLimit, $0.byteLimit) = (30, 100)
            $0.setSeed(3)
        }
        var first = "", second = ""
        for try await piece in writer.text(after: "the") { first += piece }
        let ending = await writer.use { $0.ending }
        for try await piece in writer.text(after: " teeth") { second += piece }
        #expect((first, second) == expected && ending != nil)
        // An iterator that has ended stays so.
        var iterator = writer.text(after: "").makeAsyncIterator()
        while let piece = try await iterator.next() { #expect(!piece.isEmpty) }
        let more = try await iterator.next()
        #expect(more == nil)
    }

    /// A task that is cancelled gets no piece more: not a single step is done, and the generator can be used.
    @Test func cancellationEndsItWithinAStep() async throws {
        let writer = try endless()
        let task = Task {
            var iterator = writer.text(after: "the end").makeAsyncIterator(), count = 0
            for _ in 0..<5 { if try await iterator.next() != nil { count += 1 } }
            let before = await writer.use { $0.drawnCount }
            withUnsafeCurrentTask { $0!.cancel() }
            do {
                _ = try await iterator.next()
                Issue.record("it was not cancelled")
            } catch STLMError.cancelled {}
            let after = await writer.use { ($0.drawnCount, $0.isAtRest, $0.position) }
            #expect(count == 5 && after.0 == before && after.1 && after.2 > 0)
            let more = try await iterator.next()
            #expect(more == nil)
        }
        try await task.value
        // What was written stays, and another text goes on.
        await writer.use { $0.tokenLimit = 4 }
        var text = ""
        for try await piece in writer.text(after: " then") { text += piece }
        let state = await writer.use { ($0.ending, $0.drawnCount) }
        #expect(state == (.tokenLimit, 4))
    }

    /// From another task, in the midst of work that would never end.
    @Test func aTaskIsCancelledByAnother() async throws {
        let writer = try endless(1 << 16)
        let task = Task { () throws -> Int in
            var count = 0
            for try await piece in writer.text(after: "the") { count += piece.utf8.count }
            return count
        }
        // Work has begun, and others come in between.
        while await writer.use({ $0.drawnCount }) < 20 { await Task.yield() }
        task.cancel()
        guard case .failure(let error) = await task.result, case STLMError.cancelled = error else {
            Issue.record("it was not cancelled")
            return
        }
        let isAtRest = await writer.use { $0.isAtRest }
        #expect(isAtRest)
    }

    /// A loop that is left early is given up with the next text; of two texts at once the second is refused.
    @Test func aTextThatNobodyReadsIsGivenUp() async throws {
        let writer = try endless()
        for try await _ in writer.text(after: "the") { break }
        let isUnderWay = await writer.use { !$0.isAtRest }
        #expect(isUnderWay)
        var iterator = writer.text(after: " then").makeAsyncIterator()
        let piece = try await iterator.next()
        #expect(piece != nil)
        await #expect(throws: STLMError.self) { for try await _ in writer.text(after: " that") { break } }
        // The first goes on.
        let next = try await iterator.next()
        #expect(next != nil)
        withExtendedLifetime(iterator) {}
    }

    @Test func errorsComeThroughTheSequence() async throws {
        let writer = AsyncGenerator(try Generator(try MappedModel(SmallModels.merges)))
        do throws(STLMError) {
            for try await _ in writer.text(after: String(repeating: "a b ", count: 20)) { Issue.record("something was written") }
            Issue.record("nothing was refused")
        } catch {
            #expect("\(error)".contains("80 positions"))
        }
        // It is at rest, and serves the next.
        var text = ""
        for try await piece in writer.text(after: "the") { text += piece }
        #expect(!text.isEmpty)
    }
}
