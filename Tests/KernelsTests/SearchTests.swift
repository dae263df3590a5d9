import Kernels
import TestSupport
import Testing

/// Greatest magnitude, least element, index of the greatest.
@Suite struct SearchTests {
    private let memory = GuardedMemory(byteCount: 4 * 65_537, alignment: 4)

    private func check(_ vector: [Int32]) {
        memory.take(4 * vector.count, alignment: 4)
        vector.withUnsafeBytes { memory.bytes.copyMemory(from: $0) }
        let x = memory.base.assumingMemoryBound(to: Int32.self)
        let most = vector.map(\.magnitude).max()!, least = vector.min()!, index = vector.firstIndex(of: vector.max()!)!
        for kernels in KernelSet.runnable {
            let found = (
                maximumMagnitude(x, count: vector.count, kernels), minimum(x, count: vector.count, kernels),
                indexOfGreatest(x, count: vector.count, kernels)
            )
            #expect(found == (most, least, index), "\(kernels), \(vector.count)")
        }
    }

    @Test func seededVectors() {
        var numbers = SeededNumbers(seed: 27)
        for count in 1...70 {
            for _ in 0..<20 { check(numbers.vector(count)) }
        }
        for count in [768, 1_000, 32_000, 65_537] { check(numbers.vector(count)) }
    }

    /// Each kind of extreme at each place.
    @Test func everyPlace() {
        for count in 1...50 {
            for place in 0..<count {
                for value in [Int32.min, .max, .min + 1, -3, 3, 1, 0] {
                    for other in [0, -2, .min, .max] as [Int32] {
                        var vector = [Int32](repeating: other, count: count)
                        vector[place] = value
                        check(vector)
                    }
                }
            }
        }
    }

    @Test func ofEqualElementsTheFirstIsFound() {
        for count in [1, 2, 15, 16, 17, 40] {
            for value in [Int32.min, -1, 0, .max] { check([Int32](repeating: value, count: count)) }
            for first in 0..<count {
                for second in first..<count {
                    var vector = (0..<count).map { Int32($0 % 3) - 5 }
                    (vector[first], vector[second]) = (7, 7)
                    check(vector)
                }
            }
        }
    }

    @Test func nothingHasNoMagnitude() {
        let x = GuardedArray<Int32>([])
        defer { withExtendedLifetime(x) {} }
        for kernels in KernelSet.runnable { #expect(maximumMagnitude(x.pointer, count: 0, kernels) == 0, "\(kernels)") }
    }
}
