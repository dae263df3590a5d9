/// Turns stored elements into 32-bit floats.
struct ElementDecoder {
    let type: ElementType
    let isBigEndian: Bool
    /// The whole storage; every index asked for was checked against its length.
    let storage: UnsafeRawPointer

    /// Decodes `count` elements, `step` elements apart, from element `start` on.
    func decode(from start: Int, step: Int, count: Int, into output: UnsafeMutablePointer<Float>) {
        var element = start
        for index in 0..<count {
            output[index] = value(element)
            element += step
        }
    }

    private func value(_ index: Int) -> Float {
        switch type {
        case .float32: return Float(bitPattern: word32(index))
        case .float16: return Self.widenedHalf(word16(index))
        case .bfloat16: return Float(bitPattern: UInt32(word16(index)) << 16)
        case .float64: return Float(Double(bitPattern: word64(index)))
        case .int8: return Float(storage.load(fromByteOffset: index, as: Int8.self))
        case .uint8: return Float(storage.load(fromByteOffset: index, as: UInt8.self))
        case .bool: return storage.load(fromByteOffset: index, as: UInt8.self) == 0 ? 0 : 1
        case .int16: return Float(Int16(bitPattern: word16(index)))
        case .int32: return Float(Int32(bitPattern: word32(index)))
        case .int64: return Float(Int64(bitPattern: word64(index)))
        case .complex64, .complex128: return .nan
        }
    }

    private func word16(_ index: Int) -> UInt16 {
        let word = storage.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        return isBigEndian ? UInt16(bigEndian: word) : UInt16(littleEndian: word)
    }

    private func word32(_ index: Int) -> UInt32 {
        let word = storage.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
        return isBigEndian ? UInt32(bigEndian: word) : UInt32(littleEndian: word)
    }

    private func word64(_ index: Int) -> UInt64 {
        let word = storage.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
        return isBigEndian ? UInt64(bigEndian: word) : UInt64(littleEndian: word)
    }

    /// IEEE half to single, by hand because Swift lacks Float16 on some developers' machines.
    static func widenedHalf(_ half: UInt16) -> Float {
        let sign = UInt32(half & 0x8000) << 16
        let exponent = UInt32(half >> 10 & 0x1F)
        let fraction = UInt32(half & 0x3FF)
        switch exponent {
        case 0:
            let magnitude = Float(fraction) * 0x1p-24
            return Float(bitPattern: magnitude.bitPattern | sign)
        case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
