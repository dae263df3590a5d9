/// CRC-32 as in zip and PNG: stlm-1, section 9. Eight table-driven steps at a time, in four lanes where there are bytes enough.
public struct CRC32 {
    /// The register.
    public var state: UInt32 = 0xFFFF_FFFF

    public init() {}

    public var value: UInt32 { ~state }

    /// The checksum of `byteCount` bytes at `bytes`.
    public static func of(_ bytes: UnsafeRawPointer, byteCount: Int) -> UInt32 {
        var crc = CRC32()
        crc.update(bytes, byteCount: byteCount)
        return crc.value
    }

    // Modules that have the body of a function have its tables too, here 8 KB.
    @export(interface)
    public mutating func update(_ bytes: UnsafeRawPointer, byteCount: Int) {
        var crc = state
        var offset = 0
        let lane = Self.laneByteCount
        while offset &+ 4 &* lane <= byteCount {
            // A step waits for the one before it; four lanes wait together.
            var second: UInt32 = 0, third: UInt32 = 0, fourth: UInt32 = 0
            let end = offset &+ lane
            while offset < end {
                crc = Self.step(crc, bytes + offset)
                second = Self.step(second, bytes + (offset &+ lane))
                third = Self.step(third, bytes + (offset &+ 2 &* lane))
                fourth = Self.step(fourth, bytes + (offset &+ 3 &* lane))
                offset &+= 8
            }
            crc = Self.afterLane(Self.afterLane(Self.afterLane(crc) ^ second) ^ third) ^ fourth
            offset &+= 3 &* lane
        }
        while offset &+ 8 <= byteCount {
            crc = Self.step(crc, bytes + offset)
            offset &+= 8
        }
        while offset < byteCount {
            let byte = bytes.load(fromByteOffset: offset, as: UInt8.self)
            crc = Self.at(0, crc ^ UInt32(byte)) ^ (crc &>> 8)
            offset &+= 1
        }
        state = crc
    }

    /// Bytes of a lane.
    private static var laneByteCount: Int { 2_048 }

    /// The state after eight more bytes.
    @inline(__always)
    private static func step(_ crc: UInt32, _ bytes: UnsafeRawPointer) -> UInt32 {
        let low = bytes.loadUnaligned(as: UInt32.self).littleEndian ^ crc
        let high = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self).littleEndian
        return at(7, low) ^ at(6, low &>> 8) ^ at(5, low &>> 16) ^ at(4, low &>> 24)
            ^ at(3, high) ^ at(2, high &>> 8) ^ at(1, high &>> 16) ^ at(0, high &>> 24)
    }

    /// The state after as many zero bytes as a lane has: multiplied by x^(8 * 2048) modulo the polynomial, bits in reverse.
    private static func afterLane(_ crc: UInt32) -> UInt32 {
        var factor: UInt32 = 0x4D47_BAE0
        var product: UInt32 = 0
        for bit in 0..<32 as Range<UInt32> {
            product ^= factor & (0 &- (crc &>> (31 &- bit) & 1))
            factor = factor &>> 1 ^ (0xEDB8_8320 & (0 &- (factor & 1)))
        }
        return product
    }

    @inline(__always)
    static func at(_ slice: Int, _ byte: UInt32) -> UInt32 {
        crcTable[slice &* 256 &+ Int(byte & 0xFF)]
    }
}
