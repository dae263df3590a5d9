import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.1.1: the mean of a block's slots.
@Suite struct MeanTests {
    private func means(_ rows: [[Int32]]) -> [Int32] {
        let all = GuardedArray(rows.flatMap { $0 }), result = GuardedArray(count: rows[0].count, repeating: Int32(7))
        mean(all.pointer, count: rows.count, width: rows[0].count, into: result.pointer)
        #expect(all.elements == rows.flatMap { $0 })
        return result.elements
    }

    /// floor((2 S + B) / (2 B)).
    private func exact(_ rows: [[Int32]]) -> [Int32] {
        rows[0].indices.map { j in
            let sum = rows.reduce(Int128(0)) { $0 + Int128($1[j]) }
            return Int32(Exact.floorDivide(2 * sum + Int128(rows.count), 2 * Int128(rows.count)))
        }
    }

    @Test func everyCountAndManyWidthsEqualTheDocument() {
        var numbers = SeededNumbers(seed: 41)
        for count in 1...32 {
            for width in [1, 2, 7, 16, 33, 260] {
                let rows = (0..<count).map { _ in (0..<width).map { _ in numbers.anyInt32() } }
                #expect(means(rows) == exact(rows), "\(count) rows of \(width)")
            }
        }
    }

    @Test func halvesAreRoundedUpOnBothSidesOfZero() {
        #expect(means([[1, -1, 3, -3, 0], [0, 0, 0, 0, 0]]) == [1, 0, 2, -1, 0])
        // Every small sum over every count of slots.
        for count in 1...32 {
            for sum in -70...70 {
                let row = [Int32(sum)], zero = [Int32(0)]
                let rows = [row] + Array(repeating: zero, count: count - 1)
                let (quotient, rest) = (2 * sum + count).quotientAndRemainder(dividingBy: 2 * count)
                #expect(means(rows) == [Int32(rest < 0 ? quotient - 1 : quotient)])
            }
        }
    }

    @Test func theEndsOfTheRangeDoNotOverflow() {
        for value in [Int32.min, .max, .min + 1, -1, 0] {
            for count in [1, 2, 3, 12, 31, 32] { #expect(means(Array(repeating: [value], count: count)) == [value]) }
        }
        #expect(means([[.min], [.max]]) == [0])
        #expect(means([[.max], [.max - 1]]) == [.max])
        #expect(means([[.min], [.min + 1]]) == [.min + 1])
    }
}
