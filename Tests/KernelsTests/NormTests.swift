import CKernels
import Foundation
import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 5: every set of kernels against exact arithmetic.
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

        /// What all kernels make of it, apart from the vector and in its place; nil if they differ.
        func apply() -> [Int32]? {
            let vector = GuardedArray(x), weight = GuardedArray(weight), bias = bias.map(GuardedArray.init)
            let place = GuardedArray(x), y = GuardedArray(x)
            defer { withExtendedLifetime((vector, weight, bias, place, y)) {} }
            let norm = Norm(
                subtractsMean: isLayer, weight: weight.pointer, weightFractionBits: weightBits,
                bias: bias.map { UnsafePointer($0.pointer) }, outputFractionBits: outputBits, epsilon: epsilon)
            var result: [Int32]?
            for kernels in KernelSet.runnable {
                for i in x.indices { (place.pointer[i], y.pointer[i]) = (x[i], 5) }
                let most = norm.apply(vector.pointer, size: x.count, fractionBits: fractionBits, into: y.pointer, kernels)
                let again = norm.apply(place.pointer, size: x.count, fractionBits: fractionBits, into: place.pointer, kernels)
                let got = y.elements
                if let result, result != got { return nil }
                if place.elements != got || most != got.map(\.magnitude).max() || again != most { return nil }
                if !y.memory.isSlackIntact || !place.memory.isSlackIntact { return nil }
                result = got
            }
            return result
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

    @Test func seededVectorsAreNearTheRealOnesAndEqualTheDocument() throws {
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
                let real = trial.real()
                let got = try #require(trial.apply())
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

    @Test func aConstantVectorBecomesOnesOrNothing() throws {
        for value in [1, -1, 1_000, .max, .min] as [Int32] {
            var trial = Case([Int32](repeating: value, count: 48))
            let one = scalbn(1.0, trial.outputBits)
            #expect(try #require(trial.apply()).allSatisfy { abs(Double($0) / one - (value > 0 ? 1 : -1)) < 0x1p-20 })
            trial.isLayer = true
            #expect(try #require(trial.apply()).allSatisfy { $0 == 0 })
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

    @Test func everySize() {
        var numbers = SeededNumbers(seed: 44)
        for size in Array(1...70) + [768] {
            for round in 0..<12 {
                var trial = Case(numbers.vector(size))
                trial.isLayer = round % 2 == 0
                trial.fractionBits = numbers.int(0...24)
                trial.weight = numbers.vector(size)
                if round % 4 < 2 { trial.bias = numbers.vector(size) }
                trial.epsilon = numbers.pick([0, 184_467_440_737_096, numbers.next()])
                #expect(trial.apply() == trial.exact(), "size \(size)")
            }
        }
    }

    /// Magnitudes of 23 to 32 bits, which lose 0 to 9 of them before they are squared.
    @Test(arguments: 23...32) func everyNarrowing(_ length: Int) {
        var numbers = SeededNumbers(seed: UInt64(length))
        let most = Int32(clamping: Int64(1) << Int64(length - 1))
        for round in 0..<60 {
            var trial = Case((0..<33).map { _ in Int32(numbers.int(-Int(most)...Int(most))) })
            trial.x[round % 33] = length == 32 ? .min : round % 2 == 0 ? -most : most
            trial.isLayer = round % 4 > 1
            if trial.isLayer, round % 3 == 0 { trial.x = trial.x.map { $0 < 0 ? .min : .max } }
            trial.fractionBits = numbers.int(-8...30)
            trial.epsilon = numbers.pick([0, 1 << 40])
            #expect(trial.apply() == trial.exact())
        }
    }

    /// Both sums, with means and narrowings that a norm may not meet together.
    @Test func sumsEqualExactArithmetic() {
        var numbers = SeededNumbers(seed: 45)
        for count in Array(1...70) + [65_536] {
            for narrowing in 0...9 as ClosedRange<Int32> {
                let mean: Int32 = numbers.pick([0, 1, -1, .min, .max, numbers.anyInt32()])
                // A sum of squares of more than 23 bits need not fit.
                let shift = max(0, 8 - narrowing + (mean == 0 ? 0 : 1))
                let x = numbers.vector(count).map { $0 >> shift }, center = mean >> shift
                let memory = GuardedArray(x)
                defer { withExtendedLifetime(memory) {} }
                let z = x.map { Exact.sat32(Int128($0) - Int128(center)) }
                let squares = z.reduce(Int128(0)) { $0 + Exact.rshr(Int128($1), Int(narrowing)) * Exact.rshr(Int128($1), Int(narrowing)) }
                for kernels in KernelSet.fast {
                    #expect(stlm_centered_maximum(kernels.index, memory.pointer, count, center) == z.map(\.magnitude).max()!, "\(kernels)")
                    #expect(stlm_sum_of_squares(kernels.index, memory.pointer, count, center, narrowing) == UInt64(squares), "\(kernels)")
                }
            }
        }
    }

    /// All that `stlm_norm` takes: roots, means and shifts to their ends.
    @Test func everyShiftOfTheKernels() {
        var numbers = SeededNumbers(seed: 46)
        for shift in 0...62 {
            for weightShift in [0, 1, 61, 62, numbers.int(0...62), shift] {
                let count = numbers.int(1...40)
                let x = numbers.vector(count), g = numbers.vector(count), h = numbers.int(0...1) == 0 ? numbers.vector(count) : nil
                let root: Int64 = numbers.pick([0, 1, 1 << 30 - 1, 1 << 30, 1 << 31 - 1, 1 << 31, Int64(numbers.int(1 << 30...1 << 31))])
                let mean: Int32 = numbers.pick([0, .min, .max, numbers.anyInt32()])
                let expected: [Int32] = x.indices.map { i in
                    let unit = Exact.scale(Int128(Exact.sat32(Int128(x[i]) - Int128(mean))) * Int128(root), shift)
                    let y = Exact.scale(Int128(unit) * Int128(g[i]), weightShift)
                    return h.map { Exact.sat32(Int128(y) + Int128($0[i])) } ?? y
                }
                let input = GuardedArray(x), weight = GuardedArray(g), bias = h.map(GuardedArray.init)
                defer { withExtendedLifetime((input, weight, bias)) {} }
                for kernels in KernelSet.fast {
                    let y = GuardedArray(count: count, repeating: Int32(5))
                    var call = stlm_norm_call(
                        x: input.pointer, weight: weight.pointer, bias: bias.map { UnsafePointer($0.pointer) }, y: y.pointer, count: count,
                        root: root, mean: mean, shift: Int32(shift), weight_shift: Int32(weightShift))
                    #expect(stlm_norm(kernels.index, &call) == expected.map(\.magnitude).max()!, "\(kernels), \(shift), \(weightShift)")
                    #expect(y.elements == expected, "\(kernels), \(shift), \(weightShift)")
                }
            }
        }
    }
}
