import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.2.3.
@Suite struct MixingTests {
    /// Sums with the signs of a Hadamard matrix.
    private func exact(_ v: [Int32], _ b: Int) -> [Int32] {
        let n = 1 << b
        return v.indices.map { i in
            let start = i / n * n
            let sum = (0..<n).reduce(Int128(0)) { sum, j in
                let part = Exact.rshr(Int128(v[start + j]), b + 1)
                return ((i - start) & j).nonzeroBitCount % 2 == 0 ? sum + part : sum - part
            }
            return Int32(sum)
        }
    }

    @Test func everySizeEqualsExactArithmetic() {
        var numbers = SeededNumbers(seed: 77)
        for size in [1, 2, 3, 4, 6, 8, 12, 20, 32, 48, 64, 80, 256, 1024] {
            let b = KeyValueType.int8.mixingExponent(headSize: size)
            #expect(size % (1 << b) == 0 && (size >> b) % 2 == 1 && KeyValueType.int4.mixingExponent(headSize: size) == b)
            #expect(KeyValueType.int16.mixingExponent(headSize: size) == 0)
            let vectors = [numbers.vector(3 * size)] + SeededNumbers.ends.map { [Int32](repeating: $0, count: size) }
            for v in vectors {
                let heads = GuardedArray(v)
                let fractionBits = mix(heads.pointer, count: v.count, exponent: b, fractionBits: 9)
                #expect(fractionBits == (b == 0 ? 9 : 9 - b - 1))
                #expect(heads.elements == (b == 0 ? v : exact(v, b)) && heads.memory.isSlackIntact, "\(size)")
            }
        }
    }

    /// What it is for: an element far beyond the others no longer takes their bits.
    @Test func keysOfOneGreatElementLoseLessIn8Bits() {
        var numbers = SeededNumbers(seed: 78)
        for size in [8, 48, 64] {
            let b = KeyValueType.int8.mixingExponent(headSize: size)
            var losses = [0.0, 0.0]
            for _ in 0..<50 {
                let query = (0..<size).map { _ in Int32(numbers.int(-1_000_000...1_000_000)) }
                var key = (0..<size).map { _ in Int32(numbers.int(-1_000_000...1_000_000)) }
                key[size - 1] = 8_000_000
                let product = zip(query, key).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                for (index, exponent) in [0, b].enumerated() {
                    let q = GuardedArray(query), k = GuardedArray(key), codes = GuardedArray([Int8](repeating: 0, count: size))
                    let bits = mix(q.pointer, count: size, exponent: exponent, fractionBits: 0)
                    _ = mix(k.pointer, count: size, exponent: exponent, fractionBits: 0)
                    let scale = quantize(
                        k.pointer, count: size, fractionBits: bits, form: .int8, into: codes.memory.base, paddedCount: size)
                    let step = Double(scale.mantissa) * Double(sign: .plus, exponent: -Int(scale.exponent), significand: 1)
                    let unit = Double(sign: .plus, exponent: -bits - exponent, significand: 1)
                    let sum = zip(q.elements, codes.elements).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * step * unit
                    losses[index] += (sum - product) * (sum - product)
                    withExtendedLifetime((q, k, codes)) {}
                }
            }
            #expect(losses[1] < 0.5 * losses[0], "\(size): \(losses)")
        }
    }
}
