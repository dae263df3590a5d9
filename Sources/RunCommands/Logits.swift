import CPlatform
import Console
import ModelFile
import STLM

/// `stlm-run logits`: int32 logits of every position as a NumPy file.
func logits(_ options: Options) -> Int32 {
    guard let ids = options.ids, let out = options.out else {
        complain("logits needs --ids \"1 5 9\" and --out FILE.npy")
        return ExitCode.usage
    }
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!) else { return ExitCode.failure }
    let model = opened.model
    let limit = Int(model.record.contextMaximum)
    guard let memory = Arena(limit * 4) else { return ExitCode.failure }
    let tokens = UnsafeMutableBufferPointer(start: memory.bytes.baseAddress!.assumingMemoryBound(to: UInt32.self), count: limit)
    guard let count = parseIds(ids, into: tokens) else { return ExitCode.usage }
    if count == 0 {
        complain("--ids is empty; give at least one id")
        return ExitCode.usage
    }
    do throws(SessionError) {
        var session = SessionOptions(model, kernels: kernels)
        session.contextTokenCount = options.contextTokenCount ?? count
        session.threadCount = options.threadCount ?? 1
        session.sampling.temperature = 0
        let plan = try MemoryPlan(model, session)
        guard let arena = Arena(plan.arenaByteCount) else { return ExitCode.failure }
        var running = try Session(model, plan, kernels: kernels, arena: arena.bytes)
        return try writeLogits(&running, UnsafeBufferPointer(rebasing: tokens[..<count]), out)
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

private func writeLogits(
    _ session: inout Session, _ tokens: UnsafeBufferPointer<UInt32>, _ path: Arguments.Word
) throws(SessionError) -> Int32 {
    if tokens.count > session.plan.contextTokenCount {
        throw .contextFull(needed: tokens.count, context: session.plan.contextTokenCount)
    }
    for token in tokens where Int(token) >= session.model.vocabularySize {
        throw .tokenOutOfRange(token: token, vocabularySize: session.model.vocabularySize)
    }
    guard let file = OutputFile(path) else { return ExitCode.failure }
    var writer = Writer(file.descriptor)
    writeNumpyHeader(&writer, rows: tokens.count, columns: session.model.vocabularySize)
    var start = 0
    while start < tokens.count {
        if stlm_signal_received() != 0 { return 130 }
        let count = min(session.plan.batchTokenCount, tokens.count - start)
        try session.feed(UnsafeBufferPointer(rebasing: tokens[start..<start + count]))
        for row in 0..<count {
            let values = session.computeLogits(rows: row..<row + 1)
            let bytes = UnsafeRawPointer(values).assumingMemoryBound(to: UInt8.self)
            writer.bytes(UnsafeBufferPointer(start: bytes, count: session.model.vocabularySize * 4))
        }
        start += count
    }
    writer.flush()
    if !file.commit(writer.error) { return ExitCode.failure }
    var standard = Writer(1)
    standard.text("{\"fraction_bits\": ")
    standard.number(Int(session.model.record.logitFractionBits))
    standard.text(", \"shape\": [")
    standard.number(tokens.count)
    standard.text(", ")
    standard.number(session.model.vocabularySize)
    standard.text("]}\n")
    standard.flush()
    return exitCode(of: standard.error)
}

/// NumPy's format, version 1.0: a dictionary padded so that the data begin at a multiple of 64.
private func writeNumpyHeader(_ writer: inout Writer, rows: Int, columns: Int) {
    let before: StaticString = "{'descr': '<i4', 'fortran_order': False, 'shape': ("
    let between: StaticString = ", "
    let after: StaticString = "), }"
    let text = before.utf8CodeUnitCount + digitCount(rows) + between.utf8CodeUnitCount + digitCount(columns) + after.utf8CodeUnitCount
    let used = 10 + text + 1  // magic, version and length before it, a newline after
    let total = (used + 63) / 64 * 64
    writer.byte(0x93)
    writer.text("NUMPY")
    writer.byte(1)
    writer.byte(0)
    writer.byte(UInt8((total - 10) & 255))
    writer.byte(UInt8((total - 10) >> 8))
    writer.text(before)
    writer.number(rows)
    writer.text(between)
    writer.number(columns)
    writer.text(after)
    for _ in 0..<total - used { writer.byte(0x20) }
    writer.byte(0x0A)
}

private func digitCount(_ number: Int) -> Int {
    var digits = 1
    var rest = number
    while rest >= 10 {
        rest /= 10
        digits += 1
    }
    return digits
}

/// A file that appears under its name only when it is complete.
struct OutputFile: ~Copyable {
    let path: Arguments.Word
    let descriptor: Int32
    private var temporary = InlineArray<4096, CChar>(repeating: 0)
    private var isOpen = true

    /// nil after a complaint.
    init?(_ path: Arguments.Word) {
        self.path = path
        var descriptor: Int32 = -1
        let error = withUnsafeMutableBytes(of: &temporary) {
            stlm_file_begin(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count, &descriptor)
        }
        self.descriptor = descriptor
        if error != 0 {
            isOpen = false
            complain("%n cannot be written (%d); check the path", name: path, detail: stlm_error_text(error))
            return nil
        }
    }

    /// Puts the file in its place, unless writing it failed.
    consuming func commit(_ writeError: Int32) -> Bool {
        if writeError != 0 {
            complain("%n cannot be written (%d); the file is left as it was", name: path, detail: stlm_error_text(writeError))
            return false
        }
        isOpen = false
        let path = self.path
        let descriptor = self.descriptor
        let error = withUnsafeBytes(of: &temporary) {
            stlm_file_commit(descriptor, $0.baseAddress!.assumingMemoryBound(to: CChar.self), path)
        }
        if error != 0 {
            complain("%n cannot be written (%d); the file is left as it was", name: path, detail: stlm_error_text(error))
        }
        return error == 0
    }

    deinit {
        if isOpen {
            withUnsafeBytes(of: temporary) {
                stlm_file_abandon(descriptor, $0.baseAddress!.assumingMemoryBound(to: CChar.self))
            }
        }
    }
}
