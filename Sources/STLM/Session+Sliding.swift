import FixedPoint
import Kernels
import ModelFile

// Room in a full context: arithmetic-1, section 10.
extension Session {
    /// Makes room in a full context: drops half of the positions after the first `plan.keptPositionCount`, and moves those after them down.
    ///
    /// The first positions stay, as attention that finds nothing of use rests on them (attention sinks: StreamingLLM, Xiao et al. 2023;
    /// LM-Infinite, Han et al. 2023). Keys are turned to their new positions where that can be done; else what stays is read anew.
    public mutating func slide() throws(SessionError) {
        let size = model.inputSize, kept = plan.keptPositionCount, distance = plan.slideDistance
        if position < kept + distance { return }
        let count = position - distance
        for k in kept * size..<count * size { historyPointer[k] = historyPointer[k + distance * size] }
        if model.movesPositions {
            moveKeysAndValues(kept..<count, by: distance)
            position = count
            fedCount = 0
        } else {
            reset()
            // They lie where feed puts them, so that it copies each onto itself.
            try feedAll(UnsafeBufferPointer(start: history, count: count * size))
        }
    }

    /// - Parameters:
    ///   - positions: those that are filled, with what lies `distance` beyond them
    private func moveKeysAndValues(_ positions: Range<Int>, by distance: Int) {
        var cache = arena + plan.keyValues.offset
        let scope = AttentionScope(
            keyValueType: plan.keyValueType, capacity: plan.contextTokenCount, firstPosition: 0, isCausal: true)
        for index in model.coreSteps {
            let step = model.file.step(index)
            if let record = attention(ofStep: index) {
                let slot = KeyValueSlot(cache, record, scope), size = Int(record.headSize)
                let row = record.rotationTensor == Layout.none ? nil : model.rotationRow(record.rotationTensor, position: distance)
                for h in 0..<Int(record.kvHeadCount) {
                    let head = slot.head(h)
                    for position in positions {
                        head.moveValue(from: position + distance, to: position, headSize: size)
                        if let row {
                            turnKey(head, from: position + distance, to: position, size, row)
                        } else {
                            head.moveKey(from: position + distance, to: position, headSize: size)
                        }
                    }
                }
            }
            cache += Int(model.cacheByteCount(step, positionCount: plan.contextTokenCount, plan.keyValueType))
        }
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
