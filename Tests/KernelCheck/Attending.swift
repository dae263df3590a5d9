import FixedPoint
import Kernels

/// One query head and its key-value head, each part before a page of its own.
private struct AttentionParts: ~Copyable {
    static let mostSize = 70, mostPositions = 150
    static let padded = (mostPositions + 15) / 16 * 16

    var query = Guarded(mostSize * 2)
    var keys = Guarded(padded * mostSize * 2)
    var values = Guarded(padded * mostSize * 2 + 64)
    var keyMantissas = Guarded(padded * 4)
    var keyExponents = Guarded(padded * 4)
    var valueMantissas = Guarded(padded * 4)
    var valueExponents = Guarded(padded * 4)
    var weights = Guarded(padded * 4)
    var sums = Guarded(80 * 8)
    var wanted = Guarded(mostSize * 4)
    var got = Guarded(mostSize * 4)
}

extension Check {
    mutating func attending(_ round: Int) {
        var parts = AttentionParts()
        // Every number of positions and every size, other pairs in each round.
        for count in 1...AttentionParts.mostPositions {
            let size = (29 * count + round) % AttentionParts.mostSize + 1
            attending(size, count, shift: numbers.pick([34, 34, numbers.int(20...45), numbers.int(-40...70), -300, 300]), &parts)
        }
        // Every shift of the scores: kernels take those to the right.
        for shift in -5...70 { attending(numbers.int(1...20), numbers.int(1...40), shift: shift, &parts) }
    }

    private mutating func attending(_ size: Int, _ count: Int, shift: Int, _ parts: inout AttentionParts) {
        let even = (size + 1) / 2 * 2, padded = (count + 15) / 16 * 16, atEnds = numbers.once(in: 4)
        let query = parts.query.take(even, of: Int16.self)
        let head = head(size, count, &parts)
        if size < even { query[size] = 0 }
        codes(query, size, atEnds)
        let queryScale = VectorScale(mantissa: mantissa(atEnds), exponent: Int32(numbers.int(-20...60)))
        let exponent = numbers.int(0...64), factor = atEnds ? 1 << 31 - 1 : numbers.int(1 << 30...1 << 31 - 1)
        let keyExponent = shift - (exponent + Int(queryScale.exponent) - 50 - ceilLog2(size)), valueExponent = numbers.int(-150...200)
        let keySpread = numbers.pick([0, 3, 90]), valueSpread = numbers.pick([0, 3, 60])
        var least = Int.max
        var vector = InlineArray<70, Int16>(repeating: 0)
        withUnsafeMutableBytes(of: &vector) { bytes in
            let vector = bytes.baseAddress!.assumingMemoryBound(to: Int16.self)
            for t in 0..<count {
                codes(vector, size, atEnds)
                let keyScale = VectorScale(mantissa: mantissa(atEnds), exponent: Int32(keyExponent + numbers.int(0...keySpread)))
                head.setKey(vector, keyScale, position: t, headSize: size)
                codes(vector, size, atEnds)
                let valueScale = VectorScale(mantissa: mantissa(atEnds), exponent: Int32(valueExponent + numbers.int(0...valueSpread)))
                head.setValue(vector, valueScale, position: t, headSize: size)
                least = min(least, Int(valueScale.exponent))
            }
        }
        least -= numbers.pick([0, 0, numbers.int(0...90)])

        begin("attend", [Size("elements", size), Size("positions", count), Size("shift", shift)])
        let wanted = parts.wanted.take(size, of: Int32.self), got = parts.got.take(size, of: Int32.self)
        for k in 0..<2 {
            let memory = AttentionMemory(
                weights: parts.weights.take(padded, of: Int32.self), sums: parts.sums.take((size + 15) / 16 * 16, of: Int64.self),
                result: k == 0 ? wanted : got)
            attend(
                query: query, queryScale: queryScale, head: head, headSize: size, positionCount: count, scoreMantissa: Int64(factor),
                scoreExponent: exponent, leastValueExponent: least, memory: memory, nextKeys: head.keys, k == 0 ? .baseline : kernels)
        }
        expect(areEqual(wanted, got, size) && parts.got.isIntact && parts.weights.isIntact && parts.sums.isIntact)
    }

    /// A head of just the size that is read, with anything in it.
    private mutating func head(_ size: Int, _ count: Int, _ parts: inout AttentionParts) -> KeyValueHead {
        let even = (size + 1) / 2 * 2, padded = (count + 15) / 16 * 16, values = (count + 1) / 2 * 2 * size + 32
        let head = KeyValueHead(
            keys: parts.keys.take(padded * even, of: Int16.self), values: parts.values.take(values, of: Int16.self),
            keyMantissas: parts.keyMantissas.take(padded, of: Int32.self), keyExponents: parts.keyExponents.take(padded, of: Int32.self),
            valueMantissas: parts.valueMantissas.take(padded, of: Int32.self),
            valueExponents: parts.valueExponents.take(padded, of: Int32.self))
        numbers.fillAny(head.keys, padded * even)
        numbers.fillAny(head.values, values)
        numbers.fillAny(head.keyMantissas, padded)
        numbers.fillAny(head.keyExponents, padded)
        numbers.fillAny(head.valueMantissas, padded)
        numbers.fillAny(head.valueExponents, padded)
        return head
    }

    private mutating func codes(_ codes: UnsafeMutablePointer<Int16>, _ count: Int, _ atEnds: Bool) {
        for i in 0..<count { codes[i] = Int16(!atEnds ? numbers.int(-32_767...32_767) : numbers.once(in: 2) ? -32_767 : 32_767) }
    }

    private mutating func mantissa(_ atEnds: Bool) -> Int32 { atEnds ? 65_539 : Int32(numbers.int(32_770...65_539)) }
}
