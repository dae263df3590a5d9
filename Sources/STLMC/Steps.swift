import CSTLM
import FixedPoint
import ModelFile
import STLM
import Tokenizers

@c @implementation
public func stlm_step(_ session: OpaquePointer!) -> Int32 { withSession(session) { $0.pointee.step() } }

@c @implementation
public func stlm_step_bound(_ session: OpaquePointer!, _ multiplyAdds: UnsafeMutablePointer<UInt64>!) -> Int32 {
    withSession(session) { object in
        guard let multiplyAdds else { return object.pointee.fail(STLM_NULL_POINTER) }
        multiplyAdds.pointee = UInt64(object.pointee.bound)
        return STLM_OK
    }
}

@c @implementation
public func stlm_cancel(_ session: OpaquePointer!) -> Int32 {
    guard let session else { return STLM_NULL_POINTER }
    guard isAligned(UnsafeRawPointer(session)), stlm_object_is(head(session), sessionMagic) != 0 else { return STLM_NOT_OPEN }
    stlm_object_cancel(head(session))
    return STLM_OK
}

// Work in portions: a step does pieces as long as the quantum lasts.
extension SessionObject {
    mutating func step() -> Int32 {
        (givenCount, textCount) = (0, 0)
        if phase == .rest {
            if ending != STLM_ENDING_NONE { return STLM_ENDED }
            return fail(STLM_WRONG_ORDER, "there is nothing to do; call stlm_prompt or stlm_score first")
        }
        var left = quantum
        while true {
            if stlm_object_take_cancel(head.assumingMemoryBound(to: stlm_object.self)) != 0 {
                abandon(STLM_ENDING_CANCELLED)
                return fail(STLM_CANCELLED)
            }
            let work = pieceWork(left)
            if work > left, left < quantum { return STLM_WORKING }
            cutWork = 0
            let status = piece(left)
            if status < 0 { abandon(STLM_ENDING_ERROR) }
            if status != STLM_WORKING { return status }
            left -= min(left, work + cutWork)
            if left == 0 { return STLM_WORKING }
        }
    }

    /// Most multiply-adds of a step.
    var bound: Int64 {
        let model = file, batch = plan.batchTokenCount, context = plan.contextTokenCount
        var most = max(quantum, model.longestStepWork(positionCount: batch, context: context))
        most = max(most, model.embeddingWork(positionCount: batch))
        most = max(most, model.headWork(pieceCount: 1) + (model.writesBlocks ? model.drawingWork : 0))
        if !model.writesBlocks {
            most = max(most, model.drawingWork)
            if session.pointee.constraint != nil { most = max(most, quantum + Constraint.mostWork(model)) }
        }
        if slides { most = max(most, slideWork) }
        // What cutting a text takes is known once it is done.
        return model.tokenizer == nil ? most : max(most, quantum + Int64(8 * 131_072 + 32 * TextEncoder.partByteCount))
    }

    private var slideWork: Int64 { plan.slideWork(file) }

    /// Multiply-adds of the next piece.
    /// - Parameters:
    ///   - left: what it may take, where there is a choice
    private func pieceWork(_ left: Int64) -> Int64 {
        let model = file
        let isFull = session.pointee.position == plan.contextTokenCount
        switch phase {
        case .rest: return 0
        case .gather: return isFull && slides ? slideWork : 0
        case .feed: return model.embeddingWork(positionCount: model.record.isCausal ? min(gathered, plan.batchTokenCount) : plan.contextTokenCount)
        case .advance: return session.pointee.work(advance!)
        case .head: return model.writesBlocks ? 0 : model.headWork(pieceCount: pieceCount(left)) + maskWork
        case .draw, .cost: return model.drawingWork + (model.writesBlocks ? model.headWork(pieceCount: 1) : 0)
        case .token: return isFull && slides ? slideWork : 0
        case .score: return 0
        }
    }

    /// Pieces of the logits that are computed at once.
    private func pieceCount(_ left: Int64) -> Int {
        max(1, min(session.pointee.headBlockCount - headPiece, Int(clamping: left / max(1, file.headWork(pieceCount: 1)))))
    }

    /// The next of them; nil where the choice needs no more.
    private func nextPieces(_ most: Int) -> Range<Int>? {
        guard !isScoring, let constraint = session.pointee.constraint else { return headPiece..<headPiece + most }
        return session.pointee.allowedPieces(constraint, from: headPiece, most: most)
    }

    /// Finding out which tokens a constraint allows.
    private var maskWork: Int64 { isScoring ? 0 : session.pointee.constraint?.work(file) ?? 0 }

    private mutating func piece(_ left: Int64) -> Int32 {
        switch phase {
        case .rest: return STLM_ENDED
        case .gather: return gather()
        case .feed: return feed()
        case .advance: return proceed()
        case .head:
            if !file.writesBlocks, let pieces = nextPieces(pieceCount(left)) {
                session.pointee.computeLogits(pieces: pieces, isFirst: !hasHeadPieces)
                (headPiece, hasHeadPieces) = (pieces.upperBound, true)
                if headPiece < session.pointee.headBlockCount { return STLM_WORKING }
            }
            phase = isScoring ? .cost : .draw
            return STLM_WORKING
        case .draw: return draw()
        case .token: return goOn()
        case .score: return scoreNext()
        case .cost: return addCost()
        }
    }

    // MARK: Reading

    private mutating func feed() -> Int32 {
        let count = min(gathered, plan.batchTokenCount)
        do throws(SessionError) {
            advance = try session.pointee.begin(
                UnsafeBufferPointer(start: UnsafePointer(session.pointee.upcoming), count: count * file.inputSize))
        } catch {
            return sentence.set(error)
        }
        (advanceCount, phase) = (count, .advance)
        return STLM_WORKING
    }

    private mutating func proceed() -> Int32 {
        if !session.pointee.advance(&advance!) { return STLM_WORKING }
        advance = nil
        gathered -= advanceCount
        // What was drawn is known to the penalty already.
        let model = file, end = session.pointee.position
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
        } else if isScoring {
            choose()
        } else if source.isAtEnd {
            choose()
        } else {
            phase = .gather
        }
        return STLM_WORKING
    }

    /// The one place where a full context makes room for itself.
    mutating func slide() -> Int32 {
        do throws(SessionError) {
            try session.pointee.slide()
            return STLM_WORKING
        } catch {
            return sentence.set(error)
        }
    }

    /// All is read: something can be drawn.
    mutating func choose() { (phase, headPiece, hasHeadPieces) = (.head, 0, false) }

    // MARK: Endings

    /// Puts the session at rest; what was read stays.
    mutating func abandon(_ ending: Int32) {
        (phase, self.ending) = (.rest, ending)
        (source, gathered, advance) = (Source(), 0, nil)
        let position = session.pointee.position, size = file.inputSize
        if isScoring, !scoresOn {
            forget()
            self.ending = ending
        } else if !session.pointee.hasResult, position > 0, !hasNext {
            // The last position's result is lost, and it is read again.
            next.update(from: session.pointee.history + (position - 1) * size, count: size)
            session.pointee.rewind(to: position - 1)
            hasNext = true
        }
    }

    mutating func end(_ ending: Int32) -> Int32 {
        (phase, self.ending, source) = (.rest, ending, Source())
        finishText()
        return STLM_ENDED
    }
}
