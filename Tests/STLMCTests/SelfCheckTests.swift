import CSTLM
import Foundation
import ModelFile
import PackedSupport
import STLMC
import TestSupport
import Testing

/// `stlm_self_check`: stlm-1, section 12, in portions.
@Suite struct SelfCheckTests {
    /// A check to its end, or to the step that is asked for.
    private final class Check {
        let model: CModel
        let memory: AlignedMemory
        var step: UInt32 = 0

        init(_ model: CModel) {
            self.model = model
            memory = AlignedMemory(stlm_self_check_bytes(model.pointer))
        }

        func one() -> Int32 { stlm_self_check(model.pointer, memory.start, memory.count, &step) }

        func all() -> Int32 {
            while true {
                let status = one()
                if status != STLM_WORKING { return status }
            }
        }
    }

    private static let bytes = [UInt8](try! Data(contentsOf: URL(fileURLWithPath: SmallModels.merges)))

    /// The bytes of a model with what `change` makes of its transcript's record in the table of regions and of the transcript.
    private func transcript(_ change: (inout RegionRecord, inout [UInt8]) -> Void) throws -> [UInt8] {
        var bytes = Self.bytes, found = false
        bytes.withUnsafeMutableBytes { file in
            let count = Int(file.loadUnaligned(as: FileHeader.self).regionCount)
            for index in 0..<count {
                let place = Layout.headerByteCount + index * Layout.regionRecordByteCount
                var record = file.loadUnaligned(fromByteOffset: place, as: RegionRecord.self)
                if record.kind != RegionKind.transcript.rawValue { continue }
                let range = Int(record.offset)..<Int(record.offset + record.byteCount)
                var region = Array(file[range])
                change(&record, &region)
                record.checksum = region.withUnsafeBytes { CRC32.of($0.baseAddress!, byteCount: $0.count) }
                file[range].copyBytes(from: region)
                file.storeBytes(of: record, toByteOffset: place, as: RegionRecord.self)
                found = true
            }
            file.storeBytes(of: 0, toByteOffset: Layout.headerChecksumOffset, as: UInt32.self)
            let sum = CRC32.of(UnsafeRawPointer(file.baseAddress!), byteCount: Layout.headerByteCount + count * Layout.regionRecordByteCount)
            file.storeBytes(of: sum, toByteOffset: Layout.headerChecksumOffset, as: UInt32.self)
        }
        #expect(found)
        return bytes
    }

    @Test(arguments: SmallModels.written + [SmallModels.bare, SmallModels.notCausal, SmallModels.pooled]) func everyPackedFileIsRight(_ path: String) throws {
        let check = Check(try CModel(path))
        #expect(check.all() == STLM_OK, "\(check.model.sentence)")
        // Weights, then for each type a session, the layers and 8 positions.
        #expect(check.step > 12)
        // Its end is the end; it can begin anew, and be left.
        #expect(check.one() == STLM_WRONG_ORDER)
        check.step = 0
        #expect(check.one() == STLM_WORKING)
        check.step = 0
        #expect(check.all() == STLM_OK)
    }

    @Test(arguments: 0..<3) func eachTypesLogitsCount(_ type: Int) throws {
        let check = Check(try CModel(transcript { _, region in region[4 + 4 * type] ^= 1 }))
        #expect(check.all() == STLM_WRONG_LOGITS)
        #expect(check.model.sentence.contains("keys and values \(["int16", "int8", "int4"][type])"), "\(check.model.sentence)")
    }

    @Test func aDamagedWeightIsNamed() throws {
        var bytes = Self.bytes
        bytes[bytes.count - 1] ^= 1
        let check = Check(try CModel(bytes))
        #expect(check.all() == STLM_BAD_MODEL && check.model.sentence.contains("(weights) has checksum"), "\(check.model.sentence)")
    }

    @Test func aFileWithoutATranscriptIsSaid() throws {
        let model = try CModel(transcript { record, _ in record.kind = 40 })
        #expect(stlm_self_check_bytes(model.pointer) == 0 && model.sentence.contains("no transcript"))
        let memory = AlignedMemory(1 << 16)
        var step: UInt32 = 0
        #expect(stlm_self_check(model.pointer, memory.start, memory.count, &step) == STLM_NO_TRANSCRIPT && step == 0)
    }

    @Test func wrongUseIsACode() throws {
        let check = Check(try CModel(SmallModels.merges)), other = try CModel(SmallModels.begins), model = check.model.pointer
        let start = check.memory.start, count = check.memory.count
        #expect(stlm_self_check_bytes(nil) == 0 && stlm_self_check(nil, start, count, &check.step) == STLM_NULL_POINTER)
        #expect(stlm_self_check(model, nil, count, &check.step) == STLM_NULL_POINTER)
        #expect(stlm_self_check(model, start, count, nil) == STLM_NULL_POINTER)
        #expect(stlm_self_check(model, start + 8, count, &check.step) == STLM_MISALIGNED)
        #expect(stlm_self_check(model, start, count - 1, &check.step) == STLM_TOO_SMALL && check.step == 0)
        #expect(check.model.sentence.contains("\(count - 1) bytes"))
        check.step = 3
        #expect(check.one() == STLM_WRONG_ORDER && check.step == 3 && check.model.sentence.contains("at step 3"), "memory in which nothing is under way")
        check.step = 0
        for _ in 0..<9 { #expect(check.one() == STLM_WORKING) }
        check.step = 5
        #expect(check.one() == STLM_WRONG_ORDER)
        check.step = 9
        #expect(stlm_self_check(other.pointer, start, count, &check.step) != STLM_WORKING, "another model's check")
        #expect(check.all() == STLM_OK)
    }

    /// Sessions of the model go on meanwhile, with the same text.
    @Test func aSessionGoesOnMeanwhile() throws {
        let model = try CModel(SmallModels.merges), check = Check(model), alone = try model.session(), beside = try model.session()
        for session in [alone, beside] { session.limit(8) }
        let text = try alone.answer("the end")
        try beside.check(stlm_prompt(beside.pointer, CText.theEnd, 7))
        var found: [UInt8] = [], status = STLM_WORKING, checked = STLM_WORKING
        while status != STLM_ENDED {
            if checked == STLM_WORKING { checked = check.one() }
            status = stlm_step(beside.pointer)
            found += beside.stepText()
        }
        while checked == STLM_WORKING { checked = check.one() }
        #expect(found == text && checked == STLM_OK)
    }
}
