import ModelFile
import TestSupport
import Testing

/// CRC-32 against its definition, bit by bit: stlm-1, section 9.
@Suite struct ChecksumTests {
    private func defined(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        return ~crc
    }

    /// Around the lengths at which there is one step of eight bytes, and at which there are four lanes.
    @Test func isThatOfTheDefinitionForAnyLengthAndInAnyPieces() {
        var numbers = SeededNumbers(seed: 2)
        let bytes = (0..<40_000).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
        #expect(defined("123456789".utf8) == 0xCBF4_3926)
        bytes.withUnsafeBytes { raw in
            for count in Array(0...40) + [8_191, 8_192, 8_193, 8_199, 8_200, 16_383, 16_384, 16_391, 32_768, 39_993] {
                for start in [0, 1, 6] {
                    #expect(CRC32.of(raw.baseAddress! + start, byteCount: count) == defined(bytes[start..<start + count]), "\(count) bytes")
                }
            }
            var pieces = CRC32()
            for (start, end) in [(0, 9_000), (9_000, 9_003), (9_003, 30_000), (30_000, 40_000)] {
                pieces.update(raw.baseAddress! + start, byteCount: end - start)
            }
            #expect(pieces.value == defined(bytes))
        }
    }
}
