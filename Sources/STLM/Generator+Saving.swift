import CPlatform
import FixedPoint

// A generator's session as a file: session-1.md. All of it in one call.
extension Generator {
    /// Writes the sequence, at rest or between tokens. The random numbers are saved where something was drawn, a seed was set or one was restored.
    /// - Parameters:
    ///   - write: takes the next bytes of the file, valid during the call; false ends it with `sessionFile(.notWritten)`
    public mutating func save(_ write: (UnsafeRawBufferPointer) -> Bool) throws(STLMError) { try state.pointee.save(write) }

    /// The same to an open file, at its place.
    public mutating func save(descriptor: Int32) throws(STLMError) {
        try save { stlm_write(descriptor, $0.baseAddress, $0.count) == 0 }
    }

    /// Becomes the sequence that was saved, at rest; a prompt then goes on. After an error it is a new one.
    /// - Parameters:
    ///   - read: fills the buffer with the next bytes of the file; false if there are not so many
    public mutating func restore(_ read: (UnsafeMutableRawBufferPointer) -> Bool) throws(STLMError) { try state.pointee.restore(read) }

    /// The same from an open file, at its place.
    public mutating func restore(descriptor: Int32) throws(STLMError) {
        try restore { buffer in
            var filled = 0
            while filled < buffer.count {
                var count = 0
                if stlm_read(descriptor, buffer.baseAddress! + filled, buffer.count - filled, &count) != 0 || count == 0 { return false }
                filled += count
            }
            return true
        }
    }
}

extension GeneratorState {
    fileprivate mutating func save(_ write: (UnsafeRawBufferPointer) -> Bool) throws(STLMError) {
        if phase != .rest, isScoring || drawnCount == 0 { throw .workUnderWay }
        // Saving takes the memory of logits that are half computed.
        if phase == .draw { phase = .head }
        headPiece = 0
        let next = UnsafeBufferPointer(start: UnsafePointer(self.next), count: hasNext ? model.inputSize : 0)
        do throws(SessionFileError) {
            try session.pointee.save(random: isRandomKept ? random : nil, recent: recent, next: next, write)
        } catch {
            throw .sessionFile(error)
        }
    }

    fileprivate mutating func restore(_ read: (UnsafeMutableRawBufferPointer) -> Bool) throws(STLMError) {
        if phase != .rest { throw .workUnderWay }
        forget()
        do throws(SessionFileError) {
            let restored = try session.pointee.restore(slides: slides, read)
            recent = restored.recent
            if let saved = restored.random { (random, isRandomKept) = (saved, true) }
        } catch {
            forget()
            throw .sessionFile(error)
        }
    }
}
