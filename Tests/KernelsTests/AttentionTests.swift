import CKernels
import FixedPoint
import Foundation
import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.2, step 4: every set of kernels against exact arithmetic.
@Suite struct AttentionTests {
    private func check(_ trial: AttentionTrial, _ what: @autoclosure () -> String = "") {
        let exact = trial.exact()
        for kernels in KernelSet.runnable {
            #expect(trial.run(kernels) == exact, "\(kernels), \(trial.type): \(trial.headSize) elements, \(trial.keys.count) positions, \(what())")
        }
    }

    /// Softmax in double precision.
    private func real(_ query: [Double], _ keys: [[Double]], _ values: [[Double]], _ scale: Double) -> [Double] {
        let scores = keys.map { key in zip(query, key).reduce(0) { $0 + $1.0 * $1.1 } * scale }
        let p = scores.map { exp2($0 - scores.max()!) }
        let total = p.reduce(0, +)
        return query.indices.map { i in p.indices.reduce(0) { $0 + p[$1] * values[$1][i] } / total }
    }

    @Test(arguments: [1, 2, 3, 8, 48, 128], [1, 2, 7, 300]) func isNearADoubleSoftmax(_ size: Int, _ count: Int) {
        var numbers = SeededNumbers(seed: UInt64(51 + size * 1_000 + count))
        func vector(_ deviation: Double) -> [Int32] { (0..<size).map { _ in Int32(numbers.float(deviation: Float(deviation)) * 65_536) } }
        let query = vector(2), keys = (0..<count).map { _ in vector(2) }, values = (0..<count).map { _ in vector(1) }
        var trial = AttentionTrial(
            query: .init(query, fractionBits: 16), keys: keys.map { .init($0, fractionBits: 16) },
            values: values.map { .init($0, fractionBits: 16) })
        // log2(e) / sqrt(head size) as the packer writes it
        let scale = 1 / (log(2.0) * Double(size).squareRoot())
        trial.exponent = 30 - Int(scale.exponent)
        trial.mantissa = Int64(scalbn(scale, trial.exponent).rounded())
        check(trial)
        func reals(_ vector: [Int32]) -> [Double] { vector.map { Double($0) / 65_536 } }
        let real = real(reals(query), keys.map(reals), values.map(reals), scalbn(Double(trial.mantissa), -trial.exponent))
        let most = values.joined().map { Double($0.magnitude) / 65_536 }.max()!
        let error = zip(trial.exact(), real).map { abs(scalbn(Double($0), 2 - trial.leastValueExponent) - $1) }.max()!
        #expect(error < 4e-4 * most)
    }

    @Test func equalValuesComeOutAsTheyAre() {
        var numbers = SeededNumbers(seed: 52)
        let value = (0..<16).map { _ in Int32(numbers.int(-60_000...60_000)) }
        func any() -> AttentionTrial.Vector { .init((0..<16).map { _ in numbers.anyInt32() }, fractionBits: 16) }
        let trial = AttentionTrial(
            query: any(), keys: (0..<50).map { _ in any() }, values: (0..<50).map { _ in .init(value, fractionBits: 16) })
        check(trial)
        for (g, v) in zip(trial.exact(), value) {
            #expect(abs(scalbn(Double(g), 2 - trial.leastValueExponent) - Double(v) / 65_536) < 2e-4)
        }
    }

    @Test(arguments: KeyValueType.all) func everyHeadSize(_ type: KeyValueType) {
        var numbers = SeededNumbers(seed: 53)
        for size in 1...130 {
            check(AttentionTrial(type, headSize: size, positions: numbers.int(1...40), shift: numbers.int(20...45), &numbers))
            check(AttentionTrial(type, headSize: size, positions: numbers.int(1...300), shift: numbers.int(20...45), spread: 60, &numbers))
        }
    }

    @Test(arguments: KeyValueType.all) func everyNumberOfPositions(_ type: KeyValueType) {
        var numbers = SeededNumbers(seed: 54)
        for count in 1...300 {
            check(AttentionTrial(type, headSize: numbers.int(1...70), positions: count, shift: numbers.int(20...45), &numbers))
            check(AttentionTrial(type, headSize: numbers.int(1...5), positions: count, shift: 34, isExtreme: true, &numbers))
        }
    }

    @Test func everyExtreme() {
        var numbers = SeededNumbers(seed: 55)
        for round in 0..<1_500 {
            let size = numbers.pick([1, 2, 3, 16, 17]), count = numbers.int(1...40)
            // As far as fraction bits of a floating layer reach.
            let (bits, keyBits) = (numbers.pick([-150, 219, numbers.int(-30...60)]), numbers.pick([-150, 219, numbers.int(-30...60)]))
            var trial = AttentionTrial(
                query: .init(numbers.vector(size), fractionBits: bits),
                keys: (0..<count).map { _ in .init(numbers.vector(size), fractionBits: keyBits) },
                values: (0..<count).map { _ in .init(numbers.vector(size), fractionBits: keyBits) })
            trial.mantissa = numbers.pick([1 << 30, 1 << 31 - 1])
            trial.exponent = numbers.pick([0, 64, numbers.int(0...64)])
            check(trial, "round \(round)")
        }
    }

    /// Below 0 the reference takes over; beyond 63 all scores are 0.
    @Test(arguments: KeyValueType.all) func everyShiftOfTheScores(_ type: KeyValueType) {
        var numbers = SeededNumbers(seed: 56)
        for shift in Array(-40...70) + [-300, 130, 300] {
            for spread in [0, 2, 90] {
                for isExtreme in [false, true] {
                    check(
                        AttentionTrial(
                            type, headSize: numbers.int(1...20), positions: numbers.int(1...50), shift: shift, shiftSpread: spread,
                            isExtreme: isExtreme, &numbers), "shift \(shift)")
                }
            }
        }
    }

    /// A position may lie far below the others, and all of them below EL's head.
    @Test(arguments: KeyValueType.all) func everyShiftOfTheValues(_ type: KeyValueType) {
        var numbers = SeededNumbers(seed: 57)
        for shift in 0...90 {
            var trial = AttentionTrial(type, headSize: 5, positions: numbers.int(1...40), shift: 34, spread: shift, &numbers)
            check(trial, "spread \(shift)")
            trial.leastExponent = trial.leastValueExponent - shift
            check(trial, "below by \(shift)")
        }
    }

    /// Sums of more elements than 32 bits hold, up to the longest head.
    @Test(arguments: KeyValueType.all) func longHeads(_ type: KeyValueType) {
        var numbers = SeededNumbers(seed: 58)
        for size in [131, 238, 239, 240, 241, 242, 255, 256, 257, 478, 480, 482, 992, 993, 1_023, 4_096] {
            for count in [1, 17, 70] {
                check(AttentionTrial(type, headSize: size, positions: count, shift: 34, &numbers))
                var trial = AttentionTrial(type, headSize: size, positions: count, shift: 34, isExtreme: true, &numbers)
                for i in 0..<size { trial.query.codes[i] = 32_767 }
                // All products of one sign, of the low and of the high byte.
                let most: Int16 = type == .int16 ? 32_767 : 127
                for t in 0..<count { trial.keys[t].codes = [Int16](repeating: t % 3 == 0 ? -most : most, count: size) }
                for low in [32_767, -32_767, 255, -32_513] as [Int16] {
                    trial.query.codes = [Int16](repeating: low, count: size)
                    check(trial, "query of \(low)")
                }
            }
        }
    }

    /// The longest context and the greatest values: the bounds of the document.
    @Test func theLongestSequence() {
        let count = 65_536
        for size in [2, 17] {
            func vector(_ second: Int32) -> AttentionTrial.Vector { .init((0..<size).map { $0 % 2 == 0 ? .max : second }, fractionBits: 16) }
            var trial = AttentionTrial(
                query: vector(.max), keys: [AttentionTrial.Vector](repeating: vector(.min), count: count),
                values: (0..<count).map { vector($0 % 3 == 0 ? .min : .max) })
            (trial.mantissa, trial.exponent) = (1 << 31 - 1, 31)
            check(trial)
        }
        var numbers = SeededNumbers(seed: 59)
        for type in KeyValueType.all { check(AttentionTrial(type, headSize: 3, positions: count - 5, shift: 34, isExtreme: true, &numbers)) }
    }

    /// Weights whose digits to the base of 1,024 are all but the greatest, over values at their ends: the greatest sums in 32 bits.
    @Test(arguments: [0, 10]) func weightsOfAllOnes(_ place: Int64) {
        let found = (1...4_000).lazy.compactMap { score -> (score: Int, mantissa: Int)? in
            let p = Int64(exp2Negative(UInt32(score) << 13))
            return (32_770...65_539).first { roundingShiftRight(p * Int64($0), 17) >> place & 1_023 == 1_023 }.map { (score, $0) }
        }.first!
        // z is 32 times the key's code here, but for the first position 0.
        var trial = AttentionTrial(
            query: .init(codes: [1_024], mantissa: 1 << 15, exponent: 0),
            keys: (0..<200).map { .init(codes: [$0 == 0 ? Int16(found.score) : 0], mantissa: 1 << 15, exponent: 0) },
            values: (0..<200).map { _ in .init(codes: [32_767], mantissa: found.mantissa, exponent: 0) })
        trial.mantissa = 1 << 30
        // M = 2^28 and Mt = 2^26, so that z = 2^(10 + 26 - 31) * code.
        trial.exponent = 50 + 31
        check(trial)
        for t in 0..<200 { trial.values[t].codes = [-32_767] }
        check(trial)
    }

    /// The same of narrow values: all digits of a weight to the base of 256 or 32,768 but the greatest are full, for as many positions as are
    /// summed at once and more.
    @Test(arguments: [KeyValueType.int8, .int4]) func fullWeightsOverNarrowValues(_ type: KeyValueType) {
        let most: Int16 = type == .int8 ? 127 : 15, greatest = type == .int8 ? 66_053 : 82_947
        let found = (1...32_767).lazy.compactMap { score -> (score: Int, mantissa: Int)? in
            let p = Int64(exp2Negative(UInt32(score) << 8))
            return (33_026...greatest).first { roundingShiftRight(p * Int64($0), 17) & 0xFF_FFFF == 0xFF_FFFF }.map { (score, $0) }
        }.first!
        for count in [127, 128, 129, 255, 256, 257, 400] {
            for value in [most, -most] {
                // z is the query's code at the first position, elsewhere 0: M = 2^28 and Mt = 2^26.
                var trial = AttentionTrial(
                    type, query: .init(codes: [Int16(found.score)], mantissa: 1 << 15, exponent: 0),
                    keys: (0..<count).map { .init(codes: [$0 == 0 ? 1 : 0], mantissa: 1 << 15, exponent: 0) },
                    values: (0..<count).map { _ in .init(codes: [value], mantissa: found.mantissa, exponent: 0) })
                trial.mantissa = 1 << 30
                trial.exponent = 50 + 26
                check(trial, "\(count) values of \(value)")
            }
        }
    }

    @Test func whatLiesBeyondThePositionsDoesNotMatter() {
        var numbers = SeededNumbers(seed: 60)
        for count in [1, 2, 15, 16, 17, 31, 33, 47, 63, 64, 65, 79, 129] {
            for size in [1, 4, 8, 15, 33, 48] {
                let trial = AttentionTrial(numbers.pick(KeyValueType.all), headSize: size, positions: count, shift: 34, &numbers)
                let exact = trial.exact()
                let garbage = [0, 0x7F, 0x80, 0xFF, 0x55].map(AttentionTrialMemory.Garbage.bytes) + [.random(seed: numbers.next())]
                for garbage in garbage {
                    for kernels in KernelSet.runnable {
                        #expect(trial.run(kernels, garbage: garbage) == exact, "\(kernels): \(size) elements, \(count) positions, \(garbage)")
                    }
                }
            }
        }
    }

    /// The kernels refuse only where a score is not shifted to the right, and write nothing then.
    @Test func kernelsTakeEveryShiftToTheRight() {
        var numbers = SeededNumbers(seed: 61)
        for round in 0..<400 {
            let count = numbers.int(1...40)
            var trial = AttentionTrial(
                numbers.pick(KeyValueType.all), headSize: numbers.int(1...9), positions: count, shift: round % 2 == 0 ? 1 : 34, &numbers)
            if round % 4 > 1 { trial.keys[numbers.int(0...count - 1)].scale.exponent -= Int32(numbers.int(1...38)) }
            let exact = trial.exact(), least = trial.leastShift
            // Exponents beyond the positions are far above, or far below, those that count.
            let garbage: UInt8 = round % 3 == 0 ? 0x5A : 0xA5
            for kernels in KernelSet.fast {
                let memory = AttentionTrialMemory(trial, .bytes(garbage))
                var call = trial.call(memory)
                let isTaken = stlm_attend(kernels.index, &call) != 0
                if least != 0 { #expect(isTaken == (least > 0), "\(kernels), \(count) positions, shift \(least)") }
                if isTaken {
                    #expect(memory.result.elements == exact)
                } else {
                    let touched = [memory.weights.memory, memory.sums.memory, memory.result.memory].contains { $0.bytes.contains { $0 != garbage } }
                    #expect(!touched, "\(kernels)")
                }
            }
        }
    }
}
