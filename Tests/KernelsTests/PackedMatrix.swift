import Kernels
import ModelFile
import TestSupport

/// A matrix in the bytes of stlm-1, section 6, between guard pages, next to its plain codes.
struct PackedMatrix {
    let memory: GuardedMemory
    let matrix: Matrix
    /// (rows, columns)
    let codes: [[Int32]]
    let rowScales: [UInt16]

    init(_ codes: [[Int32]], rowScales: [UInt16], bits: Int, exponent: Int = 0) {
        let rows = codes.count, columns = codes[0].count
        let group = bits == 8 ? 4 : 2, width = bits / 8
        let lines = (columns + group - 1) / group
        let paddedRows = (rows + 15) / 16 * 16
        let encoding: Encoding = bits == 8 ? .int8Rows : .int16Rows
        memory = GuardedMemory(byteCount: encoding.byteCount(rows: rows, columns: columns), alignment: 4)
        memory.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        for r in 0..<rows {
            for j in 0..<columns {
                // The formula of the document, not that of the kernels.
                let offset = ((r / 16) * lines + j / group) * 64 + (r % 16) * 4 + (j % group) * width
                if bits == 8 {
                    memory.base.storeBytes(of: Int8(codes[r][j]), toByteOffset: offset, as: Int8.self)
                } else {
                    memory.base.storeBytes(of: Int16(codes[r][j]), toByteOffset: offset, as: Int16.self)
                }
            }
            memory.base.storeBytes(of: rowScales[r], toByteOffset: paddedRows * lines * 64 / 16 + 2 * r, as: UInt16.self)
        }
        matrix = Matrix(bytes: memory.base, rows: rows, columns: columns, exponent: exponent, codeBits: bits)
        (self.codes, self.rowScales) = (codes, rowScales)
    }
}
