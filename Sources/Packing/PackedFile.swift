import Foundation
import Kernels
import ModelFile
import STLM

/// A model file in memory, opened as the runtime opens it.
final class PackedFile {
    let file: ModelFile
    /// With a copy of the model record: made again where that is changed.
    var model: Model
    private let memory: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8]) throws(PackError) {
        memory = .allocate(byteCount: bytes.count, alignment: 64)
        memory.copyBytes(from: bytes)
        do throws(ModelFileError) {
            file = try ModelFile(memory.baseAddress!, byteCount: bytes.count)
        } catch {
            memory.deallocate()
            throw .ownOutput(sentence: error.sentence)
        }
        model = Model(file)
    }

    deinit { memory.deallocate() }

    /// The file with what this computer makes of it: stlm-1, section 12.
    func transcribed(_ bytes: [UInt8]) throws(PackError) -> [UInt8] {
        var record = TranscriptRecord(positionCount: TranscriptRecord.positionCount(file.model)), result = bytes
        do throws(SessionError) {
            for type in 0..<model.transcriptTypeCount {
                let options = SessionOptions(
                    transcriptOf: model, KeyValueType(rawValue: UInt8(type))!, positionCount: Int(record.positionCount))
                let plan = try MemoryPlan(model, options)
                let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: plan.arenaByteCount, alignment: 64)
                defer { arena.deallocate() }
                record.logitsChecksum[type] = try checksum(plan, options, arena)
            }
        } catch {
            throw .ownOutput(sentence: "\(error)")
        }
        ModelFileWriter.replace(.transcript, with: rawBytes([record]), in: &result)
        return result
    }

    /// In a function of its own, so that the session ends before its arena does.
    private func checksum(_ plan: MemoryPlan, _ options: SessionOptions, _ arena: UnsafeMutableRawBufferPointer) throws(SessionError) -> UInt32 {
        var session = try Session(model, plan, kernels: options.kernels, arena: arena)
        return try session.transcriptChecksum()
    }
}

extension ModelFileError {
    /// The error as a sentence, for the host side.
    public var sentence: String {
        String(unsafeUninitializedCapacity: 512) { write(into: $0) }
    }
}
