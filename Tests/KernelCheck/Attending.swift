import FixedPoint
import Kernels

/// One query head and its key-value head, each part before a page of its own.
private struct AttentionParts: ~Copyable {
    static let mostSize = 70, mostPositions = 150
    static let padded = (mostPositions + 15) / 16 * 16

    var query = Guarded(mostSize * 2)
    var keys = Guarded(padded * mostSize * 2)
    var values = Guarded(padded * mostSize * 2 + 64)
    var keyScales = Guarded(padded * 4)
    var valueScales = Guarded(padded * 4)
    var weights = Guarded(padded * 4)
    var sums = Guarded(80 * 8)
    var wanted = Guarded(mostSize * 4)
    var got = Guarded(mostSize * 4)
}

extension Check {
    mutating func attending(_ round: Int) {
        var parts = AttentionParts()
        for number in 0..<KeyValueType.count {
            let type = KeyValueType(rawValue: number)!
            // Every number of positions and every size, other pairs in each round.
            for count in 1...AttentionParts.mostPositions {
                let size = (29 * count + round) % AttentionParts.mostSize + 1
                attending(type, size, count, shift: numbers.pick([34, 34, numbers.int(20...45), numbers.int(-40...70), -300, 300]), &parts)
            }
            // Every shift of the scores: kernels take those to the right.
            for shift in -5...70 { attending(type, numbers.int(1...20), numbers.int(1...40), shift: shift, &parts) }
        }
    }

    private mutating func attending(_ type: KeyValueType, _ size: Int, _ count: Int, shift: Int, _ parts: inout AttentionParts) {
        let even = (size + 1) / 2 * 2, padded = (count + 15) / 16 * 16, atEnds = numbers.once(in: 4)
        let query = parts.query.take(even, of: Int16.self)
        let head = head(type, size, count, &parts)
        if size < even { query[size] = 0 }
        codes(query, size, 16, atEnds)
        let queryScale = VectorScale(mantissa: mantissa(16, atEnds), exponent: Int32(numbers.int(-20...60)))
        let exponent = numbers.int(0...64), factor = atEnds ? 1 << 31 - 1 : numbers.int64(1 << 30...1 << 31 - 1)
        let keyExponent = shift - (exponent + Int(queryScale.exponent) - 50 - ceilLog2(size)), valueExponent = numbers.int(-150...200)
        let keySpread = numbers.pick([0, 3, 90]), valueSpread = numbers.pick([0, 3, 60])
        var least = Int.max
        var vector = InlineArray<70, Int16>(repeating: 0)
        withUnsafeMutableBytes(of: &vector) { bytes in
            let vector = bytes.baseAddress!
            let keyBits = type == .int16 ? 16 : 8, valueBits = type == .int16 ? 16 : type == .int8 ? 8 : 4
            for t in 0..<count {
                codes(vector, size, keyBits, atEnds)
                let keyScale = VectorScale(mantissa: mantissa(keyBits, atEnds), exponent: Int32(keyExponent + numbers.int(0...keySpread)))
                head.setKey(vector, keyScale, position: t, headSize: size)
                codes(vector, size, valueBits, atEnds)
                let valueScale = VectorScale(
                    mantissa: mantissa(valueBits, atEnds), exponent: Int32(valueExponent + numbers.int(0...valueSpread)))
                head.setValue(vector, valueScale, position: t, headSize: size)
                least = min(least, Int(valueScale.exponent))
            }
        }
        least -= numbers.pick([0, 0, numbers.int(0...90)])

        begin("attend", [Size("type", Int(type.rawValue)), Size("elements", size), Size("positions", count), Size("shift", shift)])
        let wanted = parts.wanted.take(size, of: Int32.self), got = parts.got.take(size, of: Int32.self)
        for k in 0..<2 {
            let memory = AttentionMemory(
                weights: parts.weights.take(padded, of: Int32.self), sums: parts.sums.take((size + 15) / 16 * 16, of: Int64.self),
                result: k == 0 ? wanted : got)
            attend(
                query: query, queryScale: queryScale, head: head, headSize: size, positionCount: count, scoreMantissa: factor,
                scoreExponent: exponent, leastValueExponent: least, memory: memory, nextKeys: head.keys, k == 0 ? .baseline : kernels)
        }
        expect(areEqual(wanted, got, size) && parts.got.isIntact && parts.weights.isIntact && parts.sums.isIntact)
    }

    /// A head of just the size that is read, with anything in it.
    private mutating func head(_ type: KeyValueType, _ size: Int, _ count: Int, _ parts: inout AttentionParts) -> KeyValueHead {
        let padded = (count + 15) / 16 * 16, keyBytes = type.keyByteCount(capacity: padded, headSize: size)
        // Positions lie in groups of 2, 4 and 8.
        let group = 2 << Int(type.rawValue), valueBytes = (count + group - 1) / group * size * 4 + 64
        let keys = parts.keys.take(keyBytes, of: UInt8.self), values = parts.values.take(valueBytes, of: UInt8.self)
        let head = KeyValueHead(
            type: type, keys: keys, values: values, keyScales: parts.keyScales.take(padded, of: Int32.self),
            valueScales: parts.valueScales.take(padded, of: Int32.self))
        numbers.fillAny(keys, keyBytes)
        numbers.fillAny(values, valueBytes)
        numbers.fillAny(head.keyScales, padded)
        numbers.fillAny(head.valueScales, padded)
        return head
    }

    /// Codes as `KeyValueHead` takes them.
    private mutating func codes(_ codes: UnsafeMutableRawPointer, _ count: Int, _ bits: Int, _ atEnds: Bool) {
        let most = 1 << (bits - 1) - 1
        for i in 0..<count {
            let code = !atEnds ? numbers.int(-most...most) : numbers.once(in: 2) ? -most : most
            switch bits {
            case 16: codes.storeBytes(of: Int16(code), toByteOffset: 2 * i, as: Int16.self)
            case 8: codes.storeBytes(of: Int8(code), toByteOffset: i, as: Int8.self)
            default: codes.storeBytes(of: UInt8(code + (code < 0 ? 7 : 8)), toByteOffset: i, as: UInt8.self)
            }
        }
    }

    private mutating func mantissa(_ bits: Int, _ atEnds: Bool) -> Int32 {
        let most = bits == 16 ? 65_539 : bits == 8 ? 69_635 : 82_947
        return Int32(atEnds ? most : numbers.int(33_026...most))
    }
}
