import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.1: a row of a matrix enters a stream.
@Suite struct EmbeddingTests {
    @Test(arguments: [8, 16]) func rowsEqualExactArithmetic(_ bits: Int) {
        var numbers = SeededNumbers(seed: 45)
        let most = 1 << (bits - 1)
        for exponent in [-64, -5, 12, 30, 127] {
            let codes = (0..<35).map { _ in (0..<7).map { _ in Int32(numbers.pick([-most, most - 1, numbers.int(-most...most - 1)])) } }
            let packed = PackedMatrix(
                codes, rowScales: (0..<35).map { UInt16($0 % 32) << 11 | UInt16(numbers.int(0...2047)) }, bits: bits, exponent: exponent)
            defer { withExtendedLifetime(packed.memory) {} }
            for fractionBits in [-32, 0, 16, 62] {
                for row in 0..<35 {
                    let start = (0..<7).map { _ in numbers.anyInt32() }
                    let q = packed.rowScales[row]
                    let value = codes[row].map {
                        Exact.scale(Int128($0) * (2048 + Int128(q % 2048)), Int(q / 2048) + exponent - fractionBits)
                    }
                    let residual = GuardedArray(start)
                    embed(packed.matrix, row: row, fractionBits: fractionBits, into: residual.pointer, accumulate: true)
                    #expect(residual.elements == zip(start, value).map { Exact.sat32(Int128($0) + Int128($1)) })
                    embed(packed.matrix, row: row, fractionBits: fractionBits, into: residual.pointer, accumulate: false)
                    #expect(residual.elements == value)
                }
            }
        }
    }
}
