import CKernels
import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 3: every set of kernels against exact arithmetic.
@Suite struct QuantizeTests {
    /// All forms, apart from the vector and in its place.
    private func check(_ vector: [Int32], fractionBits: Int, padding: Int = 3) {
        let v = GuardedArray(vector)
        defer { withExtendedLifetime(v) {} }
        let padded = vector.count + padding
        for bits in [8, 16] {
            let expected = ArithmeticReference.quantise(vector, fractionBits, bits)
            let limit: Int32 = bits == 8 ? 127 : 32_767
            #expect(expected.codes.allSatisfy { $0.magnitude <= limit })
            let scale = VectorScale(mantissa: Int32(expected.m), exponent: Int32(expected.e))
            let areNear = zip(vector, expected.codes).allSatisfy { isNear($0, $1, scale, fractionBits) }
            #expect(areNear, "\(vector.prefix(4)) at \(bits) bits")
            let codes = expected.codes + [Int32](repeating: 0, count: padding)
            for form in CodeForm.all where form.bits == bits {
                let memory = GuardedMemory(byteCount: form.byteCount(padded), alignment: 2)
                let place = GuardedMemory(byteCount: max(4 * vector.count, form.byteCount(padded)), alignment: 4)
                for kernels in KernelSet.runnable {
                    memory.bytes.initializeMemory(as: UInt8.self, repeating: 0x55)
                    let got = quantize(
                        v.pointer, count: vector.count, fractionBits: fractionBits, form: form, into: memory.base, paddedCount: padded,
                        maximum: padding % 2 == 0 ? nil : vector.map(\.magnitude).max(), kernels)
                    #expect(got == scale && form.load(paddedCount: padded, at: memory.base) == codes, "\(kernels), \(form), \(vector.count)")
                    #expect(memory.isSlackIntact)

                    // A plane would run over elements that are still to be read.
                    if form == .planes { continue }
                    place.base.copyMemory(from: v.pointer, byteCount: 4 * vector.count)
                    let x = place.base.assumingMemoryBound(to: Int32.self)
                    let again = quantize(
                        x, count: vector.count, fractionBits: fractionBits, form: form, into: place.base, paddedCount: padded, kernels)
                    let same = again == scale && form.load(paddedCount: padded, at: place.base) == codes
                    #expect(same, "\(kernels), \(form), \(vector.count) in place")
                }
            }
        }
    }

    /// Half a step, in exact integers: value * 2^-F against code * m * 2^-e. The reciprocal, rounded down, costs a little more.
    private func isNear(_ value: Int32, _ code: Int32, _ scale: VectorScale, _ fractionBits: Int) -> Bool {
        let up = Int(scale.exponent) - fractionBits
        // Both sides times 2^max(e, F) and 2^15.
        let exact = Int128(value) << (up > 0 ? up + 15 : 15)
        let stood = Int128(code) * Int128(scale.mantissa) << (up > 0 ? 15 : 15 - up)
        let half = Int128(scale.mantissa) << (up > 0 ? 14 : 14 - up)
        return (exact - stood).magnitude <= (half + half >> 13).magnitude
    }

    private static let extremes: [Int32] = [0, 1, -1, 2, -2, .min, .min + 1, .max, .max - 1, 1 << 30, -1 << 30, 65_535, -65_537]

    @Test func extremeVectorsStayInRangeAndNear() {
        for a in Self.extremes {
            for b in Self.extremes { check([a, b, 0, a / 2, b / 3], fractionBits: 7) }
            check([a], fractionBits: -32)
            check([Int32](repeating: a, count: 33), fractionBits: 219)
        }
    }

    @Test func oneOutlierLeavesTheOthersNearZero() {
        for outlier in [Int32.min, .max, 1 << 20, -1 << 20] {
            var vector = (0..<64).map { Int32($0) - 32 }
            vector[17] = outlier
            check(vector, fractionBits: 12)
        }
    }

    @Test func everyCount() {
        var numbers = SeededNumbers(seed: 21)
        for count in 1...70 {
            for padding in [0, 1, (4 - count % 4) % 4, 15, 16, 40] { check(numbers.vector(count), fractionBits: 3, padding: padding) }
        }
        for count in [768, 2_049, 65_536] { check(numbers.vector(count), fractionBits: 20, padding: count % 4) }
    }

    @Test func seededVectors() {
        var numbers = SeededNumbers(seed: 22)
        for _ in 0..<2_000 {
            check(numbers.vector(numbers.int(1...40)), fractionBits: numbers.int(-100...200), padding: numbers.int(0...5))
        }
    }

    /// Kernels alone, at both ends of all codes: what a plane's low byte holds then.
    @Test func everyCodeOf16Bits() {
        let values = (-32_767...32_767).map { Int32($0) << 15 }
        check(values, fractionBits: 0, padding: 1)
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

    /// A layer's codes go over 8 bits only where its activations have 16, and in planes only where its kernels want that.
    @Test func aLayerSaysTheFormOfItsInput() {
        for widths in LinearTrial.Widths.all {
            var numbers = SeededNumbers(seed: 26)
            let linear = LinearMemory(LinearTrial(widths, rows: 3, columns: 5, vectors: 1, .random, &numbers)).linear
            #expect(linear.paddedColumns == 32)
            for kernels in KernelSet.runnable {
                let isSplit = widths.encoding == 1 && kernels != .baseline && stlm_splits_activations(kernels.index) != 0
                #expect(linear.codeForm(kernels) == (widths.activation == 8 ? .int8 : isSplit ? .planes : .int16))
            }
        }
    }
}
