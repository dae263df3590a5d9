import CPlatform
import CSTLM
import FixedPoint
import Kernels
import ModelFile
import STLM
import Tokenizers

/// What the next piece of a session's work is.
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

/// What a `stlm_session` is, behind its head. The session itself, its stop strings, the text of a step and the arena follow it.
struct SessionObject {
    var sentence = Sentence()
    let model: OpaquePointer
    let session: UnsafeMutablePointer<Session>
    let places: SessionPlaces

    var settings: SamplingSettings
    let quantum: Int64
    let slides: Bool
    let ignoresEnd: Bool

    var phase = Phase.rest
    var ending = STLM_ENDING_NONE

    // What draws and what is drawn.
    var random = SplitMix64(seed: 0)
    var seed: UInt64 = 0
    var isSeeded = false
    /// The generator is to be saved.
    var isRandomKept = false
    var recent: RecentTokens
    var tokenLimit = UInt64.max
    var byteLimit = UInt64.max
    var drawnCount: UInt64 = 0
    var bytesLeft = UInt64.max
    /// What was drawn or scored last, (inputSize), and whether it is yet to be read.
    let next: UnsafeMutablePointer<UInt32>
    var hasNext = false
    /// A stop string is complete.
    var isStopped = false
    /// The constraint allows nothing more.
    var isComplete: Bool { session.pointee.constraint?.isComplete ?? false }
    /// Numbers that the last step gave, in `next`.
    var givenCount = 0

    // Text that comes out.
    var stream: TextStream
    /// The space that a tokenizer puts before a text is no part of what is drawn next.
    var beginsText = false
    var textCount = 0
    var stopByteCounts = InlineArray<8, Int>(repeating: 0)
    var stopCount = 0

    // What goes in.
    var source = Source()
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

    init(model: OpaquePointer, session: UnsafeMutablePointer<Session>, places: SessionPlaces, settings: SamplingSettings, options: stlm_options) {
        self.model = model
        self.session = session
        self.places = places
        self.settings = settings
        let numbers = UnsafeMutableRawPointer(session) - SessionPlaces.session + SessionPlaces.numbers
        next = numbers.assumingMemoryBound(to: UInt32.self)
        target = next + Limit.blockSize
        next.update(repeating: 0, count: 2 * Limit.blockSize)
        quantum = Int64(clamping: min(options.quantum, 1 << 48))
        slides = options.flags & UInt32(STLM_SLIDES) != 0
        ignoresEnd = options.flags & UInt32(STLM_IGNORES_END) != 0
        recent = session.pointee.recentTokens()
        stream = session.pointee.textStream()
    }
}

typealias SessionPointer = UnsafeMutablePointer<SessionObject>

/// Where the parts of a session's memory begin, each at a multiple of 64.
struct SessionPlaces {
    /// Behind the head.
    static let object = headByteCount
    static let session = object + (MemoryLayout<SessionObject>.size + 63) / 64 * 64
    /// 8 strings of 256 bytes.
    static let stops = numbers + 2 * Limit.blockSize * 4
    /// Two inputs.
    static let numbers = session + (MemoryLayout<Session>.size + 63) / 64 * 64
    static let text = stops + TextStream.stopLimit * TextStream.stopByteLimit
    /// All that may come out at once; three bytes for one that is no UTF-8, and a zero byte.
    let textByteCount: Int
    let arena: Int
    let byteCount: Int

    init(_ plan: MemoryPlan) {
        textByteCount = 3 * (plan.pending.byteCount + 8) + 1
        arena = Self.text + (textByteCount + 63) / 64 * 64
        byteCount = arena + plan.arenaByteCount
    }
}

func sessionBody(_ session: OpaquePointer) -> SessionPointer {
    (UnsafeMutableRawPointer(session) + SessionPlaces.object).assumingMemoryBound(to: SessionObject.self)
}

/// Calls `work` with a session while no other thread is in it.
@inline(__always)
func withSession(_ session: OpaquePointer?, _ work: (SessionPointer) -> Int32) -> Int32 {
    guard let session else { return STLM_NULL_POINTER }
    if !isAligned(UnsafeRawPointer(session)) { return STLM_NOT_OPEN }
    switch stlm_object_enter(head(session), sessionMagic) {
    case 0:
        let status = work(sessionBody(session))
        stlm_object_leave(head(session))
        return status
    case 1: return STLM_NOT_OPEN
    default: return STLM_BUSY
    }
}

extension SessionObject {
    var head: UnsafeMutableRawPointer { UnsafeMutableRawPointer(session) - SessionPlaces.session }
    var stops: UnsafeMutablePointer<UInt8> { (head + SessionPlaces.stops).assumingMemoryBound(to: UInt8.self) }
    var text: UnsafeMutablePointer<UInt8> { (head + SessionPlaces.text).assumingMemoryBound(to: UInt8.self) }

    mutating func fail(_ status: Int32) -> Int32 {
        sentence.set(status)
        return status
    }

    mutating func fail(_ status: Int32, _ template: StaticString, _ a: Int = 0, _ b: Int = 0) -> Int32 {
        sentence.set(template, a, b)
        return status
    }

    var isContinued: Bool { hasNext || session.pointee.position > 0 }

    /// Forgets the sequence.
    mutating func forget() {
        session.pointee.reset()
        (phase, ending) = (.rest, STLM_ENDING_NONE)
        (source, gathered, hasNext, drawnCount, givenCount, textCount) = (Source(), 0, false, 0, 0, 0)
        recent = session.pointee.recentTokens()
    }
}

/// The inputs of a prompt: a text that is cut part by part, or ids.
struct Source {
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
