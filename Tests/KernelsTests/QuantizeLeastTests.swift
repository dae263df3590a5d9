import Kernels
import TestSupport
import Testing

/// arithmetic-1, sections 6.2.1 and 6.2.2: every set of kernels against exact arithmetic.
@Suite struct QuantizeLeastTests {
    enum Kind: CaseIterable {
        case nibbles, bytes

        func exact(_ codes: [Int16], _ scale: VectorScale) -> (codes: [UInt8], scale: VectorScale) {
            let (u, um, ue) = (codes.map(Int32.init), Int128(scale.mantissa), Int(scale.exponent))
            let (codes, m, e) = self == .nibbles ? ArithmeticReference.nibbles(u, um: um, ue: ue) : ArithmeticReference.bytes(u, um: um, ue: ue)
            return (codes, VectorScale(mantissa: Int32(m), exponent: Int32(e)))
        }

        func run(_ codes: UnsafePointer<Int16>, _ scale: VectorScale, _ count: Int, _ place: UnsafeMutableRawPointer, _ kernels: KernelSet)
            -> VectorScale
        {
            self == .nibbles
                ? quantizeNibbles(codes, scale, count: count, into: place, kernels) : quantizeBytes(codes, scale, count: count, into: place, kernels)
        }
    }

    /// Apart from the codes of 16 bits, and in their place.
    private func check(_ kind: Kind, _ codes: [Int16], _ scale: VectorScale) {
        let (want, wantScale) = kind.exact(codes, scale)
        for kernels in KernelSet.runnable {
            let vector = GuardedArray(codes), got = GuardedArray(count: codes.count, repeating: 0x5A as UInt8)
            let gotScale = kind.run(vector.pointer, scale, codes.count, got.pointer, kernels)
            #expect(got.elements == want && gotScale == wantScale && got.memory.isSlackIntact, "\(kernels), \(kind), \(codes.count) codes")
            #expect(vector.elements == codes)
            let placeScale = kind.run(vector.pointer, scale, codes.count, vector.pointer, kernels)
            let isSame = vector.memory.bytes.prefix(codes.count).elementsEqual(want) && vector.memory.isSlackIntact
            #expect(isSame && placeScale == wantScale, "\(kernels), \(kind), \(codes.count) in place")
        }
    }

    @Test(arguments: Kind.allCases) func everySize(_ kind: Kind) {
        var numbers = SeededNumbers(seed: 30)
        for size in Array(1...130) + [4_095, 4_096] {
            for _ in 0..<6 {
                let quantised = ArithmeticReference.quantise(numbers.vector(size), numbers.int(-150...219), 16)
                check(kind, quantised.codes.map(Int16.init), VectorScale(mantissa: Int32(quantised.m), exponent: Int32(quantised.e)))
            }
            for limit in [1, 1_920, 32_767] {
                check(kind, (0..<size).map { _ in Int16(numbers.int(-limit...limit)) }, VectorScale(mantissa: 65_539, exponent: 7))
            }
            let ends = [Int16](repeating: size % 2 == 0 ? 32_767 : -32_767, count: size)
            check(kind, ends, VectorScale(mantissa: 32_769, exponent: -9))
        }
    }

    /// Every code of 16 bits alone, and how far from it the result is: no farther than from the next level of the first candidate.
    @Test(arguments: Kind.allCases) func everyCode(_ kind: Kind) {
        let bound: Double = kind == .nibbles ? 32_767 - 15 * 1_920 : 130
        for u in stride(from: -32_767 as Int16, through: 32_767, by: 1) {
            let scale = VectorScale(mantissa: 1 << 16, exponent: 0)
            let (want, wantScale) = kind.exact([u], scale)
            let code = kind == .nibbles ? 2 * Double(want[0]) - 15 : Double(Int8(bitPattern: want[0]))
            let unit = Double(wantScale.mantissa) / 65_536 * (kind == .nibbles ? 2_048 : 256)
            #expect(abs(code * unit - Double(u)) <= bound, "\(u)")
            for kernels in KernelSet.runnable {
                var (from, to) = (u, 0x5A as UInt8)
                let got = kind.run(&from, scale, 1, &to, kernels)
                #expect(to == want[0] && got == wantScale, "\(kernels), \(u)")
            }
        }
    }
}
