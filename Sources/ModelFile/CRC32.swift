/// CRC-32 as in zip and PNG: stlm-1, section 9. Eight table-driven steps at a time, about 2 bytes a cycle.
public struct CRC32 {
    @usableFromInline var state: UInt32 = 0xFFFF_FFFF

    public init() {}

    public var value: UInt32 { ~state }

    /// The checksum of `byteCount` bytes at `bytes`.
    public static func of(_ bytes: UnsafeRawPointer, byteCount: Int) -> UInt32 {
        var crc = CRC32()
        crc.update(bytes, byteCount: byteCount)
        return crc.value
    }

    public mutating func update(_ bytes: UnsafeRawPointer, byteCount: Int) {
        var crc = state
        var offset = 0
        while offset &+ 8 <= byteCount {
            let low = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian ^ crc
            let high = bytes.loadUnaligned(fromByteOffset: offset &+ 4, as: UInt32.self).littleEndian
            crc = Self.at(7, low) ^ Self.at(6, low &>> 8) ^ Self.at(5, low &>> 16) ^ Self.at(4, low &>> 24)
                ^ Self.at(3, high) ^ Self.at(2, high &>> 8) ^ Self.at(1, high &>> 16) ^ Self.at(0, high &>> 24)
            offset &+= 8
        }
        while offset < byteCount {
            let byte = bytes.load(fromByteOffset: offset, as: UInt8.self)
            crc = Self.at(0, crc ^ UInt32(byte)) ^ (crc &>> 8)
            offset &+= 1
        }
        state = crc
    }

    @inline(__always)
    static func at(_ slice: Int, _ byte: UInt32) -> UInt32 {
        crcTable[slice &* 256 &+ Int(byte & 0xFF)]
    }
}
