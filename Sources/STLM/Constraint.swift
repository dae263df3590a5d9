import Grammar
import ModelFile
import Tokenizers

/// Why there can be no constraint.
public enum ConstraintError: Error, Equatable, Sendable {
    case badGrammar(GrammarError)
    /// The memory has `have` bytes and must have `need`, at a multiple of 64.
    case memoryTooSmall(have: Int, need: Int)
    /// A model that gives tokens has no pieces that say what they stand for.
    case noTokenizer
    /// The token of a byte that the grammar needs begins or ends a text.
    case byteNotWritten(byte: UInt8)
}

/// What may be written: an automaton over bytes, and how far what was drawn has led in it (arithmetic-1, section 7.1).
///
/// It lies in memory of the caller, all of it; copies stand for the same one. Of a model of tokens it keeps which tokens each state allows,
/// as many of these sets as there is room for.
public struct Constraint {
    let automaton: Automaton
    /// End tokens, or the end block, may be drawn where the text may end.
    let allowsEnd: Bool
    /// What changes.
    let progress: UnsafeMutablePointer<ConstraintProgress>
    let masks: TokenMasks?

    /// Bytes of memory that a constraint of this model takes, whatever the grammar.
    public static func byteCount(_ model: Model) -> Int {
        Layout.align(Automaton.byteCount, 64) + 64 + (model.writesBlocks ? 0 : TokenMasks.orderByteCount(model)) + sharedByteCount(model)
    }

    /// What making it takes, and then keeps sets of tokens.
    private static func sharedByteCount(_ model: Model) -> Int {
        Layout.align(max(Automaton.workByteCount, model.writesBlocks ? 0 : TokenMasks.leastByteCount(model)), 64)
    }

    /// - Parameters:
    ///   - text: a grammar or list (grammar-1), used until the call returns
    ///   - allowsEnd: false where end tokens are to be ignored: they are not drawn at all then
    ///   - memory: at least `byteCount` bytes at a multiple of 64, which must outlive the constraint
    public init(
        _ model: Model, _ kind: GrammarKind, _ text: UnsafeBufferPointer<UInt8>, allowsEnd: Bool = true, memory: UnsafeMutableRawBufferPointer
    ) throws(ConstraintError) {
        let need = Self.byteCount(model)
        guard let base = memory.baseAddress, memory.count >= need, UInt(bitPattern: base) % 64 == 0 else {
            throw .memoryTooSmall(have: memory.count, need: need)
        }
        if !model.writesBlocks, model.tokenizer == nil { throw .noTokenizer }
        self.allowsEnd = allowsEnd
        progress = base.bindMemory(to: ConstraintProgress.self, capacity: 1)
        progress.initialize(to: ConstraintProgress())
        let place = base + 64, order = place + Layout.align(Automaton.byteCount, 64)
        let shared = order + (model.writesBlocks ? 0 : TokenMasks.orderByteCount(model))
        do throws(GrammarError) {
            automaton = try Automaton(
                text, kind, memory: place, work: shared, length: model.writesBlocks ? 0 : Int(model.file.tokenizer.longestPiece))
        } catch {
            throw .badGrammar(error)
        }
        masks = model.writesBlocks ? nil : TokenMasks(model, order: order, masks: shared, Self.sharedByteCount(model))
        // With a token for every byte something can follow wherever it must.
        if let tokenizer = model.tokenizer, !model.writesBlocks {
            for byte in UInt8.min...UInt8.max where !model.isText(tokenizer.token(of: byte)) && automaton.uses(byte) {
                throw .byteNotWritten(byte: byte)
            }
        }
    }

    /// Begins anew.
    public func restart() { progress.pointee = ConstraintProgress() }

    /// What was drawn may end here.
    public var isAccepting: Bool { automaton.isAccepting(progress.pointee.state) }
    /// What was drawn must end here.
    public var isComplete: Bool { isAccepting && !automaton.goesOn(progress.pointee.state) }

    // MARK: Tokens

    /// The tokens that may be drawn next.
    func allowedTokens(_ model: Model) -> TokenMask { masks!.mask(model, automaton, progress.pointee.state, allowsEnd: allowsEnd) }

    /// About how many multiply-adds `allowedTokens` takes.
    public func work(_ model: Model) -> Int64 {
        guard let masks, !masks.isKept(automaton.kind(progress.pointee.state)) else { return 0 }
        return Self.mostWork(model)
    }

    public static func mostWork(_ model: Model) -> Int64 { 32 * Int64(model.vocabularySize) }

    /// Takes a token that was allowed; one that ends the text changes nothing.
    func take(token: UInt32, _ model: Model) {
        if model.isEnd(token) { return }
        for byte in model.tokenizer!.piece(token) { progress.pointee.state = automaton.next(progress.pointee.state, byte) }
    }

    // MARK: Symbols of blocks

    /// Begins a block.
    func beginBlock() { progress.pointee.part = .bytes }

    /// True if a symbol may stand in a slot.
    func allows(symbol: Int, slot: Int, _ model: Model) -> Bool {
        switch progress.pointee.part {
        case .bytes:
            if symbol < Int(Symbol.pad) { return automaton.next(progress.pointee.state, UInt8(symbol)) != Automaton.dead }
            // A block without a byte is the end, or the text is complete and no more is drawn.
            if slot == 0 { return symbol == Int(model.record.endBlock[0]) && isAccepting && drawsEnd(model) }
            return symbol == Int(Symbol.pad)
        case .pads: return symbol == Int(Symbol.pad)
        case .end: return symbol == Int(model.record.endBlock[slot])
        }
    }

    /// Takes a symbol that was allowed.
    func take(symbol: UInt32, slot: Int) {
        if progress.pointee.part != .bytes { return }
        if symbol < Symbol.pad {
            progress.pointee.state = automaton.next(progress.pointee.state, UInt8(symbol))
        } else {
            progress.pointee.part = slot == 0 ? .end : .pads
        }
    }

    /// The end block can be told from the first symbol on, and drawn.
    private func drawsEnd(_ model: Model) -> Bool {
        if !allowsEnd || model.record.endBlock[0] < UInt16(Symbol.pad) { return false }
        if model.record.head.kind != HeadKind.byteDecoder.rawValue { return true }
        // A byte decoder closes a block with its first symbol that is no byte.
        for t in 1..<max(1, model.blockSize) where model.record.endBlock[t] != UInt16(Symbol.pad) { return false }
        return true
    }
}

/// What of a constraint changes.
struct ConstraintProgress {
    enum Part: UInt8 {
        /// A block's bytes, then its pads; or the end block.
        case bytes, pads, end
    }

    var state = Automaton.start
    var part = Part.bytes
}

extension Model {
    /// A token that stands for its piece: none that begins or ends a text.
    func isText(_ token: UInt32) -> Bool { token != record.bosToken && !isEnd(token) }
}
