import CPlatform
import Console
import FixedPoint
import Kernels
import ModelFile
import STLM
import Tokenizers

/// `stlm-run MODEL`: text after a prompt.
func generate(_ options: Options) -> Int32 {
    let start = stlm_clock_nanoseconds()
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!, memoryLimit: options.memoryLimit) else { return ExitCode.failure }
    let model = opened.model
    var statistics = RunStatistics()
    statistics.start = start
    statistics.openNanoseconds = stlm_clock_nanoseconds() - start
    if let code = refuse(options, model) { return code }
    do throws(SessionError) {
        var settings = SessionOptions(model, kernels: kernels)
        settings.contextTokenCount = options.contextTokenCount
        settings.keyValueType = options.keyValueType
        settings.keptPositionCount = options.keptPositionCount
        settings.threadCount = threadCount(options)
        if let batch = options.batchTokenCount { settings.batchTokenCount = batch }
        settings.sampling = options.sampling(settings.sampling)
        guard let plan = try limitedPlan(options, opened, &settings), let arena = Arena(plan.arenaByteCount) else { return ExitCode.failure }
        var session = try Session(model, plan, kernels: kernels, arena: arena.bytes, descriptor: opened.descriptor)

        let constraintByteCount = options.constraint.byteCount(model)
        guard let room = Arena(max(64, constraintByteCount)) else { return ExitCode.failure }
        if constraintByteCount > 0 {
            guard let constraint = options.constraint.make(model, allowsEnd: !options.ignoresEnd, memory: room.bytes) else { return ExitCode.failure }
            session.constraint = constraint
            statistics.constraintByteCount = constraintByteCount
        }

        // The prompt: its text, then its tokens or blocks in pages of their own.
        var piped: TextInput?
        var text = options.prompt.map { utf8($0) } ?? UnsafeBufferPointer(start: nil, count: 0)
        if options.ids == nil, options.prompt == nil, stlm_is_terminal(0) == 0 {
            guard let input = TextInput(standardInput: ()) else { return ExitCode.failure }
            text = input.bytes
            // The newline that ends a line of a shell is no part of the prompt.
            if let last = text.last, last == 0x0A { text = UnsafeBufferPointer(rebasing: text[..<(text.count - 1)]) }
            piped = consume input
        }
        // An id takes two bytes of its word at least, but for the last; what a session ended with comes first. On a system of 32 bits a long text
        // may need more than there is.
        let own = options.ids.map { Int64(utf8($0).count / 2 + 1) } ?? Int64(text.count + 4) * Int64(model.inputSize)
        let capacity = Int64(model.inputSize) + own
        guard let pages = Arena(max(4096, Int(clamping: capacity * 4))) else { return ExitCode.failure }
        let buffer = UnsafeMutableBufferPointer(
            start: pages.bytes.baseAddress!.assumingMemoryBound(to: UInt32.self), count: Int(capacity))
        guard let beginning = session.begin(options, &statistics) else { return ExitCode.failure }
        let first = beginning.writeNext(model, into: buffer), rest = UnsafeMutableBufferPointer(rebasing: buffer[first...])
        guard let count = readPrompt(options, session, text, isContinued: beginning.isContinued, into: rest) else {
            if stlm_signal_received() != 0 { return 130 }
            return options.ids == nil ? ExitCode.failure : ExitCode.usage
        }
        let whole = UnsafeMutableBufferPointer(rebasing: buffer[..<(first + count)])
        try requireInputs(UnsafeBufferPointer(whole), model)
        // After a session the prompt slides as what is drawn does.
        let prompt = fit(whole, model, plan, slides: options.slides && !beginning.isContinued)
        var generation = Generation(options, settings.sampling, model, beginning)
        forgetStart(kernels)
        let result = try generation.run(&session, prompt, text, &statistics)
        if options.printsStats {
            statistics.readMemory()
            statistics.print(session, mappedByteCount: opened.byteCount)
        }
        _ = piped
        _ = room.bytes
        return result
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

/// What cannot be generated with this model and these flags; nil if it can.
private func refuse(_ options: Options, _ model: Model) -> Int32? {
    if !model.canGenerate {
        complain(
            model.takesBlocks
                ? "this model takes bytes and gives tokens, so that nothing it writes can be fed back; it can be used with score, choose and logits"
                : "this model takes tokens and gives bytes, so that nothing it writes can be fed back; it can be used with score, choose and logits")
        return ExitCode.failure
    }
    if options.ids == nil, model.tokenizer == nil, !model.takesBlocks {
        complain("this model was packed without a tokenizer and takes token ids: give --ids \"1 5 9\", or pack it again with --tokenizer")
        return ExitCode.failure
    }
    if options.savedSession != nil || options.session != nil, !model.record.isCausal {
        complain("this model sees the whole text at once (it is not causal), so that no session of it can be kept; leave --session and --save-session out")
        return ExitCode.failure
    }
    if options.keptPositionCount != nil, !options.slides {
        complain("--keep says what --slide keeps; give both, or leave it out")
        return ExitCode.usage
    }
    if options.isConstrained, let code = options.refuseConstraint(model) { return code }
    if options.ids != nil, options.prompt != nil {
        complain("give a prompt with -p or token ids with --ids, not both")
        return ExitCode.usage
    }
    if options.ids != nil, options.byteCount != nil {
        complain("--bytes counts text and --ids prints ids; give -n with --ids")
        return ExitCode.usage
    }
    return nil
}

/// The prompt as the model takes it; how many numbers it is, nil after a complaint or a signal.
private func readPrompt(
    _ options: Options, _ session: borrowing Session, _ text: UnsafeBufferPointer<UInt8>, isContinued: Bool,
    into numbers: UnsafeMutableBufferPointer<UInt32>
) -> Int? {
    let model = session.model
    if let ids = options.ids { return parseInputs(ids, model, canBeEmpty: isContinued, into: numbers) }
    if text.isEmpty, isContinued { return 0 }
    let start = numbers.baseAddress!
    if text.isEmpty, model.bosToken == nil {
        // What follows the end of a text is the beginning of one.
        if model.writeBeginning(into: start) { return model.inputSize }
        complain("the prompt is empty and this model has no token that begins a text; give a prompt with -p")
        return nil
    }
    guard let tokenizer = model.tokenizer else {
        complain("this model was packed without a tokenizer and cannot cut a prompt into blocks: give none, or pack it again with --tokenizer")
        return nil
    }
    var count = 0
    if model.bosToken != nil, !isContinued, model.writeBeginning(into: start) { count = model.inputSize }
    var reader = PositionReader(model, tokenizer, text: text, isContinued: isContinued, scratch: session.encoderScratch)
    while true {
        guard let part = reader.next() else { return nil }
        if part == 0 { return count }
        for k in 0..<part {
            reader.writeInput(k, into: start + count)
            count += model.inputSize
        }
        if stlm_signal_received() != 0 { return nil }
    }
}

/// With --slide, the first positions of a prompt that does not fit, and the last.
private func fit(
    _ numbers: UnsafeMutableBufferPointer<UInt32>, _ model: Model, _ plan: MemoryPlan, slides: Bool
) -> UnsafeBufferPointer<UInt32> {
    let most = plan.contextTokenCount * model.inputSize, kept = plan.keptPositionCount * model.inputSize
    if !slides || numbers.count <= most { return UnsafeBufferPointer(numbers) }
    let left = numbers.count - most
    for k in kept..<most { numbers[k] = numbers[k + left] }
    return UnsafeBufferPointer(rebasing: numbers[..<most])
}
