import Foundation
import ModelFile
import Packing
import TestSupport
import Testing

/// Codes and row scales as stlm-1, section 6 reads them, against the numbers that they stand for.
@Suite struct QuantizerTests {
    /// What a tensor says: (rows, columns) codes and the step of each row.
    private struct Decoded {
        var codes: [[Int]]
        var steps: [Double]
        var scales: [UInt16]

        /// Reads the interleaved layout by the formula of the document.
        init(_ tensor: EncodedTensor) {
            let group = tensor.encoding == .int8Rows ? 4 : 2, width = 4 / group
            let paddedColumns = (tensor.columns + group - 1) / group * group
            let paddedRows = (tensor.rows + 15) / 16 * 16
            codes = (0..<paddedRows).map { r in
                (0..<paddedColumns).map { j in
                    let at = (r / 16 * (paddedColumns / group) + j / group) * 64 + r % 16 * 4 + j % group * width
                    return width == 1 ? Int(Int8(bitPattern: tensor.bytes[at]))
                        : Int(Int16(bitPattern: UInt16(tensor.bytes[at]) | UInt16(tensor.bytes[at + 1]) << 8))
                }
            }
            let start = paddedRows * paddedColumns * width
            scales = (0..<paddedRows).map { UInt16(tensor.bytes[start + 2 * $0]) | UInt16(tensor.bytes[start + 2 * $0 + 1]) << 8 }
            steps = scales.map { scalbn(Double(2048 + Int($0 & 2047)), -(Int($0 >> 11) + Int(tensor.exponent))) }
        }
    }

    /// Checks the promises and returns the worst error, in steps.
    @discardableResult
    private func check(_ values: [Float], rows: Int, columns: Int, _ width: WeightWidth, half: Double = 0.5) -> Decoded {
        let tensor = MatrixQuantizer.encode(values, rows: rows, columns: columns, width: width)
        #expect(tensor.rows == rows && tensor.columns == columns)
        #expect(tensor.bytes.count == tensor.encoding.byteCount(rows: rows, columns: columns))
        #expect(Limit.matrixExponent.contains(tensor.exponent))
        let decoded = Decoded(tensor), greatest = width == .int8 ? 127 : 32_767
        for row in decoded.codes.indices {
            for column in decoded.codes[row].indices {
                let code = decoded.codes[row][column]
                guard row < rows, column < columns else {
                    #expect(code == 0)
                    continue
                }
                #expect(abs(code) <= greatest)
                let error = abs(Double(values[row * columns + column]) - Double(code) * decoded.steps[row])
                #expect(error <= half * decoded.steps[row] * (1 + 1e-12))
            }
            if row >= rows { #expect(decoded.scales[row] == 0) }
        }
        return decoded
    }

    @Test(arguments: [WeightWidth.int8, .int16])
    func codesAreNearestForManyShapesAndSizes(_ width: WeightWidth) {
        var numbers = SeededNumbers(seed: 1)
        for (rows, columns) in [(1, 1), (1, 7), (16, 4), (17, 5), (15, 2), (33, 31), (3, 260)] {
            for exponent in [-30, -10, 0, 10, 30] {
                let values = (0..<rows * columns).map { _ in numbers.float(deviation: exp2(Float(exponent))) }
                let decoded = check(values, rows: rows, columns: columns, width)
                // The greatest row has the full resolution, and each row uses its codes to the end.
                #expect(decoded.scales.prefix(rows).contains { $0 >> 11 == 0 })
                let greatest = width == .int8 ? 127 : 32_767
                for row in 0..<rows { #expect(decoded.codes[row].map(abs).max()! >= greatest - greatest / 1000 - 1) }
            }
        }
    }

    @Test(arguments: [WeightWidth.int8, .int16])
    func rowsAndTensorsOfZerosStayZero(_ width: WeightWidth) {
        let zeros = check([Float](repeating: 0, count: 40), rows: 4, columns: 10, width)
        #expect(zeros.codes.allSatisfy { $0.allSatisfy { $0 == 0 } })
        var values = [Float](repeating: 0, count: 30)
        values[12] = -3
        let one = check(values, rows: 3, columns: 10, width)
        #expect(one.codes[0].allSatisfy { $0 == 0 } && one.codes[2].allSatisfy { $0 == 0 } && one.codes[1][2] < 0)
    }

    @Test(arguments: [WeightWidth.int8, .int16])
    func constantsTakeTheLastCode(_ width: WeightWidth) {
        for value in [Float(1), -1, 0.1, 1e-20, 1e-30, 0x1p60] {
            let decoded = check([Float](repeating: value, count: 24), rows: 2, columns: 12, width)
            #expect(decoded.codes[0].prefix(12).allSatisfy { abs($0) >= (width == .int8 ? 127 : 32_750) && ($0 < 0) == (value < 0) })
        }
    }

    @Test(arguments: [WeightWidth.int8, .int16])
    func anOutlierCostsOnlyItsRow(_ width: WeightWidth) {
        var numbers = SeededNumbers(seed: 2)
        var values = (0..<20 * 16).map { _ in numbers.float(deviation: 1) }
        values[5 * 16 + 3] = 1e6
        let decoded = check(values, rows: 20, columns: 16, width)
        #expect(decoded.steps[5] > 7 * decoded.steps[4])
        for row in 0..<20 where row != 5 { #expect(decoded.steps[row] < 0.02) }
    }

    @Test(arguments: [WeightWidth.int8, .int16])
    func rowsOfVeryDifferentSizeKeepTheirOwnSteps(_ width: WeightWidth) {
        // Within 2^31 of the greatest each row has its own scale; smaller ones get the least there is.
        let values: [Float] = (0..<40).flatMap { row in [exp2(Float(-row)), -exp2(Float(-row)) * 0.3] }
        let tensor = MatrixQuantizer.encode(values, rows: 40, columns: 2, width: width), decoded = Decoded(tensor)
        for row in 0..<40 {
            for column in 0..<2 {
                let error = abs(Double(values[2 * row + column]) - Double(decoded.codes[row][column]) * decoded.steps[row])
                #expect(error <= 0.5 * decoded.steps[row] * (1 + 1e-12))
            }
            #expect(decoded.scales[row] >> 11 == min(row, 31))
        }
    }

    @Test(arguments: [WeightWidth.int8, .int16])
    func denormalsAreNoError(_ width: WeightWidth) {
        let least = Float.leastNonzeroMagnitude
        check([least, -least, 0, 3 * least], rows: 2, columns: 2, width, half: 1e30)
        check([least, -least, 1, 0.5], rows: 2, columns: 2, width)
        let normal = Float.leastNormalMagnitude
        check([normal, -normal / 2, 0, normal / 3], rows: 2, columns: 2, width, half: 1e30)
    }
}
