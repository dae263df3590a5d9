import CPlatform
import FixedPoint
import Kernels
import ModelFile

/// What of a saved session lies outside of it.
public struct RestoredSampling {
    /// The generator, if one was saved.
    public let random: SplitMix64?
    /// As many of the last tokens as are known, in the session's own ring.
    public let recent: RecentTokens
    /// What is to be fed next, (inputSize): the last input, which `recent` knows; nil of a session that had read nothing.
    public let next: InlineArray<32, UInt32>?  // Limit.blockSize
}

extension Session {
    /// Becomes the session that was saved: what comes then is the same to the bit. After an error the session is a new one.
    ///
    /// Keys and values are those of the file but for the last position, which is fed anew, so that its logits are there.
    /// - Parameters: those of `restorePrefix`
    public mutating func restore(
        byteCount: Int? = nil, slides: Bool = false, _ read: (UnsafeMutableRawBufferPointer) -> Bool
    ) throws(SessionFileError) -> RestoredSampling {
        let restored = try restorePrefix(byteCount: byteCount, slides: slides, read)
        guard let next = restored.next else { return restored }
        do {
            if position == plan.contextTokenCount { try slide() }
            let size = model.inputSize
            try withUnsafeBytes(of: next) { bytes throws(SessionError) in
                try feed(UnsafeBufferPointer(start: bytes.baseAddress!.assumingMemoryBound(to: UInt32.self), count: size))
            }
        } catch {
            reset()
            throw .impossible
        }
        return restored
    }

    /// The same but for the last input, which is left to the caller: it costs less when it is fed with what follows. There are no logits
    /// before.
    /// - Parameters:
    ///   - byteCount: of the whole file, where that is known
    ///   - slides: a last input beyond the context makes room for itself, as in a generation that slides
    ///   - read: fills the buffer with the next bytes of the file; false if there are not so many
    public mutating func restorePrefix(
        byteCount: Int? = nil, slides: Bool = false, _ read: (UnsafeMutableRawBufferPointer) -> Bool
    ) throws(SessionFileError) -> RestoredSampling {
        reset()
        if !model.record.isCausal { throw .notCausal }
        var reader = SessionReader(kernels)
        let header = try checkedHeader(byteCount, &reader, read)
        let inputCount = Int(header.inputCount)
        if header.positionCount > plan.contextTokenCount || inputCount > plan.contextTokenCount && !slides {
            throw .contextFull(needed: inputCount, context: plan.contextTokenCount)
        }

        var last = InlineArray<32, UInt32>(repeating: 0)  // Limit.blockSize
        try readInputs(header, &last, &reader, read)
        let recent = try readRecent(header, last, &reader, read)
        try readKeysAndValues(header, &reader, read)
        let checksum = reader.sum.value
        var written: UInt32 = 0
        try withUnsafeMutableBytes(of: &written) { bytes throws(SessionFileError) in try reader.fill(bytes, read) }
        if written != checksum { throw .damaged }
        if !reader.isPossible { throw .impossible }

        position = header.positionCount
        return RestoredSampling(
            random: header.flags == 0 ? nil : SplitMix64(seed: header.randomState), recent: recent, next: inputCount > 0 ? last : nil)
    }

    /// The same from bytes in memory, which must be the whole file.
    public mutating func restore(from file: UnsafeRawBufferPointer, slides: Bool = false) throws(SessionFileError) -> RestoredSampling {
        var offset = 0
        return try restore(byteCount: file.count, slides: slides) { buffer in
            if file.count - offset < buffer.count { return false }
            if !buffer.isEmpty { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: file[offset..<offset + buffer.count])) }
            offset += buffer.count
            return true
        }
    }

    private func checkedHeader(
        _ byteCount: Int?, _ reader: inout SessionReader, _ read: SessionReader.Read
    ) throws(SessionFileError) -> SessionFileHeader {
        var header = SessionFileHeader()
        try withUnsafeMutableBytes(of: &header) { bytes throws(SessionFileError) in try reader.fill(bytes, read) }
        if header.magic != SessionFileHeader.magic { throw .notASession }
        if header.version != SessionFileHeader.version { throw .unknownVersion(header.version) }
        if header.headerChecksum != header.ownChecksum { throw .damaged }
        if let byteCount, UInt64(byteCount) != header.fileByteCount {
            throw .wrongByteCount(have: byteCount, need: header.fileByteCount)
        }
        let file = model.file
        if header.modelFormatVersion != file.header.formatVersion || header.modelByteCount != UInt64(file.byteCount)
            || header.modelChecksum != file.header.checksum {
            throw .otherModel
        }
        guard header.keyValueType < UInt32(KeyValueType.count), header.inputSize == UInt32(model.inputSize),
            header.inputCount <= model.record.contextMaximum + 1, header.recentCount <= UInt32(Limit.repeatWindow),
            header.flags & ~SessionFileHeader.hasRandom == 0, header.flags != 0 || header.randomState == 0
        else { throw .impossible }
        let type = KeyValueType(rawValue: UInt8(header.keyValueType))!
        if type != plan.keyValueType { throw .otherKeyValueType(saved: type, own: plan.keyValueType) }
        let need = sessionFileByteCount(inputCount: Int(header.inputCount), recentCount: Int(header.recentCount))
        if header.fileByteCount != UInt64(need) { throw .impossible }
        return header
    }

    /// All inputs but the last go to the history, the last to `last`: it may have no room yet.
    private func readInputs(
        _ header: SessionFileHeader, _ last: inout InlineArray<32, UInt32>, _ reader: inout SessionReader, _ read: SessionReader.Read
    ) throws(SessionFileError) {
        if header.inputCount == 0 { return }
        let numbers = header.positionCount * model.inputSize, size = model.inputSize
        try reader.fill(UnsafeMutableRawBufferPointer(start: historyPointer, count: numbers * 4), read)
        for k in 0..<numbers where historyPointer[k] >= UInt32(model.inputLimit) { reader.isPossible = false }
        try withUnsafeMutableBytes(of: &last) { bytes throws(SessionFileError) in
            try reader.fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<(size * 4)]), read)
        }
        for k in 0..<size where last[k] >= UInt32(model.inputLimit) { reader.isPossible = false }
    }

    /// The recent tokens, or the inputs where they are more and end with the same: they serve a wider window, too. After sliding the inputs
    /// have a gap, which shows where recent tokens reach beyond it.
    private func readRecent(
        _ header: SessionFileHeader, _ last: InlineArray<32, UInt32>, _ reader: inout SessionReader, _ read: SessionReader.Read
    ) throws(SessionFileError) -> RecentTokens {
        var recent = recentTokens()
        let limit = model.writesBlocks ? Int(Symbol.pad) : model.logitCount
        let usesInputs = header.inputCount > 0 && model.canGenerate
        let inputs = usesInputs ? header.positionCount * model.inputSize + model.inputSize : 0
        var counted = 0
        for k in 0..<inputs where isRecent(recentInput(k, header, last)) { counted += 1 }
        var isEndOfInputs = counted > Int(header.recentCount)
        // The input that the next recent token should be, if those are the end of the inputs.
        var next = 0, left = counted - Int(header.recentCount)
        while next < inputs, left > 0 {
            if isRecent(recentInput(next, header, last)) { left -= 1 }
            next += 1
        }
        var piece = InlineArray<256, UInt32>(repeating: 0)
        var rest = Int(header.recentCount)
        while rest > 0 {
            let count = min(rest, piece.count)
            try withUnsafeMutableBytes(of: &piece) { bytes throws(SessionFileError) in
                try reader.fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * 4)]), read)
            }
            for k in 0..<count {
                if piece[k] < UInt32(limit) { recent.append(piece[k]) } else { reader.isPossible = false }
                while isEndOfInputs, !isRecent(recentInput(next, header, last)) { next += 1 }
                if isEndOfInputs, recentInput(next, header, last) != piece[k] { isEndOfInputs = false }
                next += 1
            }
            rest -= count
        }
        if !isEndOfInputs { return recent }
        recent = recentTokens()
        for k in 0..<inputs where isRecent(recentInput(k, header, last)) { recent.append(recentInput(k, header, last)) }
        return recent
    }

    /// Of all inputs, the last of which is not in the history yet.
    private func recentInput(_ k: Int, _ header: SessionFileHeader, _ last: InlineArray<32, UInt32>) -> UInt32 {
        let numbers = header.positionCount * model.inputSize
        return k < numbers ? historyPointer[k] : last[k - numbers]
    }

    /// A penalty is for tokens, or for bytes.
    private func isRecent(_ number: UInt32) -> Bool { !model.takesBlocks || number < Symbol.pad }

    /// Each run of positions is put in its places while the next is read.
    private func readKeysAndValues(
        _ header: SessionFileHeader, _ reader: inout SessionReader, _ read: SessionReader.Read
    ) throws(SessionFileError) {
        let results = pointer(plan.attentionSums, as: UInt64.self)
        var failure: SessionFileError?
        var job: PlaceJob?
        withUnsafeMutablePointer(to: &job) { job in
            forEachRun(positionCount: header.positionCount) { head, size, positions, room in
                begin(job)
                do throws(SessionFileError) {
                    try reader.fill(room, read)
                } catch {
                    failure = error
                }
                if !finish(job) { reader.isPossible = false }
                job.pointee = PlaceJob(
                    head, headSize: size, positions, from: UnsafeRawPointer(room.baseAddress!), threadCount: plan.threadCount, results)
                return failure == nil
            }
            if failure != nil { return }
            begin(job)
            if !finish(job) { reader.isPossible = false }
        }
        if let failure { throw failure }
    }

    /// Hands over what other threads do of a job, if there is one.
    private func begin(_ job: UnsafeMutablePointer<PlaceJob?>) {
        guard plan.threadCount > 1, let parts = job.pointee?.partCount else { return }
        stlm_pool_begin(arena + plan.pool.offset, { $0!.assumingMemoryBound(to: PlaceJob?.self).pointee!.run($1) }, job, parts)
    }

    /// Does the rest, and waits for what was handed over; false if quantising makes no such numbers.
    private func finish(_ job: UnsafeMutablePointer<PlaceJob?>) -> Bool {
        guard let own = job.pointee else { return true }
        if plan.threadCount > 1 { stlm_pool_finish(arena + plan.pool.offset) } else { own.run(0) }
        var isPossible = true
        for part in 0..<own.partCount where own.results[part] == 0 { isPossible = false }
        return isPossible
    }
}

/// Positions of a saved head that the threads of a session put in their places. Most of that is touching pages for the first time.
private struct PlaceJob {
    let partCount: Int
    /// (partCount): 0 where numbers are impossible
    let results: UnsafeMutablePointer<UInt64>
    private let head: KeyValueHead
    private let headSize: Int
    private let positions: Range<Int>
    private let bytes: UnsafeRawPointer
    /// Positions of part 0, which is the caller's, and of each of the others.
    private let own: Int
    private let each: Int

    init(
        _ head: KeyValueHead, headSize: Int, _ positions: Range<Int>, from bytes: UnsafeRawPointer, threadCount: Int,
        _ results: UnsafeMutablePointer<UInt64>
    ) {
        (self.head, self.headSize, self.positions, self.bytes, self.results) = (head, headSize, positions, bytes, results)
        // Whole groups: neighbours share lines of the cache. Reading costs the caller two fifths of what placing costs.
        let group = 16, count = (positions.count + group - 1) / group
        let share = (count * 7 / 5 + threadCount - 1) / threadCount
        own = group * (threadCount == 1 || count < 4 ? count : max(0, share - count * 2 / 5))
        each = group * share
        partCount = 1 + (max(0, positions.count - own) + each - 1) / each
    }

    func run(_ part: Int) {
        let first = part == 0 ? 0 : own + (part - 1) * each, end = min(part == 0 ? own : first + each, positions.count)
        let range = positions.lowerBound + first..<positions.lowerBound + end
        let from = bytes + first * head.type.positionByteCount(headSize: headSize)
        results[part] = head.restore(range, headSize: headSize, from: from) ? 1 : 0
    }
}
