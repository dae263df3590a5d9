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
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!, memoryLimit: options.memoryLimit) else { return ExitCode.failure }
    let model = opened.model
    let limit = Int(model.record.contextMaximum) * model.inputSize
    guard let memory = Arena(limit * 4) else { return ExitCode.failure }
    let numbers = UnsafeMutableBufferPointer(start: memory.bytes.baseAddress!.assumingMemoryBound(to: UInt32.self), count: limit)
    guard let count = parseInputs(ids, model, into: numbers) else { return ExitCode.usage }
    do throws(SessionError) {
        var session = SessionOptions(model, kernels: kernels)
        session.contextTokenCount = options.contextTokenCount ?? count / model.inputSize
        session.keyValueType = options.keyValueType
        session.threadCount = threadCount(options)
        if let batch = options.batchTokenCount { session.batchTokenCount = batch }
        session.sampling.temperature = 0
        guard let plan = try limitedPlan(options, opened, &session), let arena = Arena(plan.arenaByteCount) else { return ExitCode.failure }
        var running = try Session(model, plan, kernels: kernels, arena: arena.bytes, descriptor: opened.descriptor)
        forgetStart(kernels)
        return try writeLogits(&running, UnsafeBufferPointer(rebasing: numbers[..<count]), out)
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

private func writeLogits(
    _ session: inout Session, _ numbers: UnsafeBufferPointer<UInt32>, _ path: Arguments.Word
) throws(SessionError) -> Int32 {
    let model = session.model
    let positionCount = numbers.count / model.inputSize
    if positionCount > session.plan.contextTokenCount {
        throw .contextFull(needed: positionCount, context: session.plan.contextTokenCount)
    }
    try requireInputs(numbers, model)
    guard let file = OutputFile(path) else { return ExitCode.failure }
    var writer = Writer(file.descriptor)
    writeNumpyHeader(&writer, positionCount, model)
    var start = 0
    while start < positionCount {
        if stlm_signal_received() != 0 { return 130 }
        let count = min(session.plan.batchTokenCount, positionCount - start)
        try session.feed(UnsafeBufferPointer(rebasing: numbers[start * model.inputSize..<(start + count) * model.inputSize]))
        for row in 0..<count {
            let values = session.rowLogits(row, numbers, position: start + row)
            let bytes = UnsafeRawPointer(values).assumingMemoryBound(to: UInt8.self)
            writer.bytes(UnsafeBufferPointer(start: bytes, count: model.outputSize * model.logitCount * 4))
        }
        start += count
    }
    writer.flush()
    if !file.commit(writer.error) { return ExitCode.failure }
    var standard = Writer(1)
    standard.text("{\"fraction_bits\": ")
    standard.number(model.logitFractionBits)
    standard.text(", \"shape\": [")
    writeShape(&standard, positionCount, model)
    standard.text("]}\n")
    standard.flush()
    return exitCode(of: standard.error)
}

private func writeShape(_ writer: inout Writer, _ positionCount: Int, _ model: Model) {
    writer.number(positionCount)
    writer.text(", ")
    if model.writesBlocks {
        writer.number(model.blockSize)
        writer.text(", ")
    }
    writer.number(model.logitCount)
}

/// NumPy's format, version 1.0: a dictionary padded so that the data begin at a multiple of 64.
private func writeNumpyHeader(_ writer: inout Writer, _ positionCount: Int, _ model: Model) {
    let before: StaticString = "{'descr': '<i4', 'fortran_order': False, 'shape': ("
    let after: StaticString = "), }"
    var digits = digitCount(positionCount) + 2 + digitCount(model.logitCount)
    if model.writesBlocks { digits += digitCount(model.blockSize) + 2 }
    let text = before.utf8CodeUnitCount + digits + after.utf8CodeUnitCount
    let used = 10 + text + 1  // magic, version and length before it, a newline after
    let total = (used + 63) / 64 * 64
    writer.byte(0x93)
    writer.text("NUMPY")
    writer.byte(1)
    writer.byte(0)
    writer.byte(UInt8((total - 10) & 255))
    writer.byte(UInt8((total - 10) >> 8))
    writer.text(before)
    writeShape(&writer, positionCount, model)
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
