import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 3.
@Suite struct QuantizeTests {
    private func check(_ vector: [Int32], fractionBits: Int, bits: Int) {
        let v = GuardedArray(vector)
        let padded = vector.count + 3
        let codes = GuardedMemory(byteCount: padded * bits / 8, alignment: bits / 8)
        codes.bytes.initializeMemory(as: UInt8.self, repeating: 0x55)
        let scale = quantize(
            v.pointer, count: vector.count, fractionBits: fractionBits, bits: bits, into: codes.base, paddedCount: padded)
        let got = (0..<padded).map {
            bits == 8
                ? Int32(codes.base.load(fromByteOffset: $0, as: Int8.self))
                : Int32(codes.base.load(fromByteOffset: 2 * $0, as: Int16.self))
        }
        let expected = ArithmeticReference.quantise(vector, fractionBits, bits)
        let limit: Int32 = bits == 8 ? 127 : 32_767
        #expect(got == expected.codes + [0, 0, 0] && got.allSatisfy { $0.magnitude <= limit }, "\(vector.prefix(4)) at \(bits) bits")
        #expect(Int128(scale.mantissa) == expected.m && Int(scale.exponent) == expected.e)
        for (value, code) in zip(vector, got) { expectNear(value, code, scale, fractionBits) }
    }

    /// Half a step, in exact integers: value * 2^-F against code * m * 2^-e. The reciprocal, rounded down, costs a little more.
    private func expectNear(_ value: Int32, _ code: Int32, _ scale: VectorScale, _ fractionBits: Int) {
        let up = Int(scale.exponent) - fractionBits
        // Both sides times 2^max(e, F) and 2^15.
        let exact = Int128(value) << (up > 0 ? up + 15 : 15)
        let stood = Int128(code) * Int128(scale.mantissa) << (up > 0 ? 15 : 15 - up)
        let half = Int128(scale.mantissa) << (up > 0 ? 14 : 14 - up)
        #expect((exact - stood).magnitude <= (half + half >> 13).magnitude, "\(value) as \(code) * \(scale)")
    }

    private static let extremes: [Int32] = [0, 1, -1, 2, -2, .min, .min + 1, .max, .max - 1, 1 << 30, -1 << 30, 65_535, -65_537]

    @Test(arguments: [8, 16]) func extremeVectorsStayInRangeAndNear(_ bits: Int) {
        for a in Self.extremes {
            for b in Self.extremes { check([a, b, 0, a / 2, b / 3], fractionBits: 7, bits: bits) }
            check([a], fractionBits: -32, bits: bits)
            check([Int32](repeating: a, count: 33), fractionBits: 219, bits: bits)
        }
    }

    @Test(arguments: [8, 16]) func oneOutlierLeavesTheOthersNearZero(_ bits: Int) {
        for outlier in [Int32.min, .max, 1 << 20, -1 << 20] {
            var vector = (0..<64).map { Int32($0) - 32 }
            vector[17] = outlier
            check(vector, fractionBits: 12, bits: bits)
        }
    }

    /// Every value under every maximum up to 600.
    @Test(arguments: [8, 16]) func smallMaximaExhaustively(_ bits: Int) {
        for maximum in 1...600 as ClosedRange<Int32> {
            let quantizer = Quantizer(maximum: UInt32(maximum), fractionBits: 0, bits: bits)
            let values = Array(-maximum...maximum)
            let expected = ArithmeticReference.quantise(values, 0, bits)
            #expect(values.map { Int32(quantizer.code($0)) } == expected.codes, "maximum \(maximum)")
            #expect(expected.codes.allSatisfy { $0.magnitude <= (bits == 8 ? 127 : 32_767) })
        }
    }

    /// The greatest element gets the greatest code or its neighbour at every length of it.
    @Test(arguments: [8, 16]) func everyMaximumUsesTheWholeRange(_ bits: Int) {
        let limit: Int64 = bits == 8 ? 127 : 32_767
        var numbers = SeededNumbers(seed: 24)
        for length in 0...31 {
            for k in 0..<200 {
                let most = k == 0 ? Int32.max >> Int32(31 - max(1, length)) : Int32.max >> Int32(31 - max(1, length)) & numbers.anyInt32()
                let maximum = max(1, most.magnitude)
                let quantizer = Quantizer(maximum: maximum, fractionBits: 0, bits: bits)
                if maximum < UInt32(limit) { continue }
                let code = quantizer.code(Int32(truncatingIfNeeded: maximum))
                #expect(code <= limit && code >= limit - 1, "maximum \(maximum)")
            }
        }
    }

    @Test(arguments: [8, 16]) func seededVectorsEqualTheDocument(_ bits: Int) {
        var numbers = SeededNumbers(seed: 25)
        for _ in 0..<2_000 {
            let shift = Int32(numbers.int(0...31))
            let vector = (0..<numbers.int(1...40)).map { _ in Int32(truncatingIfNeeded: numbers.next()) >> shift }
            check(vector, fractionBits: numbers.int(-100...200), bits: bits)
        }
    }
}
