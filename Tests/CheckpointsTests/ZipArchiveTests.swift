import Checkpoints
import Foundation
import ModelFile
import TestSupport
import Testing

@Suite struct ZipArchiveTests {
    private func sample(_ change: (inout TorchZipWriter) -> Void = { _ in }) -> Data {
        var writer = TorchZipWriter(folder: "f")
        change(&writer)
        writer.add("a", Array("first".utf8))
        writer.add("b", [UInt8](repeating: 9, count: 1000))
        writer.add("empty", [])
        return writer.finished()
    }

    /// The place of a directory record's field, found by the record's signature.
    private func directoryField(_ data: Data, entry: Int, _ field: Int) -> Int {
        let places = (0..<data.count - 3).filter { data[$0..<$0 + 4].elementsEqual([0x50, 0x4B, 1, 2]) }
        return places[entry] + field
    }

    private func message(_ data: Data) -> String {
        do {
            let archive = try ZipArchive(data)
            for entry in archive.entries { _ = try archive.content(of: entry) }
            return "no error"
        } catch {
            return error.description
        }
    }

    @Test func checksumOfTheStandardCheckString() {
        #expect(CRC32.checksum(of: Data("123456789".utf8)) == 0xCBF4_3926)
        #expect(CRC32.checksum(of: Data()) == 0)
        #expect(CRC32.checksum(of: Data("The quick brown fox jumps over the lazy dog".utf8)) == 0x414F_A339)
    }

    @Test(arguments: [true, false]) func readsStoredEntries(hasZip64: Bool) throws {
        let archive = try ZipArchive(sample { $0.hasZip64 = hasZip64 })
        #expect(archive.entries.map(\.name) == ["f/a", "f/b", "f/empty"])
        #expect(archive.entries.allSatisfy { $0.payloadOffset % 64 == 0 })
        let entry = try #require(archive.entry(named: "f/a"))
        #expect(try archive.content(of: entry).elementsEqual("first".utf8))
        #expect(archive.entry(named: "a") == nil)
    }

    @Test func readsASliceOfALargerBlock() throws {
        let slice = (Data([1, 2, 3]) + sample()).dropFirst(3)
        #expect(try ZipArchive(slice).entries.count == 3)
    }

    @Test func rejectsEveryTruncation() {
        let data = sample()
        for length in 0..<data.count {
            #expect(throws: CheckpointError.self, "\(length)") { try ZipArchive(data.prefix(length)) }
        }
    }

    @Test func survivesEveryByteFlipped() throws {
        let data = sample()
        for place in 0..<data.count {
            var bad = data
            bad[place] ^= 0xFF
            // Not every byte matters (padding, descriptors); what counts is that nothing traps.
            _ = message(bad)
        }
    }

    @Test func rejectsAWrongChecksumWhenTheEntryIsRead() throws {
        var data = sample()
        let entry = try #require(try ZipArchive(data).entry(named: "f/b"))
        data[entry.payloadOffset + 500] ^= 1
        let archive = try ZipArchive(data)
        #expect(try archive.content(of: #require(archive.entry(named: "f/a"))).count == 5)
        #expect(message(data).contains("'f/b' (1000 bytes) is damaged"))
    }

    @Test func rejectsCompressedAndEncryptedEntries() {
        #expect(message(sample { $0.method = 8 }).contains("'f/a' is compressed (method 8)"))
        #expect(message(sample { $0.flags |= 1 }).contains("'f/a' is encrypted"))
    }

    @Test func rejectsOverlappingEntries() {
        var data = sample()
        // The second record points at the first entry's header and takes its name.
        let header = directoryField(data, entry: 1, 42), name = directoryField(data, entry: 1, 46)
        for index in 0..<4 { data[header + index] = 0 }
        #expect(message(data).contains("no local header of that name"))
        data[name + 2] = UInt8(ascii: "a")
        #expect(message(data).contains("two entries named 'f/a'"))
        data = sample()
        // The first entry claims enough bytes to reach into the second.
        for field in [20, 24] { data[directoryField(data, entry: 0, field)] = 200 }
        #expect(message(data).contains("'f/a' and 'f/b' overlap"))
    }

    @Test func rejectsLengthsPastTheEndOfTheFile() {
        var data = sample()
        for field in [20, 24] { data[directoryField(data, entry: 1, field) + 3] = 0x7F }
        #expect(message(data).contains("'f/b' claims 2130707432 bytes"))
        data = sample()
        for field in [20, 24] { for index in 0..<4 { data[directoryField(data, entry: 1, field) + index] = 0xFF } }
        #expect(message(data).contains("'f/b' needs a zip64 field"))
        data = sample()
        data[directoryField(data, entry: 1, 20)] ^= 1
        #expect(message(data).contains("states two lengths"))
    }

    @Test func rejectsAnAbsurdEntryCountWithoutAllocatingForIt() {
        var data = sample { $0.hasZip64 = false }
        data.replaceSubrange(data.count - 14..<data.count - 10, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(message(data).contains("claims 65535 entries"))
        var wide = sample()
        for index in 0..<8 { wide[wide.count - 22 - 20 - 56 + 32 + index] = 0xFF }
        #expect(message(wide).contains("disagree"))
        // Saturated classic fields hand over to the zip64 record.
        wide.replaceSubrange(wide.count - 12..<wide.count - 10, with: [0xFF, 0xFF])
        #expect(message(wide).contains("claims 18446744073709551615 entries"))
    }
}
