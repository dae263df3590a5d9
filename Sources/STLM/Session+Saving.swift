import FixedPoint
import Kernels
import ModelFile

// A session as a file: Formats/session-1.md.
extension Session {
    /// Bytes that `save` writes.
    public func savedByteCount(
        recent: RecentTokens? = nil, next: UnsafeBufferPointer<UInt32> = UnsafeBufferPointer(start: nil, count: 0)
    ) -> Int {
        Int(sessionFileByteCount(inputCount: position + (next.isEmpty ? 0 : 1), recentCount: recent?.count ?? 0))
    }

    /// Writes the session as a file, piece by piece, without a second copy of its keys and values.
    /// - Parameters:
    ///   - random: the generator that the session is to go on with, if any
    ///   - recent: what the repetition penalty looks back at, if it is used
    ///   - next: (inputSize), or empty: what was drawn and is yet to be fed; it need not fit in the context
    ///   - write: takes the next bytes of the file, valid during the call; false ends it with `notWritten`
    public func save(
        random: SplitMix64? = nil, recent: RecentTokens? = nil,
        next: UnsafeBufferPointer<UInt32> = UnsafeBufferPointer(start: nil, count: 0),
        _ write: (UnsafeRawBufferPointer) -> Bool
    ) throws(SessionFileError) {
        if !model.record.isCausal { throw .notCausal }
        precondition(next.isEmpty || next.count == model.inputSize)
        for number in next { precondition(number < UInt32(model.inputLimit)) }

        var header = header(random, inputCount: position + (next.isEmpty ? 0 : 1), recentCount: recent?.count ?? 0)
        var writer = SessionWriter(kernels)
        withUnsafeBytes(of: &header) { writer.put($0, write) }
        writer.put(UnsafeRawBufferPointer(start: history, count: position * model.inputSize * 4), write)
        writer.put(UnsafeRawBufferPointer(next), write)
        if let recent {
            let (older, newer) = recent.parts
            writer.put(UnsafeRawBufferPointer(older), write)
            writer.put(UnsafeRawBufferPointer(newer), write)
        }
        forEachRun(positionCount: header.positionCount) { head, size, positions, room in
            let byteCount = head.type.positionByteCount(headSize: size)
            for position in positions {
                head.save(position, headSize: size, into: room.baseAddress! + (position - positions.lowerBound) * byteCount)
            }
            writer.put(UnsafeRawBufferPointer(room), write)
            return writer.isWritten
        }
        var checksum = writer.sum.value
        withUnsafeBytes(of: &checksum) { writer.put($0, write) }
        if !writer.isWritten { throw .notWritten }
    }

    private func header(_ random: SplitMix64?, inputCount: Int, recentCount: Int) -> SessionFileHeader {
        var header = SessionFileHeader()
        header.modelFormatVersion = model.file.header.formatVersion
        header.fileByteCount = UInt64(sessionFileByteCount(inputCount: inputCount, recentCount: recentCount))
        header.modelByteCount = UInt64(model.file.byteCount)
        header.modelChecksum = model.file.header.checksum
        header.keyValueType = UInt32(plan.keyValueType.rawValue)
        header.inputCount = UInt32(inputCount)
        header.inputSize = UInt32(model.inputSize)
        header.recentCount = UInt32(recentCount)
        if let random {
            header.flags = SessionFileHeader.hasRandom
            header.randomState = random.state
        }
        header.headerChecksum = header.ownChecksum
        return header
    }
}
