import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.2, step 3: every set of kernels against exact arithmetic.
@Suite struct QuantizeHeadsTests {
    private static let untouched: UInt8 = 0x5A

    /// What stands in the bytes of the codes afterwards, and the scales.
    private func exact(_ heads: [[Int32]], _ fractionBits: Int, _ form: CodeForm, stride: Int) -> (codes: [UInt8], scales: [VectorScale]) {
        let size = heads[0].count, bytes = form.bits / 8
        let each = heads.map { ArithmeticReference.quantise($0, fractionBits, form.bits) }
        let codes = each.flatMap { head in
            // One of 16 bits beyond an odd head.
            let gap = (size..<stride).flatMap { i in
                [UInt8](repeating: form == .int16 && i == size && size % 2 == 1 ? 0 : Self.untouched, count: bytes)
            }
            return head.codes.flatMap { code in (0..<bytes).map { UInt8(truncatingIfNeeded: code >> (8 * $0)) } } + gap
        }
        return (codes, each.map { VectorScale(mantissa: Int32($0.m), exponent: Int32($0.e)) })
    }

    private func check(_ heads: [[Int32]], _ fractionBits: Int, stride: Int) {
        let size = heads[0].count, count = heads.count
        let vector = GuardedArray(heads.flatMap { $0 })
        defer { withExtendedLifetime(vector) {} }
        for form in [CodeForm.int8, .int16] {
            let (codes, scales) = exact(heads, fractionBits, form, stride: stride)
            for kernels in KernelSet.runnable {
                let got = GuardedArray(count: codes.count, repeating: Self.untouched)
                let gotScales = GuardedArray(count: count, repeating: VectorScale(mantissa: 0, exponent: 0))
                quantizeHeads(
                    vector.pointer, headCount: count, headSize: size, fractionBits: fractionBits, form: form, into: got.pointer,
                    codeStride: stride, scales: gotScales.pointer, kernels)
                let isSame = got.elements == codes && gotScales.elements == scales && got.memory.isSlackIntact
                #expect(isSame, "\(kernels), \(form), \(count) heads of \(size), stride \(stride)")
            }
        }
    }

    /// Codes over the heads themselves, no farther apart than these.
    private func checkInPlace(_ heads: [[Int32]], _ fractionBits: Int, stride: Int) {
        let size = heads[0].count, count = heads.count
        for form in [CodeForm.int8, .int16] {
            let stride = form == .int8 ? 2 * stride : stride, bytes = form.bits / 8
            let (codes, scales) = exact(heads, fractionBits, form, stride: stride)
            for kernels in KernelSet.runnable {
                let memory = GuardedArray(heads.flatMap { $0 }), gotScales = GuardedArray(scales.map { _ in VectorScale(mantissa: 0, exponent: 0) })
                quantizeHeads(
                    memory.pointer, headCount: count, headSize: size, fractionBits: fractionBits, form: form, into: memory.pointer,
                    codeStride: stride, scales: gotScales.pointer, kernels)
                let place = memory.memory.bytes
                let isSame = (0..<count).allSatisfy { h in (h * stride * bytes..<(h * stride + size) * bytes).allSatisfy { place[$0] == codes[$0] } }
                #expect(isSame && gotScales.elements == scales, "\(kernels), \(form), \(count) heads of \(size), stride \(stride) in place")
            }
        }
    }

    @Test func everySize() {
        var numbers = SeededNumbers(seed: 28)
        for size in 1...130 {
            for stride in [size, size + 1, (size + 1) / 2 * 2, 2 * size, size + 21] {
                let heads = (0..<numbers.int(1...4)).map { _ in numbers.vector(size) }, fractionBits = numbers.int(-150...219)
                check(heads, fractionBits, stride: stride)
                if stride <= 2 * size { checkInPlace(heads, fractionBits, stride: stride) }
            }
        }
    }

    /// Each head has a scale of its own, whatever stands in the others.
    @Test func extremesLieSideBySide() {
        for size in [1, 2, 15, 16, 17, 33] {
            let heads = SeededNumbers.ends.map { [Int32](repeating: $0, count: size) }
            check(heads, 7, stride: size)
            checkInPlace(heads, 7, stride: 2 * size)
            check(heads.reversed(), -3, stride: size + 1)
        }
    }

    @Test func aLongHead() {
        var numbers = SeededNumbers(seed: 29)
        for size in [4_095, 4_096] {
            let heads = (0..<3).map { _ in numbers.vector(size) }
            check(heads, 16, stride: size)
            checkInPlace(heads, 16, stride: 2 * size)
        }
    }
}
