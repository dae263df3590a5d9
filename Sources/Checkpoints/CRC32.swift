import Foundation

/// The CRC-32 of zip files (polynomial 0xEDB88320, reflected), eight bytes a step.
public enum CRC32 {
    /// Row k holds the checksum of one byte followed by k zero bytes, so that eight look-ups advance eight bytes.
    private static let table: [UInt32] = {
        var table = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
            table[byte] = value
        }
        for index in 256..<table.count {
            let shorter = table[index - 256]
            table[index] = shorter >> 8 ^ table[Int(shorter & 0xFF)]
        }
        return table
    }()

    /// The checksum of all bytes of `data`.
    public static func checksum(of data: Data) -> UInt32 {
        data.withUnsafeBytes { checksum(of: $0) }
    }

    static func checksum(of bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return table.withUnsafeBufferPointer { rows in
            let table = rows.baseAddress!
            var crc: UInt32 = 0xFFFF_FFFF
            var offset = 0
            while bytes.count - offset >= 8 {
                let low = UInt32(littleEndian: (base + offset).loadUnaligned(as: UInt32.self)) ^ crc
                let high = UInt32(littleEndian: (base + offset + 4).loadUnaligned(as: UInt32.self))
                let first = table[0x700 + Int(low & 0xFF)] ^ table[0x600 + Int(low >> 8 & 0xFF)]
                let second = table[0x500 + Int(low >> 16 & 0xFF)] ^ table[0x400 + Int(low >> 24)]
                let third = table[0x300 + Int(high & 0xFF)] ^ table[0x200 + Int(high >> 8 & 0xFF)]
                let fourth = table[0x100 + Int(high >> 16 & 0xFF)] ^ table[Int(high >> 24)]
                crc = first ^ second ^ third ^ fourth
                offset += 8
            }
            while offset < bytes.count {
                crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes[offset])) & 0xFF)]
                offset += 1
            }
            return ~crc
        }
    }
}
