import ModelFile
import Testing

@Suite struct RecordTests {
    @Test func recordsHaveTheSizesOfTheFormat() { #expect(recordLayoutHolds()) }

    @Test func checksumOfTheNineDigits() {
        let digits = Array("123456789".utf8)
        #expect(CRC32.of(digits, byteCount: 9) == 0xCBF4_3926)
        #expect(CRC32.of(digits, byteCount: 0) == 0)
    }

    /// Eight bytes at a time and byte by byte, at every length and offset around them.
    @Test func checksumIsThatOfTheDefinitionHoweverTheBytesAreCut() {
        let bytes = (0..<100).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
        for start in 0..<9 {
            for end in start...bytes.count {
                let expected = checksum(bytes[start..<end])
                bytes.withUnsafeBytes { all in
                    #expect(CRC32.of(all.baseAddress! + start, byteCount: end - start) == expected)
                    var crc = CRC32()
                    crc.update(all.baseAddress! + start, byteCount: (end - start) / 3)
                    crc.update(all.baseAddress! + start + (end - start) / 3, byteCount: end - start - (end - start) / 3)
                    #expect(crc.value == expected)
                }
            }
        }
    }

    /// Taking a file apart and putting it together changes no byte: the packer writes what the document says.
    @Test(arguments: Sample.allCases) func packedFilesAreThoseOfTheDocument(_ sample: Sample) {
        let isSame = EvilFile(sample.bytes).bytes() == sample.bytes
        let refused = refusal(sample.bytes)
        #expect(isSame && refused == nil)
    }

    @Test func valuesAreReadWhereTheyStand() throws {
        let evil = EvilFile(Samples.rich)
        try open(Samples.rich) { file in
            #expect(file.model.hiddenSize == 8 && file.model.vocabularySize == 260 && file.model.contextMaximum == 16)
            #expect(file.stepCount == 2 && file.attentionCount == 2 && file.feedForwardCount == 2 && file.normCount == 5)
            #expect(file.tensorCount == evil.regions.count - evil.firstWeights && file.nameCount == evil.count(.names))
            #expect(file.tokenizer.pieceCount == 260 && file.tokenizer.longestPiece == 13)
            for index in 0..<file.tensorCount {
                let bytes = evil[tensor: index]
                #expect(Array(UnsafeRawBufferPointer(start: file.tensorBytes(index), count: bytes.count)) == bytes)
            }
            #expect((0..<file.nameCount).contains { file.name($0).isAlias })
            try file.verifyWeights()
        }
    }

    @Test func numbersInSentencesAreWrittenInFull() {
        for (number, text) in [(0, "0"), (-1, "-1"), (.max, "9223372036854775807"), (.min, "-9223372036854775808")] as [(Int64, String)] {
            #expect(sentence(ModelFileError(.nulInText, region: "text", number)).contains(" \(text);"))
        }
    }

    @Test func aSentenceIsCutWhereItsBufferEnds() {
        let error = ModelFileError(.headerChecksum, 1, 2)
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 10)
        defer { buffer.deallocate() }
        #expect(error.write(into: buffer) == 10 && String(decoding: buffer, as: UTF8.self) == "the header")
        #expect(error.write(into: UnsafeMutableBufferPointer(rebasing: buffer[..<0])) == 0)
    }
}

func sentence(_ error: ModelFileError) -> String {
    String(unsafeUninitializedCapacity: 500) { error.write(into: $0) }
}
