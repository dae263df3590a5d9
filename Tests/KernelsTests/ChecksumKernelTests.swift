import CKernels
import Kernels
import ModelFile
import TestSupport
import Testing

/// CRC-32 by the CPU's own instructions: that of the tables, which ChecksumTests compare with the definition.
@Suite struct ChecksumKernelTests {
    /// Any length around the pieces that kernels take, at any address, from any state on; nothing beyond the bytes is read.
    @Test func isThatOfTheTables() {
        var numbers = SeededNumbers(seed: 4)
        for count in Array(0...300) + [1_023, 1_024, 4_097, 65_536, 70_001] {
            let bytes = GuardedArray<UInt8>(garbage: count, &numbers)
            defer { withExtendedLifetime(bytes) {} }
            for start in [0, min(1, count), min(7, count)] {
                for state in [UInt32.max, 0, UInt32(truncatingIfNeeded: numbers.next())] {
                    var wanted = CRC32()
                    wanted.state = state
                    var known = wanted
                    wanted.update(bytes.pointer + start, byteCount: count - start)
                    for kernels in KernelSet.runnable {
                        var crc = known
                        crc.update(bytes.pointer + start, byteCount: count - start, kernels)
                        #expect(crc.state == wanted.state, "\(kernels), \(count - start) bytes")
                    }
                    known.state = 0
                }
            }
        }
    }

    /// Each bit of what the kernels fold counts.
    @Test func everyBitCounts() {
        var numbers = SeededNumbers(seed: 5)
        let bytes = GuardedArray<UInt8>(garbage: 160, &numbers)
        defer { withExtendedLifetime(bytes) {} }
        for bit in 0..<160 * 8 {
            bytes.pointer[bit / 8] ^= 1 << (bit % 8)
            let wanted = CRC32.of(bytes.pointer, byteCount: 160)
            for kernels in KernelSet.runnable {
                var crc = CRC32()
                crc.update(bytes.pointer, byteCount: 160, kernels)
                #expect(crc.value == wanted, "\(kernels), bit \(bit)")
            }
        }
    }

    #if arch(x86_64)
    /// Whole lines of 16 bytes are taken: a kernel that does nothing would pass the tests above.
    @Test func kernelsDoTheWork() {
        let bytes = [UInt8](repeating: 7, count: 1_000)
        for kernels in KernelSet.fast {
            var state = UInt32.max
            #expect(stlm_checksum(kernels.index, &state, bytes, bytes.count) == 992 && state != .max, "\(kernels)")
        }
    }
    #endif
}
