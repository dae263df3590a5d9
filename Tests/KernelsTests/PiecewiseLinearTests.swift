import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.4, activation 7.
@Suite struct PiecewiseLinearTests {
    private func check(_ points: [Int32], _ values: [Int32], _ slopes: [Int32], slopeBits: Int, _ x: [Int32], _ fractionBits: Int) {
        let table = GuardedArray(points + values + slopes)
        defer { withExtendedLifetime(table) {} }
        let function = PiecewiseLinear(breakpoints: table.pointer, count: points.count, slopeFractionBits: slopeBits)
        let expected = x.map { x in
            let t = Exact.scale(Int128(x), fractionBits - 20)
            let k = points.filter { $0 <= t }.count, j = max(0, k - 1)
            let rise = Exact.scale(Int128(slopes[k]) * (Int128(t) - Int128(points[j])), slopeBits)
            return Exact.sat32(Int128(values[j]) + Int128(rise))
        }
        for kernels in KernelSet.runnable {
            let y = GuardedArray(x)
            let got = activate(y.pointer, count: x.count, fractionBits: fractionBits, .piecewiseLinear, function, kernels)
            #expect(got.fractionBits == 20 && y.elements == expected, "\(kernels), slopes \(slopes) * 2^-\(slopeBits) at \(points)")
        }
    }

    /// A slope of -2^31 over all 32 bits gives a product near 2^63, where half a rounding unit does not fit.
    @Test func extremesEqualExactArithmetic() {
        let x: [Int32] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]
        for points in [[.min], [.max], [0], [.min, .max], [.min, -1, 0, .max]] as [[Int32]] {
            for slope in [.min, .max, 1, 0, -1] as [Int32] {
                for slopeBits in [-32, -1, 0, 1, 2, 20, 31, 32, 61, 62] {
                    let slopes = [Int32](repeating: slope, count: points.count + 1)
                    check(points, points.map { $0 / 2 }, slopes, slopeBits: slopeBits, x, 20)
                }
            }
        }
    }

    @Test func seededTablesEqualExactArithmetic() {
        var numbers = SeededNumbers(seed: 62)
        for _ in 0..<500 {
            let points = Set((0..<numbers.int(1...64)).map { _ in numbers.anyInt32() }).sorted()
            let values = points.map { _ in numbers.anyInt32() }, slopes = (0...points.count).map { _ in numbers.anyInt32() }
            let x = points + (0..<20).map { _ in numbers.anyInt32() }
            check(points, values, slopes, slopeBits: numbers.int(-32...62), x, numbers.pick([20, 3, 40]))
        }
    }
}
