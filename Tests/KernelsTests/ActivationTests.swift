import FixedPoint
import Foundation
import Kernels
import ModelFile
import TestSupport
import Testing

/// arithmetic-1, sections 6.3 and 6.4.
@Suite struct ActivationTests {
    private func activated(
        _ x: [Int32], _ fractionBits: Int, _ activation: Activation, _ piecewise: PiecewiseLinear? = nil
    ) -> (y: [Int32], fractionBits: Int) {
        let memory = GuardedArray(x)
        let bits = activate(memory.pointer, count: x.count, fractionBits: fractionBits, activation, piecewise)
        return (memory.elements, bits)
    }

    private func real(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .identity, .piecewiseLinear: x
        case .gelu: x * erfc(-x / 2.0.squareRoot()) / 2
        case .relu: max(0, x)
        case .leakyRelu: x >= 0 ? x : 0.01 * x
        case .tanh: tanh(x)
        case .sigmoid: 1 / (1 + exp(-x))
        case .silu: x / (1 + exp(-x))
        }
    }

    static let smooth: [Activation] = [.identity, .gelu, .relu, .leakyRelu, .tanh, .sigmoid, .silu]

    @Test(arguments: smooth, [12, 20, 24, 26]) func isNearTheRealFunction(_ activation: Activation, _ fractionBits: Int) {
        let range = min(30.0, scalbn(1.0, 30 - fractionBits))
        let x = (0...20_000).map { Int32((Double($0) / 10_000 - 1) * range * scalbn(1.0, fractionBits)) }
        let (y, bits) = activated(x, fractionBits, activation)
        let unit = scalbn(1.0, -bits)
        for (x, y) in zip(x, y) {
            let argument = scalbn(Double(x), -fractionBits)
            let error = abs(Double(y) * unit - real(activation, argument))
            // The tables err by 3e-6 of what they are multiplied with; results are rounded to a unit.
            #expect(error <= 6e-6 * max(1, abs(argument)) + unit, "\(activation)(\(argument))")
        }
    }

    /// The table of the document's section 6.4 in 128 bits.
    private func exact(_ activation: Activation, _ x: Int32, _ F: Int) -> (Int32, Int) {
        let t = Exact.scale(Int128(x), F - 20)
        return switch activation {
        case .identity, .piecewiseLinear: (x, F)
        case .gelu: (Exact.scale(Int128(x) * Int128(normal(t)), 31), F)
        case .relu: (max(0, x), F)
        case .leakyRelu: (x >= 0 ? x : Exact.scale(Int128(x) * 42_949_673, 32), F)
        case .tanh: (Exact.sat32(Int128(sigmoid(Exact.scale(Int128(x), F - 21))) - 1 << 30), 30)
        case .sigmoid: (Int32(Exact.rshr(Int128(sigmoid(t)), 1)), 30)
        case .silu: (Exact.scale(Int128(x) * Int128(sigmoid(t)), 31), F)
        }
    }

    @Test(arguments: smooth) func extremesEqualTheDocument(_ activation: Activation) {
        var numbers = SeededNumbers(seed: 61)
        let x = [Int32.min, .min + 1, .max, .max - 1, 0, 1, -1] + (0..<200).map { _ in numbers.anyInt32() }
        // As far as fraction bits of a floating layer reach.
        for fractionBits in [-150, -64, -32, -13, -12, -11, -10, 0, 19, 20, 21, 22, 31, 51, 52, 62, 82, 83, 84, 127, 219] {
            let (y, bits) = activated(x, fractionBits, activation)
            let expected = x.map { exact(activation, $0, fractionBits) }
            #expect(y == expected.map(\.0) && bits == expected[0].1, "\(fractionBits) fraction bits")
        }
    }

    private func piecewise(
        _ points: [Int32], _ values: [Int32], _ slopes: [Int32], slopeBits: Int, _ x: [Int32], _ fractionBits: Int
    ) -> (got: [Int32], expected: [Int32]) {
        let table = GuardedArray(points + values + slopes)
        let function = PiecewiseLinear(breakpoints: table.pointer, count: points.count, slopeFractionBits: slopeBits)
        let got = withExtendedLifetime(table) { activated(x, fractionBits, .piecewiseLinear, function) }
        #expect(got.fractionBits == 20)
        let expected = x.map { x in
            let t = Exact.scale(Int128(x), fractionBits - 20)
            let k = points.filter { $0 <= t }.count, j = max(0, k - 1)
            let rise = Exact.scale(Int128(slopes[k]) * (Int128(t) - Int128(points[j])), slopeBits)
            return Exact.sat32(Int128(values[j]) + Int128(rise))
        }
        return (got.y, expected)
    }

    /// A slope of -2^31 over all 32 bits gives a product near 2^63, where half a rounding unit does not fit.
    @Test func piecewiseLinearEqualsExactArithmeticAtItsExtremes() {
        let x: [Int32] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]
        for points in [[.min], [.max], [0], [.min, .max], [.min, -1, 0, .max]] as [[Int32]] {
            for slope in [.min, .max, 1, 0, -1] as [Int32] {
                for slopeBits in [-32, -1, 0, 1, 2, 20, 31, 32, 61, 62] {
                    let slopes = [Int32](repeating: slope, count: points.count + 1)
                    let values = points.map { $0 / 2 }
                    let (got, expected) = piecewise(points, values, slopes, slopeBits: slopeBits, x, 20)
                    #expect(got == expected, "slope \(slope) * 2^-\(slopeBits) at \(points)")
                }
            }
        }
    }

    @Test func piecewiseLinearEqualsExactArithmeticOnSeededTables() {
        var numbers = SeededNumbers(seed: 62)
        for _ in 0..<500 {
            let points = Set((0..<numbers.int(1...64)).map { _ in numbers.anyInt32() }).sorted()
            let values = points.map { _ in numbers.anyInt32() }, slopes = (0...points.count).map { _ in numbers.anyInt32() }
            let x = points + (0..<20).map { _ in numbers.anyInt32() }
            let (got, expected) = piecewise(points, values, slopes, slopeBits: numbers.int(-32...62), x, numbers.pick([20, 3, 40]))
            #expect(got == expected)
        }
    }

    @Test func multiplyGateEqualsExactArithmetic() {
        var numbers = SeededNumbers(seed: 63)
        let ends: [Int32] = [.min, .max, 0, 1, -1]
        for round in 0..<2_000 {
            let count = numbers.int(1...20)
            let (shiftA, shiftB) = (Int32(numbers.int(0...31)), Int32(numbers.int(0...31)))
            let a = (0..<count).map { _ in round % 3 == 0 ? numbers.pick(ends) : numbers.anyInt32() >> shiftA }
            let b = (0..<count).map { _ in round % 3 == 0 ? numbers.pick(ends) : numbers.anyInt32() >> shiftB }
            let (fa, fb) = (numbers.int(-150...219), numbers.int(-150...219))
            func length(_ v: [Int32]) -> Int { Exact.bits(v.map { Int128($0.magnitude) }.max()!) }
            let k = max(0, length(a) + length(b) - 31)
            let gate = GuardedArray(a), up = GuardedArray(b)
            let bits = multiplyGate(gate.pointer, gateFractionBits: fa, up.pointer, upFractionBits: fb, count: count)
            #expect(bits == fa + fb - k)
            #expect(gate.elements == zip(a, b).map { Exact.scale(Int128($0) * Int128($1), k) })
        }
    }
}
