import ModelFile
import Tokenizers

// What begins work: arithmetic-1, section 10. Nothing is computed here.
extension Generator {
    /// Begins a sequence, or goes on with one that has ended; `step` then does the work. An empty prompt begins where the model has a token
    /// for that, or goes on.
    /// - Parameters:
    ///   - prompt: UTF-8, which must stay as it is until a step gives something else than `working`
    public mutating func begin(prompt: UnsafeBufferPointer<UInt8>) throws(STLMError) {
        try state.pointee.begin(prompt)
        dropText()
    }

    /// The same with ids: tokens, or the symbols of whole blocks. Nothing is put before them.
    public mutating func begin(ids: UnsafeBufferPointer<UInt32>) throws(STLMError) {
        try state.pointee.begin(ids: ids.baseAddress, count: ids.count)
        dropText()
    }

    /// The same with work of another kind: what a text costs. In a new sequence the whole text, in windows of the context, and the sequence is
    /// new afterwards; in one that has ended a continuation, which becomes part of it.
    public mutating func begin(scoring text: UnsafeBufferPointer<UInt8>) throws(STLMError) {
        try state.pointee.begin(scoring: text)
        dropText()
    }

    /// Gives up the copy of the last text.
    func dropText() {
        #if !hasFeature(Embedded)
        state.pointee.held?.deallocate()
        #endif
        state.pointee.held = nil
    }
}

extension GeneratorState {
    @export(interface)
    @_optimize(size)
    package mutating func begin(_ text: UnsafeBufferPointer<UInt8>) throws(STLMError) {
        try check(generates: tokenLimit > 0)
        let model = model, wasContinued = isContinued
        if !text.isEmpty, model.tokenizer == nil { throw .noTokenizer }
        if text.isEmpty, !wasContinued, model.bosToken == nil, !model.takesBlocks, model.record.endCount == 0 { throw .emptyPrompt }
        prepare(.gather)
        if !wasContinued, text.isEmpty || model.bosToken != nil { put { _ = model.writeBeginning(into: $0) } }
        beginsText = text.isEmpty && !wasContinued
        cut(text, isContinued: wasContinued)
    }

    @export(interface)
    package mutating func begin(ids: UnsafePointer<UInt32>?, count: Int) throws(STLMError) {
        try check(generates: tokenLimit > 0)
        let size = model.inputSize
        if count < 0 || count % size != 0 { throw .partialBlock(idCount: count, blockSize: size) }
        if count == 0, !isContinued { throw .emptyPrompt }
        prepare(.gather)
        (source.ids, source.idCount) = (ids, count / size)
    }

    @export(interface)
    package mutating func begin(scoring text: UnsafeBufferPointer<UInt8>) throws(STLMError) {
        try check(generates: false)
        let model = model
        if !model.record.isCausal { throw .session(.notCausal) }
        if model.tokenizer == nil { throw .noTokenizer }
        let wasContinued = isContinued
        prepare(.score)
        (isScoring, scoresOn, cost, scoredCount) = (true, wasContinued, 0, 0)
        // Without a begin token the first item goes in and is not scored.
        if !wasContinued, model.bosToken != nil {
            _ = model.writeBeginning(into: next)
            hasNext = true
        }
        cut(text, isContinued: wasContinued)
    }

    private func check(generates: Bool) throws(STLMError) {
        if phase != .rest { throw .workUnderWay }
        if generates, !model.canGenerate { throw .cannotGenerate }
    }

    private mutating func prepare(_ first: Phase) {
        (phase, ending) = (first, nil)
        (source, gathered, taken, givenCount, textCount) = (PromptSource(), 0, 0, 0, 0)
        isCut = slides && !isContinued
        (isScoring, isStopped, beginsText) = (false, false, false)
        (drawnCount, bytesLeft) = (0, byteLimit)
        session.pointee.constraint?.restart()
        beginStream()
    }

    private mutating func cut(_ text: UnsafeBufferPointer<UInt8>, isContinued: Bool) {
        guard !text.isEmpty, let tokenizer = model.tokenizer else { return }
        source.encoder = TextEncoder(
            tokenizer, blockSize: model.blockSize, text: text, isContinued: isContinued, scratch: session.pointee.encoderScratch)
    }

    /// The stop strings that were added, then those of the file, as far as there is room.
    @_optimize(size)
    private mutating func beginStream() {
        stream = session.pointee.textStream()
        // A constraint says where a text ends.
        if session.pointee.constraint != nil { return }
        for k in 0..<stopCount {
            _ = stream.addStop(UnsafeBufferPointer(start: stops + k * TextStream.stopByteLimit, count: stopByteCounts[k]))
        }
        let model = model
        for k in 0..<Int(model.record.stopCount) {
            let stop = model.file.text(model.record.stops[k])
            _ = stream.addStop(UnsafeBufferPointer(start: stop.baseAddress!.assumingMemoryBound(to: UInt8.self), count: stop.count))
        }
    }

    // MARK: Inputs

    /// Puts an input behind the history: of a prompt that may be cut the first, which are kept, and the others in a ring; of another as long as
    /// there is room. It counts in any case.
    private mutating func put(_ write: (UnsafeMutablePointer<UInt32>) -> Void) {
        let context = plan.contextTokenCount, room = context - session.pointee.position
        let kept = plan.keptPositionCount
        let place = !isCut ? gathered : taken < kept ? taken : kept + (taken - kept) % (context - kept)
        if place < room { write(session.pointee.upcoming + place * model.inputSize) }
        gathered = min(gathered + 1, room)
        taken += 1
    }

    /// Puts a part of the source behind the history.
    @_optimize(size)
    mutating func gather() throws(STLMError) {
        let model = model, room = plan.contextTokenCount - session.pointee.position
        if room == 0, slides, hasNext || !source.isAtEnd { return slide() }
        if hasNext, gathered == 0 {
            let numbers = next
            put { $0.update(from: numbers, count: model.inputSize) }
        }
        if try !cutNext() { return }
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
            for t in 0..<model.inputSize where ids[t] >= UInt32(model.inputLimit) {
                throw .session(.tokenOutOfRange(token: ids[t], vocabularySize: model.inputLimit))
            }
            put { $0.update(from: ids, count: model.inputSize) }
            source.ids = ids + model.inputSize
            source.idCount -= 1
            count += 1
        }
        if source.isAtEnd { return try endSource() }
        if waits, gathered == room { phase = .feed }
    }

    /// Cuts on, if the last part of the text is used up: some merges at a time.
    /// - Returns: true when there are items or the text has ended
    @_optimize(size)
    mutating func cutNext() throws(STLMError) -> Bool {
        if source.used < source.partCount || source.encoder == nil || source.encoder!.isAtEnd && !source.isCutting { return true }
        do throws(TextEncoder.NoPlaceToCut) {
            if !source.isCutting { try source.encoder!.beginPart() }
        } catch {
            throw .noPlaceToCut(offset: error.offset)
        }
        // A merge looks at all tokens of the part.
        let count = source.encoder!.itemCount, most = max(1, Self.cutTokenCount / max(1, count))
        cutWork = Int64(8 * count * min(most, count) + 32 * count)
        source.isCutting = !source.encoder!.mergePart(most: most)
        if source.isCutting { return false }
        (source.partCount, source.used) = (source.encoder!.itemCount, 0)
        return true
    }

    /// Tokens that are looked at before there may be other work.
    static var cutTokenCount: Int { 131_072 }

    @_optimize(size)
    private mutating func endSource() throws(STLMError) {
        let context = plan.contextTokenCount, size = model.inputSize
        if isCut, taken > context {
            let kept = plan.keptPositionCount, ring = context - kept
            rotate(session.pointee.upcoming + kept * size, count: ring * size, by: (taken - kept) % ring * size)
        } else if !slides, session.pointee.position + taken > context {
            throw .session(.contextFull(needed: session.pointee.position + taken, context: context))
        }
        if gathered > 0 { phase = .feed } else { choose() }
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
