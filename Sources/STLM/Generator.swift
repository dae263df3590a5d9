import CPlatform
import FixedPoint
import Kernels
import ModelFile
import Tokenizers

/// Writes after prompts, and says what texts cost: a session with its memory, its sampling and its text, in steps of bounded work.
///
/// It owns its memory, taken once at the start in pages of the system, or uses the caller's; nothing is allocated afterwards. It may go from
/// thread to thread and is in one at a time, which the type system sees to. Several generators share one model. A seed gives the text that
/// `stlm-run` writes.
///
/// ```swift
/// var generator = try Generator(model, GeneratorOptions(contextTokenCount: 128, slides: true))
/// generator.setSeed(7)
/// generator.tokenLimit = 50
/// try generator.addStop("The end")
/// let story = try generator.text(after: "Once upon a time")
/// ```
///
/// What a text costs, in bits:
///
/// ```swift
/// let cost = try generator.cost(of: "Once upon a time")
/// print("\(cost.bits >> 24) bits for \(cost.count) tokens")
/// ```
///
/// In steps, beside other work:
///
/// ```swift
/// try generator.begin(prompt: " And then")
/// while true {
///     let step = try generator.step()
///     print(generator.text, terminator: "")
///     if case .ended = step { break }
/// }
/// ```
public struct Generator: ~Copyable, @unchecked Sendable {
    /// What a step did.
    public enum Step: Sendable, Equatable {
        /// There is more to do, and nothing new to read.
        case working
        /// A token or block was drawn; its text may be held back.
        case drawn
        /// There is nothing more to do.
        case ended(Ending)
    }

    /// Why a text has ended.
    public enum Ending: Sendable, Equatable {
        /// A token of the model's that ends a text.
        case endToken
        case stopString
        /// The constraint allows nothing more.
        case grammar
        case tokenLimit
        case byteLimit
        case contextFull
        /// A text is scored.
        case scored
    }

    let state: UnsafeMutablePointer<GeneratorState>
    private let shared: UnsafeMutablePointer<SharedModel>
    /// What is to be given back in the end; 0 where the memory is the caller's.
    private let ownByteCount: Int

    /// Bytes of memory that a generator takes, exactly.
    public static func byteCount(_ model: borrowing MappedModel, _ options: GeneratorOptions = GeneratorOptions()) throws(STLMError) -> Int {
        GeneratorPlaces(try options.plan(model.shared.pointee.model)).byteCount
    }

    /// In pages of its own.
    public init(_ model: borrowing MappedModel, _ options: GeneratorOptions = GeneratorOptions()) throws(STLMError) {
        let plan = try options.plan(model.shared.pointee.model), byteCount = GeneratorPlaces(plan).byteCount
        guard let pages = stlm_pages_reserve(byteCount) else { throw .noMemory(byteCount: byteCount) }
        do throws(STLMError) {
            state = try GeneratorState.make(model.shared.pointee.model, options, plan, pages)
        } catch {
            stlm_pages_release(pages, byteCount)
            throw error
        }
        (shared, ownByteCount) = (model.shared, byteCount)
        SharedModel.join(shared)
    }

    /// In memory of the caller.
    /// - Parameters:
    ///   - memory: `byteCount` bytes at a multiple of 64, which must outlive the generator
    public init(
        _ model: borrowing MappedModel, _ options: GeneratorOptions = GeneratorOptions(), memory: UnsafeMutableRawBufferPointer
    ) throws(STLMError) {
        let plan = try options.plan(model.shared.pointee.model), byteCount = GeneratorPlaces(plan).byteCount
        guard let base = memory.baseAddress, memory.count >= byteCount, UInt(bitPattern: base) % 64 == 0 else {
            throw .memoryTooSmall(have: memory.count, need: byteCount)
        }
        state = try GeneratorState.make(model.shared.pointee.model, options, plan, base)
        (shared, ownByteCount) = (model.shared, 0)
        SharedModel.join(shared)
    }

    /// Ends its life here, before its scope does.
    public consuming func close() {}

    deinit {
        dropText()
        Session.end(state.pointee.session)
        if ownByteCount > 0 { stlm_pages_release(state, ownByteCount) }
        SharedModel.leave(shared)
    }

    // MARK: What it is asked to do

    /// The random numbers begin anew; with 0 where none is given.
    public mutating func setSeed(_ seed: UInt64) { state.pointee.setSeed(seed) }

    /// A seed that nobody knows.
    public static var randomSeed: UInt64 { stlm_random_seed() }

    /// What is written after each prompt is a text of this grammar, or one of these choices, from its beginning (`Formats/grammar-1.md`).
    public var constraint: Constraint? {
        get { state.pointee.session.pointee.constraint }
        set { state.pointee.session.pointee.constraint = newValue }
    }

    /// How tokens are chosen.
    public var sampling: SamplingSettings { state.pointee.settings }

    /// - Throws: `optionOutOfRange`; `samplingNeedsMemory` where the settings of the options did not foresee it
    public mutating func setSampling(_ sampling: SamplingSettings) throws(STLMError) { try state.pointee.setSampling(sampling) }

    /// Most tokens (blocks) after each prompt: 0 only reads, `Int.max` is no limit.
    public var tokenLimit: Int {
        get { Int(clamping: state.pointee.tokenLimit) }
        set { state.pointee.tokenLimit = Self.limit(newValue) }
    }

    /// Most bytes of text after each prompt; `Int.max` is no limit.
    public var byteLimit: Int {
        get { Int(clamping: state.pointee.byteLimit) }
        set { state.pointee.byteLimit = Self.limit(newValue) }
    }

    private static func limit(_ count: Int) -> UInt64 { count == .max ? .max : UInt64(clamping: count) }

    /// A text ends before this string too, besides those of the model file: up to 8 of 1 to 256 bytes, copied; from the next prompt on. Where
    /// there is a constraint, that says where a text ends, and no stop string does.
    public mutating func addStop(_ bytes: UnsafeBufferPointer<UInt8>) throws(STLMError) {
        try state.pointee.addStop(bytes.baseAddress, count: bytes.count)
    }

    /// Forgets the stop strings that were added.
    public mutating func removeStops() throws(STLMError) { try state.pointee.removeStops() }

    /// Forgets the sequence, at any time; the random numbers begin anew with the last seed.
    public mutating func reset() { state.pointee.reset() }

    // MARK: Where it is

    /// The model that it was made from.
    public var model: Model { state.pointee.model }
    /// Positions that are filled, and how many there are.
    public var position: Int { state.pointee.session.pointee.position }
    public var contextTokenCount: Int { state.pointee.session.pointee.plan.contextTokenCount }
    /// Tokens or blocks that were drawn since the last prompt.
    public var drawnCount: Int { Int(clamping: state.pointee.drawnCount) }
    /// Why the last text has ended; nil while one is under way, after a cancel and after an error.
    public var ending: Ending? { state.pointee.ending }
    /// Nothing is under way.
    public var isAtRest: Bool { state.pointee.isAtRest }
}
