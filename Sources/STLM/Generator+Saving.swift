import CPlatform
import FixedPoint

// A generator's session as a file: session-1.md. All of it in one call.
extension Generator {
    /// Writes the sequence, at rest or between tokens. The random numbers are saved where something was drawn, a seed was set or one was restored.
    /// - Parameters:
    ///   - write: takes the next bytes of the file, valid during the call; false ends it with `sessionFile(.notWritten)`
    public mutating func save(_ write: (UnsafeRawBufferPointer) -> Bool) throws(STLMError) { try state.pointee.save(write) }

    /// The same to an open file, at its place. Where the system takes no more it throws `sessionNotWritten`.
    public mutating func save(descriptor: Int32) throws(STLMError) {
        try writing(descriptor) { write throws(STLMError) in try state.pointee.save(write) }
    }

    /// Becomes the sequence that was saved, at rest; a prompt then goes on. After an error it is a new one.
    /// - Parameters:
    ///   - read: fills the buffer with the next bytes of the file; false if there are not so many
    public mutating func restore(_ read: (UnsafeMutableRawBufferPointer) -> Bool) throws(STLMError) { try state.pointee.restore(read) }

    /// The same from an open file, at its place. Where the system refuses to read it throws `sessionNotRead`.
    public mutating func restore(descriptor: Int32) throws(STLMError) {
        try reading(descriptor) { read throws(STLMError) in try state.pointee.restore(read) }
    }
}

extension GeneratorState {
    @export(interface)
    package mutating func save(_ write: (UnsafeRawBufferPointer) -> Bool) throws(STLMError) {
        if phase != .rest, isScoring || drawnCount == 0 { throw .workUnderWay }
        finishSlide()
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

    @export(interface)
    package mutating func restore(_ read: (UnsafeMutableRawBufferPointer) -> Bool) throws(STLMError) {
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

// Through descriptors. Whoever calls hands the bytes on to a generator: in one function with it they would be compiled anew for each.

/// Calls `save` with what writes to an open file; its error, or that of the system.
@export(interface)
package func writing(
    _ descriptor: Int32, _ save: ((UnsafeRawBufferPointer) -> Bool) throws(STLMError) -> Void
) throws(STLMError) {
    var failure: Int32 = 0
    do throws(STLMError) {
        try save {
            failure = stlm_write(descriptor, $0.baseAddress, $0.count)
            return failure == 0
        }
    } catch {
        throw failure == 0 ? error : .sessionNotWritten(descriptor: descriptor, number: failure)
    }
}

/// Calls `restore` with what reads from an open file; its error, or that of the system.
@export(interface)
package func reading(
    _ descriptor: Int32, _ restore: ((UnsafeMutableRawBufferPointer) -> Bool) throws(STLMError) -> Void
) throws(STLMError) {
    var failure: Int32 = 0
    do throws(STLMError) {
        try restore { buffer in
            var filled = 0
            while filled < buffer.count {
                var count = 0
                failure = stlm_read(descriptor, buffer.baseAddress! + filled, buffer.count - filled, &count)
                if failure != 0 || count == 0 { return false }
                filled += count
            }
            return true
        }
    } catch {
        throw failure == 0 ? error : .sessionNotRead(descriptor: descriptor, number: failure)
    }
}
