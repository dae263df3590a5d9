import FloatModel
import Foundation
import PackedSupport
import Packing
import Quantization
import TestSupport
import Testing

/// A learned activation as breakpoints and slopes.
@Suite struct PiecewiseTests {
    /// The piecewise function as the tensor holds it, evaluated as arithmetic-1, section 6.4 says but without rounding.
    private struct Piecewise {
        let points: [Double], values: [Double], slopes: [Double]

        init(_ tensor: EncodedTensor) {
            let words = tensor.bytes.withUnsafeBytes { raw in
                (0..<raw.count / 4).map { Double(raw.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)) }
            }
            let n = tensor.columns
            points = words[..<n].map { $0 / 1_048_576 }
            values = words[n..<2 * n].map { $0 / 1_048_576 }
            slopes = words[(2 * n)...].map { scalbn($0, -Int(tensor.exponent)) }
        }

        func at(_ t: Double) -> Double {
            let k = points.count { $0 <= t }, j = max(0, k - 1)
            return values[j] + slopes[k] * (t - points[j])
        }
    }

    private func learned(_ w1: [Float], _ b1: [Float], _ w2: [Float], _ b2: Float) -> LearnedActivation {
        func row(_ values: [Float]) -> FloatMatrix { FloatMatrix(rows: 1, columns: values.count, values: values, name: "x") }
        return LearnedActivation(
            w1: FloatMatrix(rows: w1.count, columns: 1, values: w1, name: "x"), b1: row(b1), w2: row(w2), b2: row([b2]))
    }

    private func check(_ learned: LearnedActivation, tolerance: Double = 1e-5) {
        let tensor = piecewiseTensor(learned), piecewise = Piecewise(tensor)
        #expect(zip(piecewise.points, piecewise.points.dropFirst()).allSatisfy { $0 < $1 })
        #expect(piecewise.slopes.count == piecewise.points.count + 1)
        let activation = FloatActivation(kind: .learned, learned: learned)
        for t in stride(from: -20.0, through: 20, by: 0.0137) {
            #expect(abs(piecewise.at(t) - activation.value(at: t)) < tolerance * (1 + abs(t)), "\(t)")
        }
        for t in [-1900.0, -100, 100, 1900] {
            #expect(abs(piecewise.at(t) - activation.value(at: t)) < tolerance * abs(t), "\(t)")
        }
    }

    @Test func randomFunctionsAreTheirPieces() {
        var numbers = SeededNumbers(seed: 6)
        for _ in 0..<40 {
            func draw() -> [Float] { (0..<10).map { _ in numbers.float(deviation: 1) } }
            check(learned(draw(), draw(), draw(), numbers.float(deviation: 1)))
        }
    }

    @Test func degenerateFunctionsAreNoError() {
        let zeros = [Float](repeating: 0, count: 10), ones = [Float](repeating: 1, count: 10)
        check(learned(zeros, ones, ones, 0.5))
        check(learned(ones, zeros, ones, 0))
        check(learned(zeros, zeros, zeros, 0))
        // All kinks in one place, and a kink beyond reach.
        check(learned(ones, ones, ones, -2))
        check(learned([1, -1, 1e-6, -1e-6, 0, 0, 0, 0, 0, 0], ones, ones, 0))
        // Kinks closer to each other than a unit of Q20 are one.
        check(learned([1, 1, 1, -1, 0, 0, 0, 0, 0, 0], [1, 1 + 1e-7, 1 + 2e-7, 1, 0, 0, 0, 0, 0, 0], ones, 0), tolerance: 1e-4)
    }

    @Test func relusAreExact() {
        var w1 = [Float](repeating: 0, count: 10), w2 = w1
        (w1[0], w2[0]) = (1, 1)
        let piecewise = Piecewise(piecewiseTensor(learned(w1, [Float](repeating: 0, count: 10), w2, 0)))
        for t in [-5.0, -0.25, 0, 0.25, 5] { #expect(piecewise.at(t) == max(0, t)) }
    }
}
