import CPlatform
import Console
import FixedPoint
import Kernels
import ModelFile
import STLM

/// What a run begins with: a new sequence, or that of a session file.
struct Beginning {
    /// The generator of a session that drew something; its seed is of no use then.
    var random: SplitMix64?
    var recent: RecentTokens
    /// What the prompt begins with: the last input of the session, which its file has no keys and values of. `recent` knows it.
    var next: InlineArray<32, UInt32>?

    /// Something precedes the prompt.
    var isContinued: Bool { next != nil }

    /// Writes the last input of the session, (inputSize); how many numbers that is.
    func writeNext(_ model: Model, into numbers: UnsafeMutableBufferPointer<UInt32>) -> Int {
        guard let next else { return 0 }
        for k in 0..<model.inputSize { numbers[k] = next[k] }
        return model.inputSize
    }
}

extension Session {
    // What these two take of the stack is not to lie below all that is computed: they are functions of their own.

    /// Goes on with `--session`, where it is given; nil after a complaint.
    @inline(never)
    mutating func begin(_ options: Options, _ statistics: inout RunStatistics) -> Beginning? {
        guard let path = options.session else { return Beginning(random: nil, recent: recentTokens()) }
        let start = stlm_clock_nanoseconds()
        var byteCount = 0
        var descriptor: Int32 = -1
        let error = stlm_file_open(path, &byteCount, &descriptor)
        if error != 0 {
            complain("%n cannot be opened as a session file (%d); check the path", name: path, detail: stlm_error_text(error))
            return nil
        }
        defer { stlm_file_close(descriptor) }
        var readError: Int32 = 0
        do throws(SessionFileError) {
            // Piece by piece into the arena: no page of the file is the process's.
            let restored = try restorePrefix(byteCount: byteCount, slides: options.slides) { room in
                readError = fill(room, from: descriptor)
                return readError == 0
            }
            statistics.restoredCount = position
            statistics.restoreNanoseconds = stlm_clock_nanoseconds() - start
            return Beginning(random: restored.random, recent: restored.recent, next: restored.next)
        } catch {
            if readError > 0 {
                complain("%n cannot be read (%d); check the disk", name: path, detail: stlm_error_text(readError))
            } else {
                complainAbout(error, path)
            }
            return nil
        }
    }

    /// Writes `--save-session`, where it is given; the exit code.
    /// - Parameters:
    ///   - next: what was drawn and not fed
    @inline(never)
    func end(
        _ options: Options, random: SplitMix64?, recent: RecentTokens, next: UnsafeBufferPointer<UInt32>, _ statistics: inout RunStatistics
    ) -> Int32 {
        guard let path = options.savedSession else { return ExitCode.success }
        let start = stlm_clock_nanoseconds()
        guard let file = OutputFile(path) else { return ExitCode.failure }
        let descriptor = file.descriptor
        var writeError: Int32 = 0
        do throws(SessionFileError) {
            try save(random: random, recent: recent, next: next) { bytes in
                if stlm_signal_received() != 0 { return false }
                writeError = stlm_write(descriptor, bytes.baseAddress, bytes.count)
                return writeError == 0
            }
        } catch {
            // An interrupt, as long as no error is told below.
            if writeError == 0 { return 130 }
        }
        if !file.commit(writeError) { return ExitCode.failure }
        statistics.savedByteCount = savedByteCount(recent: recent, next: next)
        statistics.saveNanoseconds = stlm_clock_nanoseconds() - start
        return ExitCode.success
    }
}

/// Reads all of a buffer: 0, an errno, or -1 where the file ends before it is full.
private func fill(_ buffer: UnsafeMutableRawBufferPointer, from descriptor: Int32) -> Int32 {
    var done = 0
    while done < buffer.count {
        var count = 0
        let error = stlm_read(descriptor, buffer.baseAddress! + done, buffer.count - done, &count)
        if error != 0 { return error }
        if count == 0 { return -1 }
        done += count
    }
    return 0
}

/// The sentence of a session file that cannot be gone on from.
private func complainAbout(_ error: SessionFileError, _ path: Arguments.Word) {
    switch error {
    case .notCausal:
        complain("this model sees the whole text at once (it is not causal), so that no session of it can be kept; leave %n out", name: path)
    case .notWritten:
        complain("%n cannot be written; check the disk", name: path)
    case .truncated:
        complain("%n ends early; copy it again, or save the session anew with --save-session", name: path)
    case .wrongByteCount(let have, let need):
        complain("%n has %a bytes and should have %b; copy it again", name: path, Int64(have), Int64(clamping: need))
    case .notASession:
        complain("%n is no session file; make one with --save-session", name: path)
    case .unknownVersion(let version):
        complain("%n has version %a and this program knows version 1; save the session anew with --save-session", name: path, Int(version))
    case .damaged:
        complain("%n is damaged: a checksum is wrong; copy it again, or save the session anew with --save-session", name: path)
    case .impossible:
        complain("%n holds numbers that no session has; save it anew with --save-session", name: path)
    case .otherModel:
        complain("%n was saved with another model file; give that one, or save the session anew with --save-session", name: path)
    case .otherKeyValueType(let saved, let own):
        let name = cString(saved.name)
        if own == .int16 {
            complain("%n was saved with --kv %d; give it here too", name: path, detail: name)
        } else {
            complain("%n was saved with --kv %d and not with the one given here; give the same", name: path, detail: name)
        }
    case .contextFull(let needed, let context):
        complain("%n takes %a positions and the context has %b; give a greater --context", name: path, needed, context)
    }
}
