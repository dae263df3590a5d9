import Foundation
import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 5.
@Suite struct NormTests {
    struct Case {
        var x: [Int32]
        var fractionBits = 16
        var isLayer = false
        var weight: [Int32]
        var weightBits = 28
        var bias: [Int32]?
        var outputBits = 24
        var epsilon: UInt64 = 0

        init(_ x: [Int32]) {
            self.x = x
            weight = [Int32](repeating: 1 << 28, count: x.count)
        }

        func apply() -> [Int32] {
            let x = GuardedArray(x), weight = GuardedArray(weight), bias = bias.map(GuardedArray.init)
            let y = GuardedArray(count: x.count, repeating: Int32(5))
            let norm = Norm(
                subtractsMean: isLayer, weight: weight.pointer, weightFractionBits: weightBits,
                bias: bias.map { UnsafePointer($0.pointer) }, outputFractionBits: outputBits, epsilon: epsilon)
            withExtendedLifetime((x, weight, bias)) {
                norm.apply(x.pointer, size: x.count, fractionBits: fractionBits, into: y.pointer)
                // In place gives the same.
                norm.apply(x.pointer, size: x.count, fractionBits: fractionBits, into: x.pointer)
            }
            #expect(x.elements == y.elements)
            return y.elements
        }

        func exact() -> [Int32] {
            ArithmeticReference.norm(
                x, F: fractionBits, isLayer: isLayer, g: weight, FG: weightBits, h: bias, FY: outputBits, epsilon: epsilon)
        }

        /// The real numbers, in double precision.
        func real() -> [Double] {
            let unit = scalbn(1.0, -fractionBits)
            var z = x.map { Double($0) * unit }
            let n = Double(x.count)
            if isLayer {
                let mean = z.reduce(0, +) / n
                z = z.map { $0 - mean }
            }
            let square = z.reduce(0) { $0 + $1 * $1 } / n + Double(epsilon) * 0x1p-64
            return z.indices.map { i in
                let unitary = square == 0 ? 0 : z[i] / square.squareRoot()
                return unitary * scalbn(Double(weight[i]), -weightBits) + (bias.map { scalbn(Double($0[i]), -outputBits) } ?? 0)
            }
        }
    }

    @Test func seededVectorsAreNearTheRealOnesAndEqualTheDocument() {
        var numbers = SeededNumbers(seed: 41)
        for size in [2, 3, 17, 64, 1_000] {
            for round in 0..<24 {
                let bits = numbers.int(8...30)
                var trial = Case((0..<size).map { _ in Int32(numbers.int(-(1 << bits)...1 << bits)) })
                trial.fractionBits = numbers.int(0...24)
                trial.isLayer = round % 2 == 1
                trial.weight = (0..<size).map { _ in Int32(numbers.int(1 << 26...1 << 29)) }
                if round % 4 == 3 { trial.bias = (0..<size).map { _ in Int32(numbers.int(-(1 << 24)...1 << 24)) } }
                trial.epsilon = numbers.pick([0, 184_467_440_737_096, 18_446_744_073_710])
                let got = trial.apply(), real = trial.real()
                #expect(got == trial.exact())
                // Elements of unit size are kept in Q22; a layer norm's mean is rounded to a whole unit of the input.
                let scale = real.map(abs).max()!
                let error = zip(got, real).map { abs(scalbn(Double($0), -trial.outputBits) - $1) }.max()!
                let spread = Double(trial.x.map { $0.magnitude }.max()!)
                #expect(error <= max(scale, 2) * (0x1p-20 + (trial.isLayer ? 4 / spread : 0)), "size \(size), round \(round)")
            }
        }
    }

    @Test(arguments: [false, true]) func zerosStayZero(_ isLayer: Bool) {
        var trial = Case([Int32](repeating: 0, count: 32))
        trial.isLayer = isLayer
        for epsilon in [0, 1, .max] as [UInt64] {
            trial.epsilon = epsilon
            #expect(trial.apply() == trial.x)
        }
    }

    @Test func aConstantVectorBecomesOnesOrNothing() {
        for value in [1, -1, 1_000, .max, .min] as [Int32] {
            var trial = Case([Int32](repeating: value, count: 48))
            let one = scalbn(1.0, trial.outputBits)
            #expect(trial.apply().allSatisfy { abs(Double($0) / one - (value > 0 ? 1 : -1)) < 0x1p-20 })
            trial.isLayer = true
            #expect(trial.apply().allSatisfy { $0 == 0 })
            trial.bias = (0..<48).map { $0 * 1_000 - 7 }
            #expect(trial.apply() == trial.bias)
        }
    }

    @Test func everyExtremeEqualsTheDocument() {
        var numbers = SeededNumbers(seed: 42)
        let ends: [Int32] = [.min, .max, 0, 1, -1]
        for size in [2, 3, 65_536] {
            for _ in 0..<(size == 65_536 ? 4 : 400) {
                let pattern = (0..<4).map { _ in numbers.pick(ends) }
                var trial = Case((0..<size).map { pattern[$0 % 4] })
                trial.isLayer = numbers.int(0...1) == 0
                trial.fractionBits = numbers.pick([-32, 62, 0, numbers.int(-32...62)])
                trial.weightBits = numbers.pick([-32, 62, numbers.int(-32...62)])
                trial.outputBits = numbers.pick([-32, 62, numbers.int(-32...62)])
                trial.weight = (0..<size).map { _ in numbers.pick(ends) }
                if numbers.int(0...1) == 0 { trial.bias = (0..<size).map { _ in numbers.pick(ends) } }
                trial.epsilon = numbers.pick([0, 1, .max, 1 << 63, numbers.next(), numbers.next() >> UInt64(numbers.int(0...63))])
                #expect(trial.apply() == trial.exact(), "\(trial.x.prefix(4)), \(trial.fractionBits), \(trial.epsilon)")
            }
        }
    }

    @Test func seededVectorsOfAnySizeOfNumberEqualTheDocument() {
        var numbers = SeededNumbers(seed: 43)
        for _ in 0..<3_000 {
            let size = numbers.int(2...40)
            var trial = Case((0..<size).map { _ in numbers.anyInt32() })
            trial.isLayer = numbers.int(0...1) == 0
            (trial.fractionBits, trial.weightBits) = (numbers.int(-32...62), numbers.int(-32...62))
            trial.outputBits = numbers.int(-32...62)
            trial.weight = (0..<size).map { _ in numbers.anyInt32() }
            trial.epsilon = numbers.next() >> UInt64(numbers.int(0...63))
            #expect(trial.apply() == trial.exact())
        }
    }
}
