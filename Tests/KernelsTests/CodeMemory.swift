import Kernels
import TestSupport

/// Codes of a vector in memory, as the forms are described and not as the kernels write them.
extension CodeForm {
    static let all: [CodeForm] = [.int8, .int16, .planes]

    func byteCount(_ paddedCount: Int) -> Int { paddedCount * bits / 8 }

    /// Writes codes, and zeros up to `paddedCount`.
    func store(_ codes: [Int32], paddedCount: Int, at base: UnsafeMutableRawPointer) {
        for j in 0..<paddedCount {
            let code = j < codes.count ? codes[j] : 0
            switch self {
            case .int8: base.storeBytes(of: Int8(code), toByteOffset: j, as: Int8.self)
            case .int16: base.storeBytes(of: Int16(code).littleEndian, toByteOffset: 2 * j, as: Int16.self)
            case .planes:
                base.storeBytes(of: Int8(code >> 8), toByteOffset: j, as: Int8.self)
                base.storeBytes(of: UInt8(code & 255), toByteOffset: paddedCount + j, as: UInt8.self)
            }
        }
    }

    func load(paddedCount: Int, at base: UnsafeRawPointer) -> [Int32] {
        (0..<paddedCount).map { j in
            switch self {
            case .int8: Int32(base.load(fromByteOffset: j, as: Int8.self))
            case .int16: Int32(Int16(littleEndian: base.loadUnaligned(fromByteOffset: 2 * j, as: Int16.self)))
            case .planes:
                Int32(base.load(fromByteOffset: j, as: Int8.self)) * 256
                    + Int32(base.load(fromByteOffset: paddedCount + j, as: UInt8.self))
            }
        }
    }
}
