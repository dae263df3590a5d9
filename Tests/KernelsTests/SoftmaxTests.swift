import FixedPoint
import Kernels
import TestSupport
import Testing

/// arithmetic-1, sections 7 and 9: every set of kernels against plain loops in 128 bits.
@Suite struct SoftmaxTests {
    private func check(_ trial: SoftmaxTrial, _ numbers: inout SeededNumbers) {
        let count = trial.logits.count
        let distances = trial.logits.map(trial.distance), probabilities = distances.map(trial.probability)
        let total = probabilities.reduce(0, +)
        var sums: [UInt64] = []
        for p in probabilities { sums.append((sums.last ?? 0) + p) }
        let edge = numbers.pick(sums)
        let rests = [0, total &- 1, total, total + 1, .max, edge, edge &- 1, total / 2, total == 0 ? 0 : numbers.next() % total]
        let indices = rests.map { rest in sums.firstIndex { $0 > rest } ?? count }
        let x = GuardedArray(trial.logits)
        defer { withExtendedLifetime(x) {} }
        for kernels in KernelSet.runnable {
            let softmax = trial.softmax(x, kernels)
            #expect(softmax.total() == total, "\(kernels): \(trial.description)")
            #expect(rests.map(softmax.index) == indices, "\(kernels): \(trial.description), rests \(rests)")
            let i = numbers.int(0...count - 1)
            #expect(softmax.distance(i) == distances[i] && UInt64(softmax.probability(i)) == probabilities[i], "\(trial.description)")
        }
    }

    @Test func everyCount() {
        var numbers = SeededNumbers(seed: 71)
        for count in 1...70 {
            for (factor, shift) in [(log2eQ40, 32), (log2eQ40, 36), (log2eQ40, 40), (1_000_003, 20), (0xFFFF_FFFF, 32)] as [(UInt64, Int)] {
                for least in [0, 1 << 20, 1 << 30] as [UInt32] {
                    check(SoftmaxTrial(count, factor: factor, shift: shift, least: least, &numbers), &numbers)
                }
            }
        }
    }

    /// At the ends of what the kernels' 64 bits hold, and just outside.
    @Test(arguments: [
        0, 1, 2, 65_537, 0xFFFF_FFFF, 1 << 31, 1 << 32, 1 << 32 + 1, log2eQ40, 1 << 41 - 1, 1 << 41, 1 << 62, UInt64.max,
    ] as [UInt64])
    func everyFactorAndShift(_ factor: UInt64) {
        var numbers = SeededNumbers(seed: factor)
        for shift in Array(-35...130) {
            for _ in 0..<3 {
                let least = numbers.pick([0, 0, 1, 1 << 29, 1 << 30, 1 << 30 + 1, .max, UInt32(truncatingIfNeeded: numbers.next()) >> 2])
                check(SoftmaxTrial(numbers.int(1...40), factor: factor, shift: shift, least: least, &numbers), &numbers)
            }
        }
        for shift in [-1_000, -128, 1_000] { check(SoftmaxTrial(numbers.vector(20), factor: factor, shift: shift), &numbers) }
    }

    @Test func aWholeVocabulary() {
        var numbers = SeededNumbers(seed: 72)
        for (temperature, fractionBits) in [(65_536, 16), (65_536, 12), (52_429, 20), (13_107, 16), (6_553_600, 16), (1, 24)] as [(UInt64, Int)] {
            let spread = 12 << fractionBits
            let logits = (0..<32_000).map { _ in Int32(clamping: numbers.int(-spread...spread)) }
            for least in [0, 53_687_091] as [UInt32] {
                check(SoftmaxTrial(logits, factor: log2eQ40 / temperature, shift: fractionBits, least: least), &numbers)
            }
            check(SoftmaxTrial(logits, factor: log2eQ40, shift: 16 + fractionBits), &numbers)
        }
    }

    @Test func equalLogitsAndTheWidestDistance() {
        var numbers = SeededNumbers(seed: 73)
        for value in [Int32.min, -1, 0, .max] { check(SoftmaxTrial([Int32](repeating: value, count: 35), factor: log2eQ40, shift: 32), &numbers) }
        for (factor, shift) in [(1, 8), (1, 4), (0xFFFF_FFFF, 36), (0xFFFF_FFFF, 63), (log2eQ40, 48), (1 << 41 - 1, 95)] as [(UInt64, Int)] {
            for count in [2, 15, 16, 17, 33] {
                for place in 0..<count {
                    var logits = [Int32](repeating: .min, count: count)
                    logits[place] = .max
                    check(SoftmaxTrial(logits, factor: factor, shift: shift), &numbers)
                    check(SoftmaxTrial(logits.map { $0 == .max ? .min : .max }, factor: factor, shift: shift), &numbers)
                }
            }
        }
    }

    /// `greatest` need not be among the logits.
    @Test func allMayLieBelowTheGreatest() {
        var numbers = SeededNumbers(seed: 74)
        for above in [1, 1_000, 1 << 20, 1 << 30] as [Int32] {
            for count in [1, 16, 21] {
                var trial = SoftmaxTrial(count, factor: log2eQ40, shift: 36, &numbers)
                trial.greatest = Int32(clamping: Int(trial.greatest) + Int(above))
                check(trial, &numbers)
            }
        }
    }

    @Test func shiftedEqualsExactArithmetic() {
        var numbers = SeededNumbers(seed: 75)
        for shift in -140...140 {
            for _ in 0..<60 {
                let a = numbers.pick([0, 1, .max, numbers.next() >> UInt64(numbers.int(0...63))])
                let b = numbers.pick([0, 1, .max, numbers.next() >> UInt64(numbers.int(0...63))])
                #expect(shifted(a, b, shift) == SoftmaxTrial.shifted(a, b, shift, most: .max), "\(a) * \(b) >> \(shift)")
            }
        }
    }

    /// exp2n of every fraction, and of every whole part with many of them, as kernels have it.
    @Test func everyDistance() {
        let width: UInt32 = 1 << 16
        let memory = GuardedMemory(byteCount: 4 << 16, alignment: 4)
        defer { withExtendedLifetime(memory) {} }
        let x = memory.base.assumingMemoryBound(to: Int32.self)
        func check(_ first: UInt32) {
            // Distances first ..< first + width, 16 of them a call.
            for i in 0..<width { x[Int(i)] = Int32(truncatingIfNeeded: Int64(Int32.max) - Int64(first + i)) }
            let expected = stride(from: first, to: first + width, by: 16).map { d in
                (d..<d + 16).reduce(UInt64(0)) { $0 + UInt64(exp2Negative($1)) }
            }
            for kernels in KernelSet.fast {
                let got = stride(from: 0, to: Int(width), by: 16).map {
                    Softmax(logits: x + $0, count: 16, greatest: .max, factor: 1, shift: 0, kernels).total()
                }
                #expect(got == expected, "\(kernels), from \(first) on")
            }
        }
        for chunk in 0..<256 as Range<UInt32> { check(chunk * width) }
        for whole in 1...34 as ClosedRange<UInt32> {
            check(whole << 24 - width / 2)
            check(whole << 24 + 0x5A_3C17)
        }
        check(.max - width)
    }
}
