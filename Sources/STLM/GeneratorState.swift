import FixedPoint
import Kernels
import ModelFile
import Tokenizers

/// What a `Generator` is, and a session of stlm.h, in its memory. The session, its numbers, stop strings, the text of a step and the arena
/// follow it: `GeneratorPlaces`. What runs a few times a token or less is made small (`@_optimize(size)`), and in one place (`@export(interface)`).
package struct GeneratorState {
    /// What the next piece of work is.
    enum Phase {
        /// At rest.
        case rest
        /// A part of the prompt is put behind the history.
        case gather
        /// What was gathered is read: some positions are embedded, then pass the core step by step.
        case feed, advance
        /// The logits of the last position, a token, and what comes after it.
        case head, draw, token
        /// The next item of a text to score, and what it costs.
        case score, cost
    }

    package let session: UnsafeMutablePointer<Session>
    let stepWork: Int64
    let slides: Bool
    package let ignoresEnd: Bool
    var settings: SamplingSettings

    var phase = Phase.rest
    /// nil before the first, and after a cancel or an error.
    package internal(set) var ending: Generator.Ending?

    // What draws and what is drawn.
    var random = SplitMix64(seed: 0)
    var seed: UInt64 = 0
    var isSeeded = false
    /// The generator is to be saved.
    var isRandomKept = false
    var recent: RecentTokens
    // The limits stand apart: two of them at once, clang would make by an instruction of floating point on AArch64.
    /// Most tokens (blocks) after each prompt; the greatest number is no limit.
    package var tokenLimit = UInt64.max
    package internal(set) var drawnCount: UInt64 = 0
    var bytesLeft: UInt64 = 0
    /// The same of bytes of text.
    package var byteLimit = UInt64.max
    /// What was drawn or scored last, (inputSize), and whether it is yet to be read.
    package let next: UnsafeMutablePointer<UInt32>
    var hasNext = false
    /// A stop string is complete.
    var isStopped = false
    /// Numbers that the last step gave, in `next`.
    package internal(set) var givenCount = 0

    // Text that comes out.
    var stream: TextStream
    /// (plan.pending, as U+FFFD at most), and room for a zero byte
    package let text: UnsafeMutablePointer<UInt8>
    package internal(set) var textCount = 0
    /// The space that a tokenizer puts before a text is no part of what is drawn next.
    var beginsText = false
    /// (8, 256)
    let stops: UnsafeMutablePointer<UInt8>
    var stopByteCounts = InlineArray<8, Int>(repeating: 0)
    var stopCount = 0

    // What goes in.
    var source = PromptSource()
    /// A copy of the text at hand, where the generator keeps one.
    var held: UnsafeMutablePointer<UInt8>?
    /// Positions behind the history that wait.
    var gathered = 0
    /// Of what was cut of a text, in multiply-adds.
    var cutWork: Int64 = 0
    /// Inputs of the source so far.
    var taken = 0
    /// Only the last of a long prompt count: a new sequence that slides.
    var isCut = false
    var advance: Advance?
    /// Positions of it.
    var advanceCount = 0
    /// Room on its way, which the phase at hand waits for.
    var sliding: Slide?
    /// Of the logits: pieces that are computed.
    var headPiece = 0
    /// Some are.
    var hasHeadPieces = false

    // Scores.
    var isScoring = false
    /// A continuation, which must fit.
    var scoresOn = false
    /// What is to be costed: (outputSize)
    let target: UnsafeMutablePointer<UInt32>
    var cost: Int64 = 0
    var scoredCount: UInt64 = 0

    /// Makes one, and its session.
    /// - Parameters:
    ///   - memory: as many bytes as `GeneratorPlaces` says, at a multiple of 64
    @export(interface)
    @_optimize(size)
    package static func make(
        _ model: Model, _ options: GeneratorOptions, _ plan: MemoryPlan, _ memory: UnsafeMutableRawPointer
    ) throws(STLMError) -> UnsafeMutablePointer<GeneratorState> {
        let session = (memory + GeneratorPlaces.session).assumingMemoryBound(to: Session.self)
        let arena = UnsafeMutableRawBufferPointer(start: memory + GeneratorPlaces(plan).arena, count: plan.arenaByteCount)
        do throws(SessionError) {
            session.initialize(to: try Session(model, plan, kernels: options.kernels, arena: arena))
        } catch {
            throw .session(error)
        }
        let state = memory.assumingMemoryBound(to: GeneratorState.self)
        state.initialize(to: GeneratorState(session, options, memory: memory))
        return state
    }

    @_optimize(size)
    private init(_ session: UnsafeMutablePointer<Session>, _ options: GeneratorOptions, memory: UnsafeMutableRawPointer) {
        self.session = session
        stepWork = options.stepWork
        slides = options.slides
        ignoresEnd = options.ignoresEnd
        settings = options.sampling ?? SamplingSettings(session.pointee.model.record)
        next = (memory + GeneratorPlaces.numbers).assumingMemoryBound(to: UInt32.self)
        target = next + Limit.blockSize
        next.update(repeating: 0, count: 2 * Limit.blockSize)
        stops = (memory + GeneratorPlaces.stops).assumingMemoryBound(to: UInt8.self)
        text = (memory + GeneratorPlaces.text).assumingMemoryBound(to: UInt8.self)
        recent = session.pointee.recentTokens()
        stream = session.pointee.textStream()
    }

    package var model: Model { session.pointee.model }
    package var plan: MemoryPlan { session.pointee.plan }
    /// Nothing is under way.
    package var isAtRest: Bool { phase == .rest }
    var isContinued: Bool { hasNext || session.pointee.position > 0 }

    /// What the last text cost that was scored, if it is scored to its end, and of how many tokens or blocks.
    package var score: (bits: Int64, count: UInt64)? { ending == .scored ? (max(0, cost), scoredCount) : nil }

    /// Forgets the sequence.
    mutating func forget() {
        session.pointee.reset()
        (phase, ending) = (.rest, nil)
        (source, gathered, hasNext, drawnCount, givenCount, textCount) = (PromptSource(), 0, false, 0, 0, 0)
        (advance, sliding) = (nil, nil)
        recent = session.pointee.recentTokens()
    }

    /// Puts the generator at rest before its work is done; what was read and written stays.
    @_optimize(size)
    mutating func abandon() {
        finishSlide()
        (phase, ending) = (.rest, nil)
        (source, gathered, advance) = (PromptSource(), 0, nil)
        let position = session.pointee.position, size = model.inputSize
        if isScoring, !scoresOn {
            forget()
        } else if !session.pointee.hasResult, position > 0, !hasNext {
            // The last position's result is lost, and it is read again.
            next.update(from: session.pointee.history + (position - 1) * size, count: size)
            session.pointee.rewind(to: position - 1)
            hasNext = true
        }
    }
}

/// The inputs of a prompt: a text that is cut part by part, or ids.
struct PromptSource {
    var encoder: TextEncoder?
    /// Items of the encoder's last part, and how many of them are used.
    var partCount = 0
    var used = 0
    var ids: UnsafePointer<UInt32>?
    /// Positions of ids that are left.
    var idCount = 0
    /// A part's tokens are yet to be merged.
    var isCutting = false

    var isAtEnd: Bool { used == partCount && idCount == 0 && !isCutting && (encoder?.isAtEnd ?? true) }
}

/// Where the parts of a generator's memory begin, each at a multiple of 64.
package struct GeneratorPlaces {
    static let session = Layout.align(MemoryLayout<GeneratorState>.size, 64)
    /// Two inputs.
    static let numbers = session + Layout.align(MemoryLayout<Session>.size, 64)
    static let stops = numbers + 2 * Limit.blockSize * 4
    static let text = stops + TextStream.stopLimit * TextStream.stopByteLimit
    let arena: Int
    package let byteCount: Int

    package init(_ plan: MemoryPlan) {
        // All that may come out at once: three bytes for one that is no UTF-8, and a zero byte for C.
        arena = Self.text + Layout.align(3 * (plan.pending.byteCount + 8) + 1, 64)
        byteCount = arena + plan.arenaByteCount
    }
}
