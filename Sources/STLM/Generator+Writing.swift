import FixedPoint
import ModelFile
import Tokenizers

// What is drawn, its text, and what a text costs.
extension GeneratorState {
    @_optimize(size)
    mutating func draw() -> Generator.Step {
        if drawnCount >= tokenLimit { return end(.tokenLimit) }
        if bytesLeft == 0 { return end(.byteLimit) }
        if isComplete { return end(.grammar) }
        let model = model
        let drawn = model.writesBlocks
            ? session.pointee.draw(settings, random: &random, recent: &recent)
            : session.pointee.drawComputed(settings, random: &random, recent: &recent)
        isRandomKept = true
        if !ignoresEnd, model.takesBlocks ? model.isEnd(block: drawn) : model.isEnd(drawn[0]) { return end(.endToken) }
        drawnCount += 1
        next.update(from: drawn, count: model.outputSize)
        (hasNext, givenCount, phase) = (true, model.outputSize, .token)
        isStopped = write(drawn)
        return .drawn
    }

    /// After a token: an ending, or it is read.
    @_optimize(size)
    mutating func goOn() throws(STLMError) -> Generator.Step {
        if isStopped { return end(.stopString) }
        if isComplete { return end(.grammar) }
        if drawnCount >= tokenLimit { return end(.tokenLimit) }
        if bytesLeft == 0 { return end(.byteLimit) }
        if session.pointee.position == plan.contextTokenCount {
            if !slides { return end(.contextFull) }
            slide()
            return .working
        }
        session.pointee.upcoming.update(from: next, count: model.inputSize)
        (gathered, phase) = (1, .feed)
        return .working
    }

    /// The constraint allows nothing more.
    private var isComplete: Bool { session.pointee.constraint?.isComplete ?? false }

    // MARK: Text

    /// Takes the text of what was drawn, as far as the limit goes; true if a stop string is complete.
    private mutating func write(_ drawn: UnsafePointer<UInt32>) -> Bool {
        var stream = self.stream, textCount = self.textCount
        let text = self.text, isFirst = beginsText && drawnCount == 1 && session.pointee.constraint == nil
        let taken = stream.append(drawn, of: model, isFirst: isFirst, most: Int(clamping: bytesLeft)) {
            for byte in $0 {
                text[textCount] = byte
                textCount += 1
            }
        }
        if byteLimit != .max { bytesLeft -= UInt64(taken.byteCount) }
        (self.stream, self.textCount) = (stream, textCount)
        return taken.isComplete
    }

    /// Hands out what is left.
    mutating func finishText() {
        if isScoring || !model.takesBlocks && model.tokenizer == nil { return }
        var stream = self.stream, textCount = self.textCount
        let text = self.text
        stream.finish {
            for byte in $0 {
                text[textCount] = byte
                textCount += 1
            }
        }
        (self.stream, self.textCount) = (stream, textCount)
    }

    // MARK: Costs

    /// The next item of the text: it is to be costed after what was read, which is read first where it waits.
    @_optimize(size)
    mutating func scoreNext() throws(STLMError) -> Generator.Step {
        if try !cutNext() { return .working }
        if source.isAtEnd {
            if !scoresOn { forget() }
            return end(.scored)
        }
        let model = model, encoder = source.encoder!, k = source.used
        encoder.writeOutput(k, model, into: target)
        if hasNext {
            let position = session.pointee.position, context = plan.contextTokenCount
            if position == context { throw .session(.contextFull(needed: position + 1, context: context)) }
            session.pointee.upcoming.update(from: next, count: model.inputSize)
            (gathered, phase) = (1, .feed)
        } else if session.pointee.hasResult {
            choose()
        } else {
            takeItem()
        }
        return .working
    }

    mutating func addCost() {
        let model = model
        cost = added(cost, model.writesBlocks ? session.pointee.lastCost(of: target) : session.pointee.costComputed(of: target[0]))
        scoredCount += 1
        takeItem()
        if !scoresOn, session.pointee.position == plan.contextTokenCount {
            session.pointee.reset()
            if let bos = model.bosToken { next[0] = bos }
        }
        phase = .score
    }

    /// The item at hand is what is read next.
    private mutating func takeItem() {
        let model = model, encoder = source.encoder!, k = source.used
        encoder.writeInput(k, model, into: next)
        hasNext = true
        source.used += 1
        if !scoresOn { return }
        for t in 0..<model.inputSize where !model.takesBlocks || next[t] < Symbol.pad { recent.append(next[t]) }
    }
}
