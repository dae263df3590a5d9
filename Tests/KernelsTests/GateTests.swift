import CKernels
import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.3: every set of kernels against exact arithmetic.
@Suite struct GateTests {
    private func check(_ a: [Int32], _ b: [Int32], _ fa: Int, _ fb: Int) {
        func length(_ v: [Int32]) -> Int { Exact.bits(v.map { Int128($0.magnitude) }.max()!) }
        let k = max(0, length(a) + length(b) - 31)
        let expected = zip(a, b).map { Exact.scale(Int128($0) * Int128($1), k) }
        let up = GuardedArray(b)
        defer { withExtendedLifetime(up) {} }
        for kernels in KernelSet.runnable {
            // With the gate's greatest magnitude at hand, and without.
            for maximum in [nil, a.map(\.magnitude).max()] {
                let gate = GuardedArray(a)
                var activated = activate(gate.pointer, count: a.count, fractionBits: fa, .identity, nil, kernels)
                activated.maximum = maximum
                let got = multiplyGate(gate.pointer, activated, up.pointer, upFractionBits: fb, count: a.count, kernels)
                #expect(got.fractionBits == fa + fb - k, "\(kernels), \(a.count)")
                if let maximum = got.maximum { #expect(maximum == expected.map(\.magnitude).max(), "\(kernels), \(a.count)") }
                #expect(gate.elements == expected && gate.memory.isSlackIntact, "\(kernels), \(a.count)")
            }
        }
    }

    @Test func productsEqualExactArithmetic() {
        var numbers = SeededNumbers(seed: 63)
        for count in Array(1...70) + [768, 2_051] {
            for _ in 0..<(count > 70 ? 3 : 40) {
                check(numbers.vector(count), numbers.vector(count), numbers.int(-150...219), numbers.int(-150...219))
            }
        }
    }

    /// Each pair of extremes alone: the greatest product goes with the greatest shift.
    @Test func everyExtremeEqualsExactArithmetic() {
        for a in SeededNumbers.ends {
            for b in SeededNumbers.ends {
                check([a], [b], 3, 4)
                check([Int32](repeating: a, count: 35), [Int32](repeating: b, count: 35), -150, 219)
            }
        }
    }

    /// All shifts that the kernels take, above and below those of the document.
    @Test func everyShiftOfTheKernels() {
        var numbers = SeededNumbers(seed: 64)
        for shift in 0...62 {
            for _ in 0..<8 {
                let count = numbers.int(1...40), a = numbers.vector(count), b = numbers.vector(count)
                let expected = zip(a, b).map { Exact.scale(Int128($0) * Int128($1), shift) }
                let up = GuardedArray(b)
                defer { withExtendedLifetime(up) {} }
                for kernels in KernelSet.fast {
                    let gate = GuardedArray(a)
                    let most = stlm_multiply_gate(kernels.index, gate.pointer, up.pointer, count, Int32(shift))
                    #expect(gate.elements == expected && most == expected.map(\.magnitude).max()!, "\(kernels), shift \(shift)")
                }
            }
        }
    }
}
