import CKernels
import Kernels
import TestSupport
import Testing

/// Sums of codes times activations: the reference and every faster kernel against plain loops, bit for bit.
@Suite struct RowSumsTests {
    static let hasAVX2 = stlm_cpu_features() & UInt32(STLM_CPU_AVX2) != 0

    private func plainSums(_ codes: GuardedArray<Int8>, _ blocks: Int, _ lines: Int, _ x: GuardedArray<Int8>) -> [Int32] {
        (0..<blocks * 16).map { row in
            var sum: Int32 = 0
            for j in 0..<lines * 4 {
                sum += Int32(codes.pointer[((row / 16) * lines + j / 4) * 64 + (row % 16) * 4 + j % 4]) * Int32(x.pointer[j])
            }
            return sum
        }
    }

    private func check(_ codes: [Int8], _ blocks: Int, _ lines: Int, _ activations: [Int8]) {
        let codes = GuardedArray(codes), x = GuardedArray(activations)
        let expected = plainSums(codes, blocks, lines, x)
        let reference = GuardedArray(count: blocks * 16, repeating: Int32(-1))
        for block in 0..<blocks {
            rowSumsInt8(codes.pointer + block * lines * 64, lineCount: lines, x.pointer, reference.pointer + block * 16)
        }
        #expect(reference.elements == expected, "reference, \(blocks) blocks of \(lines) lines")
        guard Self.hasAVX2 else { return }
        let fast = GuardedArray(count: blocks * 16, repeating: Int32(-1))
        stlm_sums_int8_avx2(codes.pointer, blocks, lines, x.pointer, fast.pointer)
        #expect(fast.elements == expected, "avx2, \(blocks) blocks of \(lines) lines")
    }

    private func random(_ count: Int, _ range: ClosedRange<Int>, _ numbers: inout SeededNumbers) -> [Int8] {
        (0..<count).map { _ in Int8(numbers.int(range)) }
    }

    @Test func everySmallShapeEqualsPlainSums() {
        var numbers = SeededNumbers(seed: 21)
        for blocks in 1...3 {
            for lines in 1...40 {
                check(
                    random(blocks * lines * 64, -128...127, &numbers), blocks, lines, random(lines * 4, -127...127, &numbers))
            }
        }
    }

    @Test func largeShapesEqualPlainSums() {
        var numbers = SeededNumbers(seed: 22)
        for (blocks, lines) in [(1, 16_384), (2, 4_097), (5, 513), (17, 64)] {
            check(
                random(blocks * lines * 64, -128...127, &numbers), blocks, lines, random(lines * 4, -127...127, &numbers))
        }
    }

    @Test(arguments: [-128, 127, -1] as [Int8], [-127, 127, 1] as [Int8])
    func extremeCodesDoNotSaturate(_ weight: Int8, _ activation: Int8) {
        // 16,384 lines are the widest matrix of the format.
        for lines in [1, 2, 3, 16_384] {
            check([Int8](repeating: weight, count: lines * 64), 1, lines, [Int8](repeating: activation, count: lines * 4))
        }
    }

    @Test func alternatingExtremesDoNotSaturate() {
        for lines in [1, 2, 5, 4_096] {
            let weights = (0..<lines * 64).map { $0 % 2 == 0 ? Int8(-128) : 127 }
            check(weights, 1, lines, (0..<lines * 4).map { $0 % 2 == 0 ? Int8(-127) : 127 })
            check(weights, 1, lines, (0..<lines * 4).map { $0 % 4 < 2 ? Int8(-127) : 127 })
        }
    }

    /// 16-bit activations over 8- and 16-bit weights; more lines than 32 bits can sum.
    @Test func wideSumsEqualPlainSums() {
        var numbers = SeededNumbers(seed: 23)
        for lines in [1, 2, 3, 7, 40, 247, 248, 249, 2_048, 16_384] {
            for isExtreme in [false, true] {
                let x = (0..<lines * 4).map { _ in isExtreme ? Int16(32_767) : Int16(numbers.int(-32_767...32_767)) }
                let narrow = GuardedArray(random(lines * 64, isExtreme ? -128...(-128) : -128...127, &numbers))
                let wide = GuardedArray((0..<lines * 32).map { _ in
                    isExtreme ? Int16(-32_768) : Int16(numbers.int(-32_768...32_767))
                })
                let sums = GuardedArray(count: 16, repeating: Int64(-1))
                let all = GuardedArray(x), half = GuardedArray(Array(x[..<(lines * 2)]))
                rowSumsInt8Int16(narrow.pointer, lineCount: lines, all.pointer, sums.pointer)
                let expected = (0..<16).map { row in
                    (0..<lines * 4).reduce(Int64(0)) {
                        $0 + Int64(narrow.pointer[$1 / 4 * 64 + row * 4 + $1 % 4]) * Int64(x[$1])
                    }
                }
                #expect(sums.elements == expected)
                if Self.hasAVX2 {
                    stlm_sums_int8_int16_avx2(narrow.pointer, lines, all.pointer, sums.pointer)
                    #expect(sums.elements == expected, "avx2, \(lines) lines")
                }
                rowSumsInt16(wide.pointer, lineCount: lines, half.pointer, sums.pointer)
                #expect(sums.elements == (0..<16).map { row in
                    (0..<lines * 2).reduce(Int64(0)) {
                        $0 + Int64(wide.pointer[$1 / 2 * 32 + row * 2 + $1 % 2]) * Int64(x[$1])
                    }
                })
            }
        }
    }
}
