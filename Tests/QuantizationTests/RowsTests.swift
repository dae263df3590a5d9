import Foundation
import ModelFile
import Quantization
import TestSupport
import Testing

/// Rows of 8 and 16 bits without a text: what stlm-1, section 6 makes of the bytes, against the numbers that they stand for.
@Suite struct RowsTests {
    static let encodings: [Encoding] = [.int8Rows, .int16Rows]

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
                (0..<paddedColumns).map { j -> Int in
                    let at = (r / 16 * (paddedColumns / group) + j / group) * 64 + r % 16 * 4 + j % group * width
                    if width == 1 { return Int(Int8(bitPattern: tensor.bytes[at])) }
                    return Int(Int16(bitPattern: UInt16(tensor.bytes[at]) | UInt16(tensor.bytes[at + 1]) << 8))
                }
            }
            let start = paddedRows * paddedColumns * width
            scales = (0..<paddedRows).map { UInt16(tensor.bytes[start + 2 * $0]) | UInt16(tensor.bytes[start + 2 * $0 + 1]) << 8 }
            steps = scales.map { scalbn(Double(2048 + Int($0 & 2047)), -(Int($0 >> 11) + Int(tensor.exponent))) }
        }
    }

    /// Checks the promises of every packing.
    @discardableResult
    private func check(_ values: [Float], rows: Int, columns: Int, _ encoding: Encoding) -> Decoded {
        let tensor = MatrixQuantizer(values, rows: rows, columns: columns).quantized(encoding).encoded()
        #expect(tensor.rows == rows && tensor.columns == columns && tensor.encoding == encoding)
        #expect(tensor.bytes.count == encoding.byteCount(rows: rows, columns: columns))
        #expect(Limit.matrixExponent.contains(tensor.exponent))
        let decoded = Decoded(tensor), greatest = encoding == .int8Rows ? 127 : 32_767
        for row in decoded.codes.indices {
            for column in decoded.codes[row].indices {
                let code = decoded.codes[row][column]
                if row < rows, column < columns { #expect(abs(code) <= greatest) } else { #expect(code == 0) }
            }
            if row >= rows { #expect(decoded.scales[row] == 0) }
        }
        return decoded
    }

    /// Sum of squares of what a row loses, in steps of the plain scale that gives its greatest weight the greatest code.
    private func loss(_ values: ArraySlice<Float>, _ codes: [Int], _ step: Double, _ greatest: Double) -> (own: Double, plain: Double) {
        let unit = Double(values.map(abs).max()!) / greatest
        var own = 0.0, plain = 0.0
        for (value, code) in zip(values, codes) {
            own += pow((Double(value) - Double(code) * step) / unit, 2)
            plain += pow(Double(value) / unit - (Double(value) / unit).rounded(), 2)
        }
        return (own, plain)
    }

    @Test(arguments: encodings)
    func noRowLosesMoreThanWithThePlainScale(_ encoding: Encoding) {
        var numbers = SeededNumbers(seed: 1)
        for (rows, columns) in [(1, 1), (1, 7), (16, 4), (17, 5), (15, 2), (33, 31), (3, 260)] {
            for exponent in [-30, -10, 0, 10, 30] {
                let values = (0..<rows * columns).map { _ in numbers.float(deviation: exp2(Float(exponent))) }
                let decoded = check(values, rows: rows, columns: columns, encoding)
                #expect(decoded.scales.prefix(rows).contains { $0 >> 11 == 0 })
                for row in 0..<rows {
                    let part = values[row * columns..<(row + 1) * columns]
                    let loss = loss(part, decoded.codes[row], decoded.steps[row], encoding == .int8Rows ? 127 : 32_767)
                    // A scale has 12 bits: codes near the greatest may be off by its rounding.
                    #expect(loss.own <= loss.plain * 1.05 + Double(columns) * (encoding == .int8Rows ? 0.01 : 17))
                }
            }
        }
    }

    @Test(arguments: encodings)
    func rowsAndTensorsOfZerosStayZero(_ encoding: Encoding) {
        let zeros = check([Float](repeating: 0, count: 40), rows: 4, columns: 10, encoding)
        #expect(zeros.codes.allSatisfy { $0.allSatisfy { $0 == 0 } })
        var values = [Float](repeating: 0, count: 30)
        values[12] = -3
        let one = check(values, rows: 3, columns: 10, encoding)
        #expect(one.codes[0].allSatisfy { $0 == 0 } && one.codes[2].allSatisfy { $0 == 0 } && one.codes[1][2] < 0)
    }

    @Test(arguments: encodings)
    func constantsAreExactToTheScalesBits(_ encoding: Encoding) {
        for value in [Float(1), -1, 0.1, 1e-20, 1e-30, 0x1p60, -0x1p-140] {
            let decoded = check([Float](repeating: value, count: 24), rows: 2, columns: 12, encoding)
            for code in decoded.codes[0].prefix(12) {
                #expect(abs(Double(code) * decoded.steps[0] - Double(value)) <= abs(Double(value)) / 4_000)
            }
        }
    }

    @Test(arguments: encodings)
    func anOutlierCostsOnlyItsRow(_ encoding: Encoding) {
        var numbers = SeededNumbers(seed: 2)
        var values = (0..<20 * 16).map { _ in numbers.float(deviation: 1) }
        values[5 * 16 + 3] = 1e6
        let decoded = check(values, rows: 20, columns: 16, encoding)
        #expect(decoded.steps[5] > 7 * decoded.steps[4])
        #expect(abs(Double(decoded.codes[5][3]) * decoded.steps[5] - 1e6) < 1e6 / 100)
        for row in 0..<20 where row != 5 { #expect(decoded.steps[row] < 0.03) }
    }

    @Test(arguments: encodings)
    func rowsOfVeryDifferentSizeKeepTheirOwnSteps(_ encoding: Encoding) {
        // Within 2^31 of the greatest each row has its own scale; smaller ones get the least there is.
        let values: [Float] = (0..<40).flatMap { row in [exp2(Float(-row)), -exp2(Float(-row)) * 0.3] }
        let decoded = check(values, rows: 40, columns: 2, encoding)
        for row in 0..<40 {
            for column in 0..<2 {
                let error = abs(Double(values[2 * row + column]) - Double(decoded.codes[row][column]) * decoded.steps[row])
                #expect(error <= (row < 31 ? 0.01 * Double(abs(values[2 * row])) : 1e-7), "row \(row)")
            }
            #expect(abs(Int(decoded.scales[row] >> 11) - min(row, 31)) <= 1)
        }
    }

    @Test(arguments: encodings)
    func denormalsAreNoError(_ encoding: Encoding) {
        let least = Float.leastNonzeroMagnitude
        check([least, -least, 0, 3 * least], rows: 2, columns: 2, encoding)
        let mixed = check([least, -least, 1, 0.5], rows: 2, columns: 2, encoding)
        #expect(abs(Double(mixed.codes[1][0]) * mixed.steps[1] - 1) < 0.01)
        let normal = Float.leastNormalMagnitude
        check([normal, -normal / 2, 0, normal / 3], rows: 2, columns: 2, encoding)
    }
}
