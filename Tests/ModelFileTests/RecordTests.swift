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

    @Test func partsAreReadWhereTheyStand() throws {
        try open(Samples.decoder) { file in
            let model = file.model
            #expect((model.blockSize, model.kvSlotCount, model.isCausal) == (4, 2, true))
            #expect(model.takesBlocks && model.writesBlocks && model.bosToken == Layout.none)
            // words: the symbol 257, then pads.
            #expect((0..<5).map { model.endBlock[$0] } == [257, 256, 256, 256, 0])
            #expect((0..<file.stepCount).map { file.step($0).section } == [1, 1, 1, 1, 2, 2, 3, 3])
            #expect((0..<file.stepCount).map { file.step($0).replaces } == [true, true, true, true, false, false, false, false])
            #expect((0..<file.stepCount).map { file.step($0).kvSlot } == [.max, .max, .max, .max, 0, 1, .max, .max])
            #expect(file.tensor(Int(model.embedder.table)).rows == 258 && file.tensor(Int(model.embedder.positionTensor)).rows == 4)
            #expect(model.head.byteTable == model.head.output.tensor && model.head.byteTable != model.embedder.table)
            #expect(file.tensor(Int(model.head.projection.tensor)).columns == 12)
            try file.verifyWeights()
        }
        try open(Samples.pooled) { #expect($0.model.takesBlocks && !$0.model.writesBlocks && $0.model.blockSize == 4) }
        try open(Samples.written) { #expect(!$0.model.takesBlocks && $0.model.writesBlocks && $0.model.blockSize == 4) }
    }

    /// What the sections of the format allow though no packer writes it.
    @Test func whatIsUnusualButTrueIsAccepted() {
        func isAccepted(_ sample: [UInt8], _ change: (inout EvilFile) -> Void) -> Bool {
            var file = EvilFile(sample)
            change(&file)
            return refusal(file.bytes()) == nil
        }
        // A vocabulary is for information where tokens neither go in nor come out.
        #expect(isAccepted(Samples.slots) { $0.set(.model, at: 4, UInt32(0)) })
        // Sections share parts where the widths agree: the head's second step takes the parts of its first, and no norm.
        #expect(isAccepted(Samples.slots) { file in
            for offset in [0, 4] { file.set(.schedule, 7, at: offset, file.field(.schedule, 6, at: offset)) }
            for offset in [8, 12] { file.set(.schedule, 7, at: offset, EvilFile.none) }
        })
        // The embedder's first attention is as wide as the head's.
        #expect(isAccepted(Samples.slots) { $0.set(.schedule, 6, at: 0, UInt32(0)) })
        // A step of the head that adds instead of replacing keeps the fraction bits.
        #expect(isAccepted(Samples.slots) {
            $0.set(.schedule, 6, at: 24, UInt32(0))
            $0.set(.schedule, 6, at: 28, $0.field(.model, at: 268))
        })
        // No step in the core, and none in the head.
        #expect(isAccepted(Samples.slots) { file in
            file[.schedule].removeSubrange(4 * 32..<6 * 32)
            file.set(.model, at: 16, UInt32(0))
        })
        #expect(isAccepted(Samples.slots) { $0[.schedule].removeSubrange((6 * 32)...) })
        // Any block ends a text.
        #expect(isAccepted(Samples.slots) { file in for slot in 0..<4 { file.set(.model, at: 144 + 2 * slot, UInt16(257 - slot)) } })
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
