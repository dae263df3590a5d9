import CSTLM
import ModelFile
import STLM
import Tokenizers

@c @implementation
public func stlm_prompt(_ session: OpaquePointer!, _ text: UnsafePointer<CChar>!, _ byteCount: Int) -> Int32 {
    withSession(session) { object in
        guard let bytes = utf8(text, byteCount) else { return object.pointee.fail(STLM_NULL_POINTER) }
        return object.pointee.prompt(bytes)
    }
}

@c @implementation
public func stlm_prompt_ids(_ session: OpaquePointer!, _ ids: UnsafePointer<UInt32>!, _ count: Int) -> Int32 {
    withSession(session) { object in
        if ids == nil, count != 0 { return object.pointee.fail(STLM_NULL_POINTER) }
        return object.pointee.prompt(ids: ids, count)
    }
}

@c @implementation
public func stlm_score(_ session: OpaquePointer!, _ text: UnsafePointer<CChar>!, _ byteCount: Int) -> Int32 {
    withSession(session) { object in
        guard let bytes = utf8(text, byteCount) else { return object.pointee.fail(STLM_NULL_POINTER) }
        return object.pointee.score(bytes)
    }
}

/// nil for a null pointer to something.
private func utf8(_ text: UnsafePointer<CChar>?, _ byteCount: Int) -> UnsafeBufferPointer<UInt8>? {
    if byteCount == 0 { return UnsafeBufferPointer(start: nil, count: 0) }
    guard let text, byteCount > 0 else { return nil }
    return UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: byteCount)
}

// What begins work: arithmetic-1, section 10. Nothing is computed here.
extension SessionObject {
    var plan: MemoryPlan { session.pointee.plan }
    var file: Model { session.pointee.model }

    mutating func prompt(_ text: UnsafeBufferPointer<UInt8>) -> Int32 {
        if let status = refuse(generates: tokenLimit > 0) { return status }
        let model = file, wasContinued = isContinued
        if !text.isEmpty, model.tokenizer == nil { return fail(STLM_NO_TOKENIZER) }
        if text.isEmpty, !wasContinued, model.bosToken == nil, !model.takesBlocks, model.record.endCount == 0 { return fail(STLM_EMPTY_PROMPT) }
        begin(.gather)
        if !wasContinued, text.isEmpty || model.bosToken != nil { put { _ = model.writeBeginning(into: $0) } }
        beginsText = text.isEmpty && !wasContinued
        cut(text, isContinued: wasContinued)
        return STLM_OK
    }

    mutating func prompt(ids: UnsafePointer<UInt32>?, _ count: Int) -> Int32 {
        if let status = refuse(generates: tokenLimit > 0) { return status }
        let size = file.inputSize
        if count < 0 || count % size != 0 {
            return fail(STLM_BAD_TOKEN, "%a ids are no whole number of blocks; this model takes %b symbols for each", count, size)
        }
        if count == 0, !isContinued { return fail(STLM_EMPTY_PROMPT) }
        begin(.gather)
        (source.ids, source.idCount) = (ids, count / size)
        return STLM_OK
    }

    mutating func score(_ text: UnsafeBufferPointer<UInt8>) -> Int32 {
        if let status = refuse(generates: false) { return status }
        let model = file
        if !model.record.isCausal { return fail(STLM_NOT_CAUSAL) }
        if model.tokenizer == nil { return fail(STLM_NO_TOKENIZER) }
        let wasContinued = isContinued
        begin(.score)
        (isScoring, scoresOn, cost, scoredCount) = (true, wasContinued, 0, 0)
        // Without a begin token the first item goes in and is not scored.
        if !wasContinued, model.bosToken != nil {
            _ = model.writeBeginning(into: next)
            hasNext = true
        }
        cut(text, isContinued: wasContinued)
        return STLM_OK
    }

    /// A status if no work can begin.
    private mutating func refuse(generates: Bool) -> Int32? {
        if phase != .rest {
            return fail(
                STLM_WRONG_ORDER, "the last prompt or score is still under way; call stlm_step until it ends, or stlm_reset to forget it")
        }
        if generates, !file.canGenerate { return fail(STLM_CANNOT_GENERATE) }
        return nil
    }

    private mutating func begin(_ first: Phase) {
        _ = stlm_object_take_cancel(head.assumingMemoryBound(to: stlm_object.self))
        (phase, ending) = (first, STLM_ENDING_NONE)
        (source, gathered, taken, givenCount, textCount) = (Source(), 0, 0, 0, 0)
        isCut = slides && !isContinued
        (isScoring, isStopped, beginsText) = (false, false, false)
        (drawnCount, bytesLeft) = (0, byteLimit)
        session.pointee.constraint?.restart()
        beginStream()
    }

    private mutating func cut(_ text: UnsafeBufferPointer<UInt8>, isContinued: Bool) {
        guard !text.isEmpty, let tokenizer = file.tokenizer else { return }
        source.encoder = TextEncoder(
            tokenizer, blockSize: file.blockSize, text: text, isContinued: isContinued, scratch: session.pointee.encoderScratch)
    }

    /// The stop strings that were added, then those of the file, as far as there is room.
    private mutating func beginStream() {
        stream = session.pointee.textStream()
        // A constraint says where a text ends.
        if session.pointee.constraint != nil { return }
        for k in 0..<stopCount {
            _ = stream.addStop(UnsafeBufferPointer(start: stops + k * TextStream.stopByteLimit, count: stopByteCounts[k]))
        }
        let model = file
        for k in 0..<Int(model.record.stopCount) {
            let stop = model.file.text(model.record.stops[k])
            _ = stream.addStop(UnsafeBufferPointer(start: stop.baseAddress!.assumingMemoryBound(to: UInt8.self), count: stop.count))
        }
    }

    // MARK: Inputs

    /// Puts an input behind the history: of a prompt that may be cut the first, which are kept, and the others in a ring; of another as long as
    /// there is room. It counts in any case.
    mutating func put(_ write: (UnsafeMutablePointer<UInt32>) -> Void) {
        let context = plan.contextTokenCount, room = context - session.pointee.position
        let kept = plan.keptPositionCount
        let place = !isCut ? gathered : taken < kept ? taken : kept + (taken - kept) % (context - kept)
        if place < room { write(session.pointee.upcoming + place * file.inputSize) }
        gathered = min(gathered + 1, room)
        taken += 1
    }

    /// Puts a part of the source behind the history.
    /// - Returns: STLM_WORKING, or an error
    mutating func gather() -> Int32 {
        let model = file, room = plan.contextTokenCount - session.pointee.position
        if room == 0, slides, hasNext || !source.isAtEnd { return slide() }
        if hasNext, gathered == 0 {
            let numbers = next
            put { $0.update(from: numbers, count: model.inputSize) }
        }
        if let status = cutNext() { return status }
        // A prompt that slides as it is read takes no more than there is room for.
        let waits = slides && !isCut
        while source.used < source.partCount, !waits || gathered < room {
            let encoder = source.encoder!, k = source.used
            put { encoder.writeInput(k, model, into: $0) }
            source.used += 1
        }
        var count = 0
        while source.idCount > 0, count < 1_024, !waits || gathered < room {
            let ids = source.ids!
            for t in 0..<model.inputSize where Int(ids[t]) >= model.inputLimit {
                return fail(STLM_BAD_TOKEN, "id %a is out of range; this model takes ids 0 to %b", Int(ids[t]), model.inputLimit - 1)
            }
            put { $0.update(from: ids, count: model.inputSize) }
            source.ids = ids + model.inputSize
            source.idCount -= 1
            count += 1
        }
        if source.isAtEnd { return endOfSource() }
        if waits, gathered == room { phase = .feed }
        return STLM_WORKING
    }

    /// Cuts on, if the last part of the text is used up: some merges at a time.
    /// - Returns: nil when there are items or the text has ended; else STLM_WORKING, or what is wrong
    mutating func cutNext() -> Int32? {
        if source.used < source.partCount || source.encoder == nil || source.encoder!.isAtEnd && !source.isCutting { return nil }
        do {
            if !source.isCutting { try source.encoder!.beginPart() }
        } catch {
            return fail(
                STLM_NO_PLACE_TO_CUT, "the text has no place where it can be cut within %a bytes after byte %b; break the long run there",
                TextEncoder.partByteCount, source.encoder!.offset)
        }
        // A merge looks at all tokens of the part.
        let count = source.encoder!.itemCount, most = max(1, Self.cutTokenCount / max(1, count))
        cutWork = Int64(8 * count * min(most, count) + 32 * count)
        source.isCutting = !source.encoder!.mergePart(most: most)
        if source.isCutting { return STLM_WORKING }
        (source.partCount, source.used) = (source.encoder!.itemCount, 0)
        return nil
    }

    /// Tokens that are looked at before there may be other work.
    private static var cutTokenCount: Int { 131_072 }

    private mutating func endOfSource() -> Int32 {
        let context = plan.contextTokenCount, size = file.inputSize
        if isCut, taken > context {
            let kept = plan.keptPositionCount, ring = context - kept
            rotate(session.pointee.upcoming + kept * size, count: ring * size, by: (taken - kept) % ring * size)
        } else if !slides, session.pointee.position + taken > context {
            return sentence.set(SessionError.contextFull(needed: session.pointee.position + taken, context: context))
        }
        if gathered > 0 { phase = .feed } else { choose() }
        return STLM_WORKING
    }
}

extension TextEncoder {
    /// Item `k` of the last part as the model takes it: (inputSize).
    func writeInput(_ k: Int, _ model: Model, into numbers: UnsafeMutablePointer<UInt32>) {
        if model.takesBlocks { writeBlock(k, into: numbers) } else { numbers[0] = UInt32(tokens[k]) }
    }

    /// The same as the model should give it: (outputSize).
    func writeOutput(_ k: Int, _ model: Model, into numbers: UnsafeMutablePointer<UInt32>) {
        if model.writesBlocks { writeBlock(k, into: numbers) } else { numbers[0] = UInt32(tokens[k]) }
    }
}

/// The first `shift` numbers go behind the others, by three reversals.
private func rotate(_ numbers: UnsafeMutablePointer<UInt32>, count: Int, by shift: Int) {
    reverse(numbers, shift)
    reverse(numbers + shift, count - shift)
    reverse(numbers, count)
}

private func reverse(_ numbers: UnsafeMutablePointer<UInt32>, _ count: Int) {
    for k in 0..<count / 2 {
        let number = numbers[k]
        numbers[k] = numbers[count - 1 - k]
        numbers[count - 1 - k] = number
    }
}
