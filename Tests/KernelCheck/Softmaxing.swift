import FixedPoint
import Kernels

extension Check {
    mutating func softmax() {
        var logits = Guarded(1_000 * 4), wanted = Guarded(Softmax.binMemory * 8), got = Guarded(Softmax.binMemory * 8)
        for count in 1...71 {
            for _ in 0..<4 { softmax(count == 71 ? 1_000 : count, &logits, &wanted, &got) }
        }
        // Where the whole part of a distance steps, up to where nothing is left.
        for whole in 1...33 {
            let x = logits.take(3, of: Int32.self)
            for k in 0..<3 { x[k] = .max - Int32(whole << 24 - 1 + k) }
            begin("Softmax.total", [Size("elements", 3), Size("whole distance", whole)])
            let reference = Softmax(logits: x, count: 3, greatest: .max, factor: 1, shift: 0, .baseline)
            expect(reference.total() == Softmax(logits: x, count: 3, greatest: .max, factor: 1, shift: 0, kernels).total())
        }
    }

    private mutating func softmax(_ count: Int, _ logits: inout Guarded, _ wanted: inout Guarded, _ got: inout Guarded) {
        // Both forms of the kernels' 64 bits to their ends, and what they leave to the reference.
        let small = numbers.next() & 0xFFFF_FFFF
        let pair: (factor: UInt64, shift: Int) = numbers.pick([
            (log2eQ40, 36), (log2eQ40, 32), (log2eQ40, 40), (1_000_003, 20), (1, 0), (0xFFFF_FFFF, 63), (small, numbers.int(0...63)),
            (1 << 41 - 1, numbers.int(32...95)), (1 << 41, 33), (log2eQ40, 20),
        ])
        let least = numbers.pick([0, 0, 1, 1 << 20, 1 << 30, UInt32(truncatingIfNeeded: numbers.next()) >> 2])
        let x = logits.take(count, of: Int32.self)
        numbers.fill(x, count)
        if !numbers.once(in: 3) {
            // Distances of some 30 bits, so that probabilities of all sizes occur.
            let length = max(0, min(31, 29 + pair.shift - bitCount(pair.factor)))
            let center = Int64(numbers.int32() >> 1), half = (Int64(1) << Int64(length)) / 2
            for i in 0..<count { x[i] = Int32(clamping: center + numbers.int64(-half...half)) }
        }
        let greatest = x[indexOfGreatest(x, count: count, .baseline)]
        let reference = Softmax(logits: x, count: count, greatest: greatest, factor: pair.factor, shift: pair.shift, least: least, .baseline)
        let softmax = Softmax(logits: x, count: count, greatest: greatest, factor: pair.factor, shift: pair.shift, least: least, kernels)

        begin("Softmax.total", [Size("elements", count), Size("factor", Int(clamping: pair.factor)), Size("shift", pair.shift), Size("least", Int(least))])
        let total = reference.total()
        expect(total == softmax.total())

        trial.function = "Softmax.index"
        let rests: InlineArray<6, UInt64> = [0, total &- 1, total, .max, total / 2, total == 0 ? 0 : numbers.next() % total]
        for k in 0..<6 { expect(reference.index(exceeding: rests[k]) == softmax.index(exceeding: rests[k])) }

        trial.function = "Softmax.sumBins"
        let bins = wanted.take(Softmax.binMemory, of: UInt64.self), otherBins = got.take(Softmax.binMemory, of: UInt64.self)
        for k in 0..<Softmax.binMemory { otherBins[k] = 7 }
        reference.sumBins(into: bins)
        softmax.sumBins(into: otherBins)
        expect(areEqual(bins, otherBins, Softmax.binCount) && got.isIntact)

        trial.function = "Softmax.next"
        for _ in 0..<4 {
            let a = x[numbers.int(0...count - 1)], b = numbers.pick([a, .min, .max, x[numbers.int(0...count - 1)]])
            let range = min(a, b)...max(a, b), start = numbers.int(0...count)
            expect(reference.next(from: start, in: range) == softmax.next(from: start, in: range))
        }
    }
}
