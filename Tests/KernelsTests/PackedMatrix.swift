import Kernels
import ModelFile
import TestSupport

/// A matrix in the bytes of stlm-1, section 6, between guard pages.
struct PackedMatrix {
    let memory: GuardedMemory
    let matrix: Matrix

    init(_ bytes: MatrixBytes, exponent: Int = 0) {
        memory = GuardedMemory(bytes.bytes, alignment: 4)
        matrix = Matrix(
            Encoding(rawValue: UInt32(bytes.encoding))!, bytes: memory.base, rows: bytes.rows, columns: bytes.columns, exponent: exponent)
    }
}
