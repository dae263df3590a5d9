import FixedPoint
import Kernels
import ModelFile

/// Room on its way in a full context, for callers that do other things between its pieces. Until it is there the session must do nothing
/// else.
public struct Slide {
    /// Keys that are turned: the step of the schedule, its head and the position that come next, and where the step's keys and values begin
    /// among all. A piece is some positions of a head.
    var step: Int
    var head = 0
    var position: Int
    var cacheOffset: Int
    /// Positions that are read anew: those on their way. A piece is that of an `Advance`.
    var advance: Advance?
    /// Positions that stay.
    let end: Int

    /// Positions of a piece of keys.
    static let pieceSize = 128
}

// Room in a full context: arithmetic-1, section 10.
extension Session {
    /// Makes room in a full context: drops half of the positions after the first `plan.keptPositionCount`, and moves those after them down.
    ///
    /// The first positions stay, as attention that finds nothing of use rests on them (attention sinks: StreamingLLM, Xiao et al. 2023;
    /// LM-Infinite, Han et al. 2023). Keys are turned to their new positions where that can be done; else what stays is read anew.
    public mutating func slide() throws(SessionError) {
        guard var slide = beginSlide() else { return }
        while try !proceed(&slide) {}
    }

    /// The same in pieces; nil where there is nothing to drop.
    public mutating func beginSlide() -> Slide? {
        let size = model.inputSize, kept = plan.keptPositionCount, distance = plan.slideDistance
        if position < kept + distance { return nil }
        let count = position - distance
        for k in kept * size..<count * size { historyPointer[k] = historyPointer[k + distance * size] }
        if !model.movesPositions { reset() }
        return Slide(step: model.coreSteps.lowerBound, position: kept, cacheOffset: plan.keyValues.offset, end: count)
    }

    /// Does the next piece.
    /// - Returns: true when there is room
    public mutating func proceed(_ slide: inout Slide) throws(SessionError) -> Bool {
        if !model.movesPositions { return try readAnew(&slide) }
        while slide.step < model.coreSteps.upperBound {
            let step = model.file.step(slide.step)
            if let record = attention(ofStep: slide.step), slide.head < Int(record.kvHeadCount) {
                moveKeysAndValues(record, &slide)
                return false
            }
            slide.cacheOffset += Int(model.cacheByteCount(step, positionCount: plan.contextTokenCount, plan.keyValueType))
            (slide.step, slide.head) = (slide.step + 1, 0)
        }
        position = slide.end
        fedCount = 0
        return true
    }

    private mutating func readAnew(_ slide: inout Slide) throws(SessionError) -> Bool {
        if position == slide.end { return true }
        if slide.advance == nil {
            // They lie where they are put, so that each is copied onto itself.
            let count = min(slide.end - position, plan.batchTokenCount)
            slide.advance = try begin(UnsafeBufferPointer(start: upcoming, count: count * model.inputSize))
        }
        if !advance(&slide.advance!) { return false }
        slide.advance = nil
        return position == slide.end
    }

    /// Some positions of a head, with what lies `plan.slideDistance` beyond them.
    private func moveKeysAndValues(_ record: AttentionRecord, _ slide: inout Slide) {
        let scope = AttentionScope(
            keyValueType: plan.keyValueType, capacity: plan.contextTokenCount, firstPosition: 0, isCausal: true)
        let head = KeyValueSlot(arena + slide.cacheOffset, record, scope).head(slide.head)
        let distance = plan.slideDistance, size = Int(record.headSize)
        let row = record.rotationTensor == Layout.none ? nil : model.rotationRow(record.rotationTensor, position: distance)
        let end = min(slide.position + Slide.pieceSize, slide.end)
        for position in slide.position..<end {
            head.moveValue(from: position + distance, to: position, headSize: size)
            if let row {
                turnKey(head, from: position + distance, to: position, size, row)
            } else {
                head.moveKey(from: position + distance, to: position, headSize: size)
            }
        }
        slide.position = end
        if end == slide.end { (slide.head, slide.position) = (slide.head + 1, plan.keptPositionCount) }
    }

    /// arithmetic-1, section 6.2.4.
    /// - Parameters:
    ///   - row: (headSize / 2) pairs of Int16 cos, sin in Q14, for the distance
    private func turnKey(_ head: KeyValueHead, from: Int, to: Int, _ size: Int, _ row: UnsafePointer<Int16>) {
        let key = pointer(plan.wide, as: Int32.self), b = plan.keyValueType.mixingExponent(headSize: size)
        // Mixed twice it is 2^b times what it was.
        var fractionBits = mix(key, count: size, exponent: b, fractionBits: head.readKey(from, headSize: size, into: key)) + b
        // The elements of a pair exchanged, it turns the other way.
        exchangePairs(key, count: size)
        rotate(key, headCount: 1, headSize: size, row: row, kernels)
        exchangePairs(key, count: size)
        fractionBits = mix(key, count: size, exponent: b, fractionBits: fractionBits)
        let scale = quantizeKey(key, fractionBits: fractionBits, size)
        head.setKey(key, scale, position: to, headSize: size)
    }

    private func exchangePairs(_ key: UnsafeMutablePointer<Int32>, count: Int) {
        for i in 0..<count / 2 { (key[2 * i], key[2 * i + 1]) = (key[2 * i + 1], key[2 * i]) }
    }

    /// A key's codes take its place.
    private func quantizeKey(_ key: UnsafeMutablePointer<Int32>, fractionBits: Int, _ size: Int) -> VectorScale {
        let type = plan.keyValueType, isSmall = size <= KeyValueType.smallHeadSize
        let scale = quantize(
            key, count: size, fractionBits: fractionBits, form: type == .int16 || isSmall ? .int16 : .int8, into: key, paddedCount: size, kernels)
        if type == .int16 || !isSmall { return scale }
        let codes = UnsafeMutableRawPointer(key)
        return quantizeBytes(codes.assumingMemoryBound(to: Int16.self), scale, count: size, into: codes, kernels)
    }
}

extension MemoryPlan {
    /// Positions that sliding drops.
    var slideDistance: Int { (contextTokenCount - keptPositionCount + 1) / 2 }
}

extension Model {
    /// What stands at a position shows only in its key's rotation, so that it can be moved.
    var movesPositions: Bool {
        record.isCausal && (takesBlocks || record.embedder.positionTensor == Layout.none)
    }
}
