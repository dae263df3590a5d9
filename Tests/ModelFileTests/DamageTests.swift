import ModelFile
import TestSupport
import Testing

/// Damage that copies and disks do, everywhere it can be done.
@Suite struct DamageTests {
    private func isRefused(_ memory: GuardedMemory) -> Bool {
        do {
            _ = try ModelFile(memory.base, byteCount: memory.bytes.count)
            return false
        } catch {
            return true
        }
    }

    /// The weights' checksums in pieces: all of the weights and nothing else is read, once and in order, and damage is found in each of them.
    @Test(arguments: Sample.allCases, [1, 60, 1 << 20]) func weightsAreVerifiedInPieces(_ sample: Sample, _ pieceByteCount: Int) throws {
        let bytes = sample.bytes, memory = GuardedMemory(bytes, alignment: 64)
        let file = try ModelFile(memory.base, byteCount: bytes.count)
        var read: [Int] = []
        try file.verifyWeights(pieceByteCount: pieceByteCount) { offset, count in
            #expect(count > 0 && count <= pieceByteCount)
            read += offset..<offset + count
        }
        let weights = (file.firstWeightsRegion..<file.regionCount).flatMap { index in
            let region = file.region(index)
            return Array(Int(region.offset)..<Int(region.offset + region.byteCount))
        }
        #expect(read == weights)
        for index in [0, weights.count / 2, weights.count - 1] {
            memory.bytes[weights[index]] ^= 1
            #expect(throws: ModelFileError.self) { try file.verifyWeights(pieceByteCount: pieceByteCount) { _, _ in } }
            memory.bytes[weights[index]] ^= 1
        }
    }

    /// Cut after every byte, behind each of which the memory ends too.
    @Test(arguments: [Sample.plain, .rich, .decoder]) func rejectsTruncationAtEveryByte(_ sample: Sample) {
        let file = sample.bytes
        let memory = GuardedMemory(byteCount: file.count, alignment: 64)
        var accepted: [Int] = []
        for count in 0..<file.count {
            memory.take(count, alignment: 64)
            memory.bytes.copyBytes(from: file[..<count])
            if !isRefused(memory) { accepted.append(count) }
        }
        #expect(accepted.isEmpty)
    }

    /// The same where the header was made to agree with what is left.
    @Test(arguments: [Sample.plain, .rich, .decoder]) func rejectsTruncationThatTheHeaderAdmits(_ sample: Sample) {
        let file = sample.bytes
        let memory = GuardedMemory(byteCount: file.count, alignment: 64)
        let tableEnd = 64 + 32 * Int(file.number(at: 24, as: UInt32.self))
        var header = Array(file[..<tableEnd])
        var accepted: [Int] = []
        for count in tableEnd..<file.count {
            header.set(UInt64(count), at: 16)
            header.repairHeader(size: false)
            memory.take(count, alignment: 64)
            memory.bytes.copyBytes(from: header + file[tableEnd..<count])
            if !isRefused(memory) { accepted.append(count) }
        }
        #expect(accepted.isEmpty)
    }

    /// All bits of header and region table, one bit of every other byte outside the weights.
    @Test(arguments: Sample.allCases) func rejectsAFlippedBitInEveryByteButOfWeights(_ sample: Sample) {
        let file = sample.bytes
        let memory = GuardedMemory(file, alignment: 64)
        let regions = Int(file.number(at: 24, as: UInt32.self))
        let tableEnd = 64 + 32 * regions
        var isWeight = [Bool](repeating: false, count: file.count)
        for index in EvilFile(file).firstWeights..<regions {
            let offset = Int(file.number(at: file.regionField(index, 8), as: UInt64.self))
            let count = Int(file.number(at: file.regionField(index, 16), as: UInt64.self))
            for k in offset..<offset + count { isWeight[k] = true }
        }
        var numbers = SeededNumbers(seed: 71)
        var accepted: [Int] = []
        for offset in 0..<file.count where !isWeight[offset] {
            let bits = offset < tableEnd ? Array(0..<8) : [numbers.int(0...7)]
            for bit in bits {
                memory.bytes[offset] ^= 1 << UInt8(bit)
                if !isRefused(memory) { accepted.append(offset) }
                memory.bytes[offset] ^= 1 << UInt8(bit)
            }
        }
        #expect(accepted.isEmpty)
        #expect(!isRefused(memory))
    }

    /// Bytes that are no file at all, and a file followed by them.
    @Test func rejectsNoise() {
        var numbers = SeededNumbers(seed: 72)
        for _ in 0..<2_000 {
            let count = numbers.int(0...600)
            var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
            if count >= 64, numbers.int(0...1) == 0 { bytes.replaceSubrange(0..<12, with: Samples.plain[..<12]) }
            #expect(refusal(bytes) != nil)
            #expect(refusal(Samples.plain + bytes + [0]) != nil)
        }
    }
}
