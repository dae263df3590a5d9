import Kernels
import TestSupport
import Testing

/// The reference's sums of codes times activations against plain loops.
@Suite struct RowSumsTests {
    /// (16) sums over lines of `group` codes a row.
    private func sums<Code: BinaryInteger, Activation: BinaryInteger>(_ codes: [Code], _ x: [Activation], group: Int) -> [Int64] {
        var sums = [Int64](repeating: 0, count: 16)
        for line in 0..<codes.count / (16 * group) {
            for row in 0..<16 {
                for k in 0..<group { sums[row] += Int64(codes[(line * 16 + row) * group + k]) * Int64(x[line * group + k]) }
            }
        }
        return sums
    }

    private func check(_ codes: [Int8], _ activations: [Int8]) {
        let lines = activations.count / 4
        let w = GuardedArray(codes), x = GuardedArray(activations), sums = GuardedArray(count: 16, repeating: Int32(-1))
        defer { withExtendedLifetime((w, x)) {} }
        rowSumsInt8(w.pointer, lineCount: lines, x.pointer, sums.pointer)
        #expect(sums.elements.map(Int64.init) == self.sums(codes, activations, group: 4), "\(lines) lines")
    }

    private func random(_ count: Int, _ range: ClosedRange<Int>, _ numbers: inout SeededNumbers) -> [Int8] {
        (0..<count).map { _ in Int8(numbers.int(range)) }
    }

    @Test func randomCodesEqualPlainSums() {
        var numbers = SeededNumbers(seed: 21)
        for lines in Array(1...70) + [513, 4_097, 16_384] {
            check(random(lines * 64, -128...127, &numbers), random(lines * 4, -127...127, &numbers))
        }
    }

    @Test(arguments: [-128, 127, -1] as [Int8], [-127, 127, 1] as [Int8])
    func extremeCodesDoNotSaturate(_ weight: Int8, _ activation: Int8) {
        // 16,384 lines are the widest matrix of the format.
        for lines in [1, 2, 3, 16_384] {
            check([Int8](repeating: weight, count: lines * 64), [Int8](repeating: activation, count: lines * 4))
        }
    }

    @Test func alternatingExtremesDoNotSaturate() {
        for lines in [1, 2, 5, 4_096] {
            let weights = (0..<lines * 64).map { $0 % 2 == 0 ? Int8(-128) : 127 }
            check(weights, (0..<lines * 4).map { $0 % 2 == 0 ? Int8(-127) : 127 })
            check(weights, (0..<lines * 4).map { $0 % 4 < 2 ? Int8(-127) : 127 })
        }
    }

    /// 16-bit activations over 8- and 16-bit weights; more lines than 32 bits can sum.
    @Test func wideSumsEqualPlainSums() {
        var numbers = SeededNumbers(seed: 23)
        for lines in [1, 2, 3, 7, 40, 247, 248, 249, 2_048, 16_384] {
            for isExtreme in [false, true] {
                let x = (0..<lines * 4).map { _ in isExtreme ? Int16(32_767) : Int16(numbers.int(-32_767...32_767)) }
                let narrow = random(lines * 64, isExtreme ? -128...(-128) : -128...127, &numbers)
                let wide = (0..<lines * 32).map { _ in isExtreme ? Int16(-32_768) : Int16(numbers.int(-32_768...32_767)) }
                let sums = GuardedArray(count: 16, repeating: Int64(-1))
                let all = GuardedArray(x), half = GuardedArray(Array(x[..<(lines * 2)]))
                let narrowCodes = GuardedArray(narrow), wideCodes = GuardedArray(wide)
                defer { withExtendedLifetime((all, half, narrowCodes, wideCodes)) {} }
                rowSumsInt8Int16(narrowCodes.pointer, lineCount: lines, all.pointer, sums.pointer)
                #expect(sums.elements == self.sums(narrow, x, group: 4), "\(lines) lines")
                rowSumsInt16(wideCodes.pointer, lineCount: lines, half.pointer, sums.pointer)
                #expect(sums.elements == self.sums(wide, x, group: 2), "\(lines) lines")
            }
        }
    }
}
