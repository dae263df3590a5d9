import CSTLM
import FixedPoint
import ModelFile
import STLM
import Tokenizers

// What is drawn, its text, and what a text costs.
extension SessionObject {
    mutating func draw() -> Int32 {
        if drawnCount >= tokenLimit { return end(STLM_ENDING_TOKENS) }
        if bytesLeft == 0 { return end(STLM_ENDING_BYTES) }
        if isComplete { return end(STLM_ENDING_GRAMMAR) }
        let model = file
        let drawn = model.writesBlocks
            ? session.pointee.draw(settings, random: &random, recent: &recent)
            : session.pointee.drawComputed(settings, random: &random, recent: &recent)
        isRandomKept = true
        if !ignoresEnd, model.takesBlocks ? model.isEnd(block: drawn) : model.isEnd(drawn[0]) { return end(STLM_ENDING_END) }
        drawnCount += 1
        next.update(from: drawn, count: model.outputSize)
        (hasNext, givenCount, phase) = (true, model.outputSize, .token)
        isStopped = write(drawn)
        return STLM_TOKEN
    }

    /// After a token: an ending, or it is read.
    mutating func goOn() -> Int32 {
        if isStopped { return end(STLM_ENDING_STOP) }
        if isComplete { return end(STLM_ENDING_GRAMMAR) }
        if drawnCount >= tokenLimit { return end(STLM_ENDING_TOKENS) }
        if bytesLeft == 0 { return end(STLM_ENDING_BYTES) }
        if session.pointee.position == plan.contextTokenCount { return slides ? slide() : end(STLM_ENDING_CONTEXT) }
        session.pointee.upcoming.update(from: next, count: file.inputSize)
        (gathered, phase) = (1, .feed)
        return STLM_WORKING
    }

    // MARK: Text

    /// Takes the text of what was drawn, as far as the limit goes; true if a stop string is complete.
    private mutating func write(_ drawn: UnsafePointer<UInt32>) -> Bool {
        let model = file
        if !model.takesBlocks, model.tokenizer == nil { return false }
        var bytes = InlineArray<32, UInt8>(repeating: 0)
        return withUnsafeMutableBytes(of: &bytes) { buffer in
            var piece: UnsafeBufferPointer<UInt8>
            if model.takesBlocks {
                let start = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
                var count = 0
                for t in 0..<model.blockSize where drawn[t] < Symbol.pad {
                    start[count] = UInt8(drawn[t])
                    count += 1
                }
                piece = UnsafeBufferPointer(start: start, count: count)
            } else {
                piece = model.tokenizer!.piece(drawn[0])
                if beginsText, drawnCount == 1, session.pointee.constraint == nil, model.tokenizer!.putsSpaceFirst, piece.first == 0x20 {
                    piece = UnsafeBufferPointer(rebasing: piece[1...])
                }
            }
            let most = Int(clamping: bytesLeft)
            if piece.count > most { piece = UnsafeBufferPointer(rebasing: piece[..<most]) }
            if byteLimit != .max { bytesLeft -= UInt64(piece.count) }
            var stream = self.stream, count = textCount
            let text = self.text
            let isComplete = stream.append(piece) {
                for byte in $0 {
                    text[count] = byte
                    count += 1
                }
            }
            (self.stream, textCount) = (stream, count)
            return isComplete
        }
    }

    /// Hands out what is left.
    mutating func finishText() {
        if isScoring || !file.takesBlocks && file.tokenizer == nil { return }
        var stream = self.stream, count = textCount
        let text = self.text
        stream.finish {
            for byte in $0 {
                text[count] = byte
                count += 1
            }
        }
        (self.stream, textCount) = (stream, count)
    }

    // MARK: Costs

    /// The next item of the text: it is to be costed after what was read, which is read first where it waits.
    mutating func scoreNext() -> Int32 {
        if let status = cutNext() { return status }
        if source.isAtEnd {
            if !scoresOn { forget() }
            return end(STLM_ENDING_SCORED)
        }
        let model = file, encoder = source.encoder!, k = source.used
        encoder.writeOutput(k, model, into: target)
        if hasNext {
            let position = session.pointee.position
            if position == plan.contextTokenCount {
                return sentence.set(SessionError.contextFull(needed: position + 1, context: plan.contextTokenCount))
            }
            session.pointee.upcoming.update(from: next, count: model.inputSize)
            (gathered, phase) = (1, .feed)
        } else if session.pointee.hasResult {
            choose()
        } else {
            takeItem()
        }
        return STLM_WORKING
    }

    mutating func addCost() -> Int32 {
        let model = file
        cost = added(cost, model.writesBlocks ? session.pointee.lastCost(of: target) : session.pointee.costComputed(of: target[0]))
        scoredCount += 1
        takeItem()
        if !scoresOn, session.pointee.position == plan.contextTokenCount {
            session.pointee.reset()
            if let bos = model.bosToken { next[0] = bos }
        }
        phase = .score
        return STLM_WORKING
    }

    /// The item at hand is what is read next.
    private mutating func takeItem() {
        let model = file, encoder = source.encoder!, k = source.used
        encoder.writeInput(k, model, into: next)
        hasNext = true
        source.used += 1
        if !scoresOn { return }
        for t in 0..<model.inputSize where !model.takesBlocks || next[t] < Symbol.pad { recent.append(next[t]) }
    }
}
