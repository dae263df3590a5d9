import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 6.1: a row of a matrix enters a stream.
@Suite struct EmbeddingTests {
    @Test(arguments: MatrixBytes.encodings) func rowsEqualExactArithmetic(_ encoding: Int) {
        var numbers = SeededNumbers(seed: 45)
        for (exponent, columns) in [(-64, 7), (-5, 33), (12, 70), (30, 16), (127, 1)] {
            var bytes = MatrixBytes(encoding, rows: 35, columns: columns, numbers.pick(MatrixBytes.Fill.allCases), &numbers)
            for row in 0..<35 { bytes.setRowScale(row, UInt16(row % 32) << 11 | UInt16(numbers.int(0...2047))) }
            let packed = PackedMatrix(bytes, exponent: exponent)
            defer { withExtendedLifetime(packed.memory) {} }
            for fractionBits in [-32, 0, 16, 62] {
                for row in 0..<35 {
                    let start = (0..<columns).map { _ in numbers.anyInt32() }
                    let q = bytes.rowScale(row)
                    let value = (0..<columns).map {
                        Exact.scale(Int128(bytes.weight(row, $0)) * (2048 + Int128(q % 2048)), Int(q / 2048) + exponent - fractionBits)
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
