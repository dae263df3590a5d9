import FixedPoint
import Foundation
import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.2.
@Suite struct AttentionTests {
    /// One query head and one key-value head, quantised as the cache holds them.
    struct Case {
        var query: [Int32]
        var keys: [[Int32]]
        var values: [[Int32]]
        var bits = (query: 16, key: 16, value: 16)
        var mantissa: Int64
        var exponent: Int

        /// Quantised heads: codes and scale.
        private func quantised(_ vector: [Int32], _ fractionBits: Int) -> (codes: [Int16], scale: VectorScale) {
            let v = GuardedArray(vector), codes = GuardedArray(count: vector.count, repeating: Int16(0))
            let scale = quantize(
                v.pointer, count: vector.count, fractionBits: fractionBits, bits: 16, into: codes.pointer, paddedCount: vector.count)
            return (codes.elements, scale)
        }

        /// The kernel's result and the document's, and their fraction bits.
        func run() -> (got: [Int32], exact: [Int32], fractionBits: Int) {
            let q = quantised(query, bits.query)
            let k = keys.map { quantised($0, bits.key) }, v = values.map { quantised($0, bits.value) }
            let least = v.map { Int($0.scale.exponent) }.min()!
            let size = query.count, count = keys.count
            let qc = GuardedArray(q.codes), kc = GuardedArray(k.flatMap(\.codes)), vc = GuardedArray(v.flatMap(\.codes))
            let ks = GuardedArray(k.map(\.scale)), vs = GuardedArray(v.map(\.scale))
            let weights = GuardedArray(count: count, repeating: Int32(9)), sums = GuardedArray(count: size, repeating: Int64(9))
            let result = GuardedArray(count: size, repeating: Int32(9))
            withExtendedLifetime((qc, kc, vc, ks, vs)) {
                attend(
                    query: qc.pointer, queryScale: q.scale,
                    head: KeyValueHead(keys: kc.pointer, keyScales: ks.pointer, values: vc.pointer, valueScales: vs.pointer),
                    headSize: size, positionCount: count, scoreMantissa: mantissa, scoreExponent: exponent,
                    leastValueExponent: least, weights: weights.pointer, sums: sums.pointer, result: result.pointer)
            }
            func head(_ parts: [(codes: [Int16], scale: VectorScale)]) -> ArithmeticReference.Head {
                ArithmeticReference.Head(
                    codes: parts.map { $0.codes.map(Int32.init) },
                    scales: parts.map { (Int128($0.scale.mantissa), Int($0.scale.exponent)) })
            }
            let exact = ArithmeticReference.attention(
                q.codes.map(Int32.init), qm: Int128(q.scale.mantissa), qe: Int(q.scale.exponent), keys: head(k), values: head(v),
                UC: Int128(mantissa), EC: exponent, EL: least, exp2n: exp2Negative)
            return (result.elements, exact, least - 2)
        }

        /// Softmax in double precision.
        func real() -> [Double] {
            func reals(_ vector: [Int32], _ bits: Int) -> [Double] { vector.map { scalbn(Double($0), -bits) } }
            let q = reals(query, bits.query), k = keys.map { reals($0, bits.key) }, v = values.map { reals($0, bits.value) }
            let scores = k.map { key in zip(q, key).reduce(0) { $0 + $1.0 * $1.1 } * scalbn(Double(mantissa), -exponent) }
            let p = scores.map { exp2($0 - scores.max()!) }
            let total = p.reduce(0, +)
            return q.indices.map { i in p.indices.reduce(0) { $0 + p[$1] * v[$1][i] } / total }
        }
    }

    /// log2(e) / sqrt(head size) as the packer writes it.
    private func scale(_ headSize: Int) -> (mantissa: Int64, exponent: Int) {
        let scale = 1 / (log(2.0) * Double(headSize).squareRoot())
        let exponent = 30 - Int(scale.exponent)
        return (Int64(scalbn(scale, exponent).rounded()), exponent)
    }

    @Test(arguments: [1, 2, 3, 8, 48, 128], [1, 2, 7, 300]) func isNearADoubleSoftmax(_ size: Int, _ count: Int) {
        var numbers = SeededNumbers(seed: UInt64(51 + size * 1_000 + count))
        func vector(_ deviation: Double) -> [Int32] { (0..<size).map { _ in Int32(numbers.float(deviation: Float(deviation)) * 65_536) } }
        let (mantissa, exponent) = scale(size)
        let trial = Case(
            query: vector(2), keys: (0..<count).map { _ in vector(2) }, values: (0..<count).map { _ in vector(1) },
            mantissa: mantissa, exponent: exponent)
        let (got, exact, bits) = trial.run()
        #expect(got == exact)
        let real = trial.real()
        let most = trial.values.joined().map { Double($0.magnitude) / 65_536 }.max()!
        for (g, r) in zip(got, real) { #expect(abs(scalbn(Double(g), -bits) - r) < 4e-4 * most) }
    }

    @Test func equalValuesComeOutAsTheyAre() {
        var numbers = SeededNumbers(seed: 52)
        let value = (0..<16).map { _ in Int32(numbers.int(-60_000...60_000)) }
        let trial = Case(
            query: (0..<16).map { _ in numbers.anyInt32() }, keys: (0..<50).map { _ in (0..<16).map { _ in numbers.anyInt32() } },
            values: [[Int32]](repeating: value, count: 50), mantissa: 1 << 30, exponent: 31)
        let (got, exact, bits) = trial.run()
        #expect(got == exact)
        for (g, v) in zip(got, value) { #expect(abs(scalbn(Double(g), -bits) - Double(v) / 65_536) < 2e-4) }
    }

    @Test func everyExtremeEqualsTheDocument() {
        var numbers = SeededNumbers(seed: 53)
        let ends: [Int32] = [.min, .max, 0, 1, -1, 1 << 16]
        for round in 0..<1_500 {
            let size = numbers.pick([1, 2, 3, 16, 17]), count = numbers.int(1...9)
            func vector() -> [Int32] {
                round % 2 == 0 ? (0..<size).map { _ in numbers.pick(ends) } : (0..<size).map { _ in numbers.anyInt32() }
            }
            var trial = Case(
                query: vector(), keys: (0..<count).map { _ in vector() }, values: (0..<count).map { _ in vector() },
                mantissa: numbers.pick([1 << 30, 1 << 31 - 1]), exponent: numbers.pick([0, 64, numbers.int(0...64)]))
            // As far as fraction bits of a floating layer reach.
            trial.bits.query = numbers.pick([-150, 219, numbers.int(-30...60)])
            (trial.bits.key, trial.bits.value) = (trial.bits.query, trial.bits.query)
            let (got, exact, _) = trial.run()
            #expect(got == exact, "round \(round)")
        }
    }

    /// The longest context and the greatest values: the bounds of the document.
    @Test func theLongestSequenceEqualsTheDocument() {
        let count = 65_536
        let trial = Case(
            query: [.max, .max], keys: [[Int32]](repeating: [.max, .min], count: count),
            values: (0..<count).map { $0 % 3 == 0 ? [.max, .min] : [.max, .max] }, mantissa: 1 << 31 - 1, exponent: 31)
        let (got, exact, _) = trial.run()
        #expect(got == exact)
    }

    @Test func rotationEqualsExactArithmetic() {
        var numbers = SeededNumbers(seed: 54)
        for round in 0..<500 {
            let size = 2 * numbers.int(1...9), heads = numbers.int(1...4)
            let ends: [Int32] = [.min, .max, 0, 1]
            let v = (0..<size * heads).map { _ in round % 2 == 0 ? numbers.anyInt32() : numbers.pick(ends) }
            let row = (0..<size).map { _ in Int16(numbers.pick([-32_768, 32_767, 16_384, 0, numbers.int(-32_768...32_767)])) }
            let rotated = GuardedArray(v), table = GuardedArray(row)
            rotate(rotated.pointer, headCount: heads, headSize: size, row: table.pointer)
            var expected = v
            for head in 0..<heads {
                for i in 0..<size / 2 {
                    let (a, b) = (Int128(v[head * size + 2 * i]), Int128(v[head * size + 2 * i + 1]))
                    let (c, t) = (Int128(row[2 * i]), Int128(row[2 * i + 1]))
                    expected[head * size + 2 * i] = Exact.scale(a * c - b * t, 14)
                    expected[head * size + 2 * i + 1] = Exact.scale(a * t + b * c, 14)
                }
            }
            #expect(rotated.elements == expected)
        }
    }

    @Test func rotationKeepsLengths() {
        var numbers = SeededNumbers(seed: 55)
        for _ in 0..<200 {
            let angle = Double(numbers.int(0...6_283)) / 1_000
            let v = GuardedArray([Int32(numbers.int(-1 << 28...1 << 28)), Int32(numbers.int(-1 << 28...1 << 28))])
            let before = v.elements
            let row = GuardedArray([Int16((cos(angle) * 16_384).rounded()), Int16((sin(angle) * 16_384).rounded())])
            rotate(v.pointer, headCount: 1, headSize: 2, row: row.pointer)
            let length = hypot(Double(before[0]), Double(before[1]))
            #expect(abs(hypot(Double(v.elements[0]), Double(v.elements[1])) - length) <= length * 1e-4 + 2)
        }
    }
}
