#if !hasFeature(Embedded)
/// A generator for programs with tasks: its text comes as an asynchronous sequence.
///
/// ```swift
/// let writer = AsyncGenerator(try Generator(model))
/// await writer.use { $0.tokenLimit = 100 }
/// for try await piece in writer.text(after: "Once upon a time") { print(piece, terminator: "") }
/// ```
///
/// It is an actor and works on its own executor, never on the caller's: on the threads that all tasks share, on one of them at a time. A
/// task of one step's work (`GeneratorOptions.stepWork`, about a millisecond) lies between two points at which it gives its thread to others
/// and looks whether it was cancelled. Threads of `GeneratorOptions.threadCount` are the generator's own, and rest between steps.
public actor AsyncGenerator {
    private var generator: Generator
    /// Whose text is under way; nil where nobody waits for it any more.
    private weak var current: Generation?

    /// Takes a generator over.
    public init(_ generator: consuming Generator) { self.generator = generator }

    /// What comes after a prompt, which begins a sequence or goes on with the last. Work begins with the first piece that is asked for.
    public nonisolated func text(after prompt: String) -> TextPieces { TextPieces(generator: self, prompt: prompt) }

    /// Does something else with the generator, all at once: settings, costs, saving. While a text is under way it comes between two steps.
    public func use<Result: Sendable, Failure: Error>(
        _ body: @Sendable (inout Generator) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(&generator)
    }

    fileprivate func next(_ generation: Generation) async throws(STLMError) -> String? {
        if generation.isDone { return nil }
        if !generation.hasBegun {
            // A text that nobody waits for any more is given up.
            if current == nil { generator.cancel() }
            try generator.begin(prompt: generation.prompt)
            (generation.hasBegun, current) = (true, generation)
        }
        while true {
            if Task.isCancelled {
                generator.cancel()
                generation.isDone = true
                throw .cancelled
            }
            do throws(STLMError) {
                if case .ended = try generator.step() { generation.isDone = true }
            } catch {
                generation.isDone = true
                throw error
            }
            let text = generator.text
            if !text.isEmpty { return text }
            if generation.isDone { return nil }
            await Task.yield()
        }
    }
}

/// The text after a prompt, piece by piece, each of whole characters.
///
/// Where the task that reads it is cancelled it throws `STLMError.cancelled` within one step; the generator is then at rest, keeps what was
/// read and written, and a prompt goes on from there. A loop that is left early comes to the same with the next text that is asked for. Of two
/// texts at the same time the second throws `workUnderWay`. Each iterator writes a text of its own.
public struct TextPieces: AsyncSequence, Sendable {
    public typealias Element = String
    public typealias Failure = STLMError

    fileprivate let generator: AsyncGenerator
    fileprivate let prompt: String

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(generator: generator, generation: Generation(prompt)) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let generator: AsyncGenerator
        fileprivate let generation: Generation

        public mutating func next() async throws(STLMError) -> String? { try await generator.next(generation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(STLMError) -> String? {
            try await generator.next(generation)
        }
    }
}

/// One text: touched by the generator's actor alone, but for the prompt.
private final class Generation: @unchecked Sendable {
    let prompt: String
    var hasBegun = false
    var isDone = false

    init(_ prompt: String) { self.prompt = prompt }
}
#endif
