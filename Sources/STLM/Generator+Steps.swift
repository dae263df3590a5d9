import FixedPoint
import ModelFile
import Tokenizers

// Work in portions: a step does pieces as long as its work lasts.
extension Generator {
    /// Works for about the multiply-adds of the options. After an error, as after `cancel`, what was read and written stays, the rest of
    /// the prompt is forgotten, and another prompt goes on from there.
    /// - Throws: `nothingToDo`, `noPlaceToCut`, `session(.contextFull)` for a prompt that does not fit and `session(.tokenOutOfRange)`
    public mutating func step() throws(STLMError) -> Step { try state.pointee.step { false } }

    /// Puts it at rest, if anything is under way.
    public mutating func cancel() {
        if !isAtRest { state.pointee.abandon() }
    }

    /// Most multiply-adds that one step does; saving and restoring are no steps.
    public var stepBound: Int64 { state.pointee.bound }

    /// Text that the last step gave: UTF-8, whole characters, valid until the next call. With the last step it may come too.
    public var textBytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: state.pointee.text, count: state.pointee.textCount) }

    /// What the last step drew: a token, the symbols of a block, or nothing. Valid until the next call.
    public var ids: UnsafeBufferPointer<UInt32> { UnsafeBufferPointer(start: state.pointee.next, count: state.pointee.givenCount) }

    /// What the last text cost that was scored, if it is scored to its end: bits in units of 2^-24 (arithmetic-1, section 9), and of how many
    /// tokens or blocks.
    public var cost: (bits: Int64, count: Int)? {
        state.pointee.score.map { ($0.bits, Int(clamping: $0.count)) }
    }
}

extension GeneratorState {
    /// - Parameters:
    ///   - isCancelled: asked before each piece of work; true ends it with `cancelled`
    @export(interface)
    @_optimize(size)
    package mutating func step(_ isCancelled: () -> Bool) throws(STLMError) -> Generator.Step {
        (givenCount, textCount) = (0, 0)
        if phase == .rest {
            guard let ending else { throw .nothingToDo }
            return .ended(ending)
        }
        var left = stepWork
        while true {
            if isCancelled() {
                abandon()
                throw .cancelled
            }
            let work = pieceWork(left)
            if work > left, left < stepWork { return .working }
            cutWork = 0
            do throws(STLMError) {
                let step = try piece(left)
                if step != .working { return step }
            } catch {
                abandon()
                throw error
            }
            left -= min(left, work + cutWork)
            if left == 0 { return .working }
        }
    }

    /// Most multiply-adds of a step.
    @export(interface)
    package var bound: Int64 {
        let model = model, batch = plan.batchTokenCount, context = plan.contextTokenCount
        var most = max(stepWork, model.longestStepWork(positionCount: batch, context: context))
        most = max(most, model.embeddingWork(positionCount: batch))
        most = max(most, model.headWork(pieceCount: 1) + (model.writesBlocks ? model.drawingWork : 0))
        if !model.writesBlocks {
            most = max(most, model.drawingWork)
            if session.pointee.constraint != nil { most = max(most, stepWork + Constraint.mostWork(model)) }
        }
        if slides { most = max(most, plan.slidePieceWork(model)) }
        // What cutting a text takes is known once it is done.
        return model.tokenizer == nil ? most : max(most, stepWork + Int64(8 * Self.cutTokenCount + 32 * TextEncoder.partByteCount))
    }

    /// Multiply-adds of the next piece.
    /// - Parameters:
    ///   - left: what it may take, where there is a choice
    private func pieceWork(_ left: Int64) -> Int64 {
        if let sliding { return session.pointee.work(sliding) }
        let model = model
        switch phase {
        case .rest, .gather, .token, .score: return 0
        case .feed: return session.pointee.workOfBeginning(gathered)
        case .advance: return session.pointee.work(advance!)
        case .head: return model.writesBlocks ? 0 : model.headWork(pieceCount: pieceCount(left)) + maskWork
        case .draw, .cost: return model.drawingWork + (model.writesBlocks ? model.headWork(pieceCount: 1) : 0)
        }
    }

    /// Finding out which tokens a constraint allows.
    private var maskWork: Int64 { isScoring ? 0 : session.pointee.constraint?.work(model) ?? 0 }

    /// Pieces of the logits that are computed at once.
    private func pieceCount(_ left: Int64) -> Int {
        max(1, min(session.pointee.headBlockCount - headPiece, Int(clamping: left / max(1, model.headWork(pieceCount: 1)))))
    }

    private mutating func piece(_ left: Int64) throws(STLMError) -> Generator.Step {
        if sliding != nil {
            proceedSlide()
            return .working
        }
        switch phase {
        case .rest: break
        case .gather: try gather()
        case .feed: try feed()
        case .advance: proceed()
        case .head: computeHead(left)
        case .draw: return draw()
        case .token: return try goOn()
        case .score: return try scoreNext()
        case .cost: addCost()
        }
        return .working
    }

    // MARK: Reading

    @_optimize(size)
    private mutating func feed() throws(STLMError) {
        let count = min(gathered, plan.batchTokenCount)
        let inputs = UnsafeBufferPointer(start: UnsafePointer(session.pointee.upcoming), count: count * model.inputSize)
        do throws(SessionError) {
            advance = try session.pointee.begin(inputs)
        } catch {
            throw .session(error)
        }
        (advanceCount, phase) = (count, .advance)
    }

    @_optimize(size)
    private mutating func proceed() {
        if !session.pointee.advance(&advance!) { return }
        advance = nil
        gathered -= advanceCount
        // What was drawn is known to the penalty already.
        let model = model, end = session.pointee.position
        let first = end - advanceCount + (hasNext ? 1 : 0)
        hasNext = false
        if !isScoring {
            for k in first * model.inputSize..<end * model.inputSize {
                let number = session.pointee.history[k]
                if !model.takesBlocks || number < Symbol.pad { recent.append(number) }
            }
        }
        if gathered > 0 {
            phase = .feed
        } else if isScoring || source.isAtEnd {
            choose()
        } else {
            phase = .gather
        }
    }

    /// A choice or a cost comes next.
    mutating func choose() { (phase, headPiece, hasHeadPieces) = (.head, 0, false) }

    /// The next pieces of the logits; nil where the choice needs no more.
    private func nextPieces(_ most: Int) -> Range<Int>? {
        guard !isScoring, let constraint = session.pointee.constraint else { return headPiece..<headPiece + most }
        return session.pointee.allowedPieces(constraint, from: headPiece, most: most)
    }

    private mutating func computeHead(_ left: Int64) {
        if !model.writesBlocks {
            if let pieces = nextPieces(pieceCount(left)) {
                session.pointee.computeLogits(pieces: pieces, isFirst: !hasHeadPieces)
                (headPiece, hasHeadPieces) = (pieces.upperBound, true)
                if headPiece < session.pointee.headBlockCount { return }
            }
        }
        phase = isScoring ? .cost : .draw
    }

    /// The one place where a full context makes room for itself; the phase at hand goes on when it is there.
    mutating func slide() { sliding = session.pointee.beginSlide() }

    /// The next piece. What is read anew was read before, so that nothing is refused.
    private mutating func proceedSlide() {
        if (try? session.pointee.proceed(&sliding!)) ?? true { sliding = nil }
    }

    /// The rest at once: what lies between is no state that anything else could go on from.
    mutating func finishSlide() {
        while sliding != nil { proceedSlide() }
    }

    mutating func end(_ ending: Generator.Ending) -> Generator.Step {
        (phase, self.ending, source) = (.rest, ending, PromptSource())
        finishText()
        return .ended(ending)
    }
}
