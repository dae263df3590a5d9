import CSTLM
import FixedPoint
import Kernels
import ModelFile
import STLM

@c @implementation
public func stlm_self_check_bytes(_ model: OpaquePointer!) -> Int {
    var byteCount = 0
    _ = withModel(model) { object in
        let model = object.pointee.model!
        guard model.file.transcript != nil else { return object.pointee.fail(STLM_NO_TRANSCRIPT) }
        do throws(SessionError) {
            byteCount = try SelfCheck.byteCount(model)
            return STLM_OK
        } catch {
            return object.pointee.fail(.session(error))
        }
    }
    return byteCount
}

@c @implementation
public func stlm_self_check(
    _ model: OpaquePointer!, _ memory: UnsafeMutableRawPointer!, _ byteCount: Int, _ step: UnsafeMutablePointer<UInt32>!
) -> Int32 {
    withModel(model) { object in
        guard let memory, let step else { return object.pointee.fail(STLM_NULL_POINTER) }
        if !isAligned(memory) { return object.pointee.fail(STLM_MISALIGNED) }
        let model = object.pointee.model!
        guard let transcript = model.file.transcript else { return object.pointee.fail(STLM_NO_TRANSCRIPT) }
        do throws(SessionError) {
            let need = try SelfCheck.byteCount(model)
            if byteCount < need {
                return object.pointee.fail(
                    STLM_TOO_SMALL, "the memory has %a bytes and the self-check needs %b; stlm_self_check_bytes says so", byteCount, need)
            }
            let check = memory.assumingMemoryBound(to: SelfCheck.self)
            if step.pointee == 0 {
                check.initialize(to: SelfCheck(model.file))
            } else if !check.pointee.isUnderWay(model.file, step: step.pointee) {
                return object.pointee.fail(
                    STLM_WRONG_ORDER, "no self-check of this model is under way in this memory at step %a; begin with step 0", Int(clamping: step.pointee))
            }
            step.pointee &+= 1
            check.pointee.step = step.pointee
            let status = try check.pointee.work(model, transcript, memory, &object.pointee.sentence)
            if status != STLM_WORKING { check.pointee.magic = 0 }
            return status
        } catch {
            return object.pointee.fail(.session(error))
        }
    }
}

/// A check of a model file against its transcript, in portions: stlm-1, section 12. It lies in memory of the caller; a session and its arena
/// follow it.
struct SelfCheck {
    /// "STLMchck"
    static let magicOfAll: UInt64 = 0x6B63_6863_4D4C_5453
    private static let session = (MemoryLayout<SelfCheck>.size + 63) / 64 * 64
    private static let arena = session + (MemoryLayout<Session>.size + 63) / 64 * 64
    /// Bytes of weights whose checksum is one portion, and multiply-adds of one.
    private static let pieceByteCount = 1 << 20
    private static let quantum: Int64 = 1 << 23

    var magic = Self.magicOfAll
    /// Of the caller, after this one.
    var step: UInt32 = 0
    private let base: UnsafeRawPointer
    private let fileByteCount: Int

    /// Of the weights: the region at hand, and how many of its bytes were read.
    private var region: Int
    private var offset = 0
    private var sum = CRC32()

    // Of the logits.
    private var type: UInt8 = 0
    private var hasSession = false
    /// Positions that are fed, those of them whose logits are summed, and how many the last batch had.
    private var fedCount = 0
    private var summedCount = 0
    private var batchCount = 0
    private var advance: Advance?

    init(_ file: ModelFile) {
        base = file.base
        fileByteCount = file.byteCount
        region = file.firstWeightsRegion
    }

    func isUnderWay(_ file: ModelFile, step: UInt32) -> Bool {
        magic == Self.magicOfAll && self.step == step && base == file.base && fileByteCount == file.byteCount
    }

    static func byteCount(_ model: Model) throws(SessionError) -> Int {
        var most = 0
        for type in 0..<model.transcriptTypeCount { most = max(most, try MemoryPlan(model, options(model, UInt8(type))).arenaByteCount) }
        return arena + most
    }

    private static func options(_ model: Model, _ type: UInt8) -> SessionOptions {
        let count = Int(model.file.transcript!.positionCount)
        var options = SessionOptions(transcriptOf: model, KeyValueType(rawValue: type)!, positionCount: count)
        // The results are the same whatever the batch.
        if model.record.isCausal { options.batchTokenCount = min(count, model.batchTokenCount(quantum: quantum, context: count)) }
        return options
    }

    /// One portion.
    mutating func work(
        _ model: Model, _ transcript: TranscriptRecord, _ memory: UnsafeMutableRawPointer, _ sentence: inout Sentence
    ) throws(SessionError) -> Int32 {
        if region < model.file.regionCount { return readWeights(model.file, &sentence) }
        let session = (memory + Self.session).assumingMemoryBound(to: Session.self), count = Int(transcript.positionCount)
        if !hasSession {
            try begin(model, session, arena: memory + Self.arena, count)
        } else if advance != nil {
            if session.pointee.advance(&advance!) {
                advance = nil
                fedCount += batchCount
            }
        } else if summedCount < fedCount {
            let inputs = UnsafeBufferPointer(start: session.pointee.history, count: count * model.inputSize)
            let logits = session.pointee.rowLogits(batchCount - (fedCount - summedCount), inputs, position: summedCount)
            sum.update(logits, byteCount: model.outputSize * model.logitCount * 4)
            summedCount += 1
        } else if fedCount < count {
            batchCount = min(count - fedCount, session.pointee.plan.batchTokenCount)
            advance = try session.pointee.begin(
                UnsafeBufferPointer(start: UnsafePointer(session.pointee.upcoming), count: batchCount * model.inputSize))
        } else {
            Session.end(session)
            return compare(model, transcript, &sentence)
        }
        return STLM_WORKING
    }

    private mutating func readWeights(_ file: ModelFile, _ sentence: inout Sentence) -> Int32 {
        let record = file.region(region), count = min(Self.pieceByteCount, Int(record.byteCount) - offset)
        sum.update(file.base + Int(record.offset) + offset, byteCount: count)
        offset += count
        if offset < Int(record.byteCount) { return STLM_WORKING }
        if sum.value != record.checksum {
            let error = ModelFileError(.wrongChecksum, region: "weights", index: region, Int64(record.checksum), Int64(sum.value))
            sentence.fill { error.write(into: $0) }
            return STLM_BAD_MODEL
        }
        (region, offset, sum) = (region + 1, 0, CRC32())
        return STLM_WORKING
    }

    private mutating func begin(
        _ model: Model, _ session: UnsafeMutablePointer<Session>, arena: UnsafeMutableRawPointer, _ count: Int
    ) throws(SessionError) {
        let plan = try MemoryPlan(model, Self.options(model, type))
        session.initialize(
            to: try Session(model, plan, kernels: .detected, arena: UnsafeMutableRawBufferPointer(start: arena, count: plan.arenaByteCount)))
        session.pointee.setTranscriptInputs()
        (hasSession, fedCount, summedCount, sum) = (true, 0, 0, CRC32())
    }

    private mutating func compare(_ model: Model, _ transcript: TranscriptRecord, _ sentence: inout Sentence) -> Int32 {
        hasSession = false
        if sum.value != transcript.logitsChecksum[Int(type)] {
            sentence.set(
                "this computer does not make of the file what the packer's did (keys and values %d); do not use it here, and report it",
                detail: cString(KeyValueType(rawValue: type)!.name))
            return STLM_WRONG_LOGITS
        }
        type += 1
        return Int(type) == model.transcriptTypeCount ? STLM_OK : STLM_WORKING
    }
}
