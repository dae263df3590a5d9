import Foundation
import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.2, step 2.
@Suite struct RotationTests {
    private func exact(_ v: [Int32], headSize: Int, _ row: [Int16]) -> [Int32] {
        var turned = v
        for k in stride(from: 0, to: v.count, by: 2) {
            let (a, b) = (Int128(v[k]), Int128(v[k + 1])), i = k % headSize
            let (c, t) = (Int128(row[i]), Int128(row[i + 1]))
            turned[k] = Exact.scale(a * c - b * t, 14)
            turned[k + 1] = Exact.scale(a * t + b * c, 14)
        }
        return turned
    }

    @Test func everySizeEqualsExactArithmetic() {
        var numbers = SeededNumbers(seed: 54)
        for headSize in stride(from: 2, through: 130, by: 2) {
            for headCount in [1, 2, 3, 7] {
                let v = numbers.vector(headSize * headCount)
                let row = (0..<headSize).map { _ in Int16(numbers.pick([-32_768, 32_767, 16_384, 0, numbers.int(-32_768...32_767)])) }
                let table = GuardedArray(row), expected = exact(v, headSize: headSize, row)
                defer { withExtendedLifetime(table) {} }
                for kernels in KernelSet.runnable {
                    let heads = GuardedArray(v)
                    rotate(heads.pointer, headCount: headCount, headSize: headSize, row: table.pointer, kernels)
                    #expect(heads.elements == expected && heads.memory.isSlackIntact, "\(kernels), \(headCount) heads of \(headSize)")
                }
            }
        }
    }

    /// All pairs of extremes under all pairs of extremes.
    @Test func everyExtremeEqualsExactArithmetic() {
        for c in [-32_768, 32_767, 16_384, -16_384, 0, 1] as [Int16] {
            for s in [-32_768, 32_767, 16_384, -16_384, 0, 1] as [Int16] {
                let v = SeededNumbers.ends.flatMap { a in SeededNumbers.ends.flatMap { [a, $0] } }
                let row = (0..<v.count).map { $0 % 2 == 0 ? c : s }
                let table = GuardedArray(row), expected = exact(v, headSize: v.count, row)
                defer { withExtendedLifetime(table) {} }
                for kernels in KernelSet.runnable {
                    let heads = GuardedArray(v)
                    rotate(heads.pointer, headCount: 1, headSize: v.count, row: table.pointer, kernels)
                    #expect(heads.elements == expected, "\(kernels), cos \(c), sin \(s)")
                }
            }
        }
    }

    @Test func lengthsAreKept() {
        var numbers = SeededNumbers(seed: 55)
        for _ in 0..<200 {
            let angle = Double(numbers.int(0...6_283)) / 1_000
            let v = GuardedArray([Int32(numbers.int(-1 << 28...1 << 28)), Int32(numbers.int(-1 << 28...1 << 28))])
            let before = v.elements
            let row = GuardedArray([Int16((cos(angle) * 16_384).rounded()), Int16((sin(angle) * 16_384).rounded())])
            withExtendedLifetime(row) { rotate(v.pointer, headCount: 1, headSize: 2, row: row.pointer) }
            let length = hypot(Double(before[0]), Double(before[1]))
            #expect(abs(hypot(Double(v.elements[0]), Double(v.elements[1])) - length) <= length * 1e-4 + 2)
        }
    }
}
