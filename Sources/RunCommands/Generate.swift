import CPlatform
import Console
import FixedPoint
import Kernels
import ModelFile
import STLM
import Tokenizers

/// Times and counts of a run, for --stats.
struct RunStatistics {
    var openNanoseconds: UInt64 = 0
    var start: UInt64 = 0
    var promptNanoseconds: UInt64 = 0
    var firstTokenNanoseconds: UInt64 = 0
    var decodeNanoseconds: UInt64 = 0
    var promptCount = 0
    var generatedCount = 0
    var ending: StaticString = ""
    var seed: UInt64 = 0
}

/// `stlm-run MODEL`: text after a prompt.
func generate(_ options: Options) -> Int32 {
    let start = stlm_clock_nanoseconds()
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!) else { return ExitCode.failure }
    let model = opened.model
    var statistics = RunStatistics()
    statistics.start = start
    statistics.openNanoseconds = stlm_clock_nanoseconds() - start
    let takesText = options.ids == nil
    if takesText, model.tokenizer == nil {
        complain("this model was packed without a tokenizer and takes token ids: give --ids \"1 5 9\", or pack it again with --tokenizer")
        return ExitCode.failure
    }
    if options.ids != nil, options.prompt != nil {
        complain("give a prompt with -p or token ids with --ids, not both")
        return ExitCode.usage
    }
    do throws(SessionError) {
        var settings = SessionOptions(model, kernels: kernels)
        settings.contextTokenCount = options.contextTokenCount
        settings.threadCount = options.threadCount ?? 1
        settings.sampling = options.sampling(settings.sampling)
        let plan = try MemoryPlan(model, settings)
        guard let arena = Arena(plan.arenaByteCount) else { return ExitCode.failure }
        var session = try Session(model, plan, kernels: kernels, arena: arena.bytes)

        // The prompt: its text, then its tokens in pages of their own.
        var piped: TextInput?
        var text = options.prompt.map { utf8($0) } ?? UnsafeBufferPointer(start: nil, count: 0)
        if takesText, options.prompt == nil, stlm_is_terminal(0) == 0 {
            guard let input = TextInput(standardInput: ()) else { return ExitCode.failure }
            text = input.bytes
            // The newline that ends a line of a shell is no part of the prompt.
            if let last = text.last, last == 0x0A { text = UnsafeBufferPointer(rebasing: text[..<(text.count - 1)]) }
            piped = consume input
        }
        // An id takes two bytes of its word at least, but for the last.
        let capacity = options.ids.map { utf8($0).count / 2 + 1 } ?? text.count + 4
        guard let pages = Arena(max(4096, capacity * 4)) else { return ExitCode.failure }
        let buffer = UnsafeMutableBufferPointer(
            start: pages.bytes.baseAddress!.assumingMemoryBound(to: UInt32.self), count: capacity)
        guard let count = promptTokens(options, session, text, into: buffer) else {
            if stlm_signal_received() != 0 { return 130 }
            return takesText ? ExitCode.failure : ExitCode.usage
        }
        let prompt = fit(UnsafeMutableBufferPointer(rebasing: buffer[..<count]), model, plan, slides: options.slides)
        let result = try write(&session, options, settings.sampling, prompt, text, &statistics)
        if options.printsStats { print(statistics, session, opened.byteCount) }
        _ = piped
        return result
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

/// The tokens of the prompt; nil after a complaint or a signal.
private func promptTokens(
    _ options: Options, _ session: borrowing Session, _ text: UnsafeBufferPointer<UInt8>,
    into tokens: UnsafeMutableBufferPointer<UInt32>
) -> Int? {
    if let ids = options.ids {
        guard let count = parseIds(ids, into: tokens) else { return nil }
        if count == 0 { complain("--ids is empty; give at least one id") }
        return count == 0 ? nil : count
    }
    let model = session.model
    var count = 0
    if let bos = model.bosToken {
        tokens[0] = bos
        count = 1
    }
    var encoder = TextEncoder(model.tokenizer!, text: text, scratch: session.encoderScratch)
    while !encoder.isAtEnd {
        do {
            let part = try encoder.next()
            for k in 0..<part { tokens[count + k] = UInt32(encoder.tokens[k]) }
            count += part
        } catch {
            complain("the prompt has no place where it can be cut within %a bytes after byte %b; break the long run there",
                TextEncoder.partByteCount, encoder.offset)
            return nil
        }
        if stlm_signal_received() != 0 { return nil }
    }
    if count == 0 {
        // What follows the end of a text is the beginning of one.
        if model.record.endCount == 0 {
            complain("the prompt is empty and this model has no token that begins a text; give a prompt with -p")
            return nil
        }
        tokens[0] = model.record.endTokens[0]
        count = 1
    }
    return count
}

/// With --slide, the tail of a prompt that does not fit, after the begin token where there is one.
private func fit(
    _ tokens: UnsafeMutableBufferPointer<UInt32>, _ model: Model, _ plan: MemoryPlan, slides: Bool
) -> UnsafeBufferPointer<UInt32> {
    if !slides || tokens.count <= plan.contextTokenCount { return UnsafeBufferPointer(tokens) }
    let tail = UnsafeMutableBufferPointer(rebasing: tokens[(tokens.count - plan.contextTokenCount)...])
    if let bos = model.bosToken { tail[0] = bos }
    return UnsafeBufferPointer(tail)
}

/// Reads the prompt, then writes token after token.
private func write(
    _ session: inout Session, _ options: Options, _ sampling: SamplingSettings, _ prompt: UnsafeBufferPointer<UInt32>,
    _ promptText: UnsafeBufferPointer<UInt8>, _ statistics: inout RunStatistics
) throws(SessionError) -> Int32 {
    let model = session.model
    let seed = options.seed ?? stlm_random_seed()
    var random = SplitMix64(seed: seed)
    var recent = session.recentTokens()
    var out = Writer(1)
    let printsText = options.ids == nil
    var stream = session.textStream()
    for k in 0..<options.stopCount {
        if !stream.addStop(utf8(options.stops[k]!)) {
            complain("--stop takes 1 to %a bytes, not '%n'", name: options.stops[k], TextStream.stopByteLimit)
            return ExitCode.usage
        }
    }
    if printsText {
        for k in 0..<Int(model.record.stopCount) {
            let stop = model.file.text(model.record.stops[k])
            _ = stream.addStop(UnsafeBufferPointer(start: stop.baseAddress!.assumingMemoryBound(to: UInt8.self), count: stop.count))
        }
    }

    let promptStart = stlm_clock_nanoseconds()
    for token in prompt { recent.append(token) }
    statistics.promptCount = prompt.count
    if try !session.feedAll(prompt, shouldStop: { stlm_signal_received() != 0 }) { return 130 }
    statistics.promptNanoseconds = stlm_clock_nanoseconds() - promptStart
    if printsText, options.echoes { out.bytes(promptText) }
    out.flush()

    let decodeStart = stlm_clock_nanoseconds()
    let limit = options.tokenCount ?? Int.max
    statistics.ending = "the number of tokens asked for"
    while statistics.generatedCount < limit {
        if stlm_signal_received() != 0 {
            statistics.ending = "an interrupt"
            break
        }
        let token = session.sample(session.computeLogits(), sampling, random: &random, recent: recent)
        if statistics.generatedCount == 0 { statistics.firstTokenNanoseconds = stlm_clock_nanoseconds() - statistics.start }
        if model.isEnd(token), !options.ignoresEnd {
            statistics.ending = "the end of the text"
            break
        }
        statistics.generatedCount += 1
        recent.append(token)
        if printsText {
            var piece = model.tokenizer!.piece(token)
            // The space that the tokenizer puts before a text is no part of it.
            if statistics.generatedCount == 1, promptText.isEmpty, model.tokenizer!.putsSpaceFirst, piece.first == 0x20 {
                piece = UnsafeBufferPointer(rebasing: piece[1...])
            }
            let isComplete = stream.append(piece) { out.bytes($0) }
            out.flush()
            if isComplete {
                statistics.ending = "a stop string"
                break
            }
        } else {
            if statistics.generatedCount > 1 { out.byte(0x20) }
            out.number(Int(token))
            out.flush()
        }
        if out.error != 0 { break }
        if statistics.generatedCount == limit { break }
        if session.position == session.plan.contextTokenCount {
            if !options.slides {
                statistics.ending = "a full context (--slide goes on)"
                break
            }
            try session.slide()
        }
        var next = token
        try withUnsafePointer(to: &next) { pointer throws(SessionError) in
            try session.feed(UnsafeBufferPointer(start: pointer, count: 1))
        }
    }
    statistics.decodeNanoseconds = stlm_clock_nanoseconds() - decodeStart
    if printsText { stream.finish { out.bytes($0) } }
    out.byte(0x0A)
    out.flush()
    statistics.seed = seed
    if out.error != 0 { return exitCode(of: out.error) }
    return stlm_signal_received() != 0 ? 130 : ExitCode.success
}

private func print(_ statistics: RunStatistics, _ session: borrowing Session, _ mappedByteCount: Int) {
    var err = Writer(2)
    func rate(_ count: Int, _ nanoseconds: UInt64) {
        err.ratio(UInt64(count) * 1_000_000_000, max(1, nanoseconds), places: 1)
        err.text(" tokens/s (")
        err.number(count)
        err.text(" tokens in ")
        err.ratio(nanoseconds, 1_000_000, places: 2)
        err.text(" ms)\n")
    }
    err.text("\nprompt         ")
    rate(statistics.promptCount, statistics.promptNanoseconds)
    err.text("decode         ")
    rate(statistics.generatedCount, statistics.decodeNanoseconds)
    err.text("first token    ")
    err.ratio(statistics.firstTokenNanoseconds, 1_000_000, places: 2)
    err.text(" ms after the start, opening the file ")
    err.ratio(statistics.openNanoseconds, 1_000_000, places: 2)
    err.text(" ms\narena          ")
    err.grouped(session.plan.arenaByteCount)
    err.text(" bytes, context ")
    err.number(session.plan.contextTokenCount)
    err.text("\nmapped         ")
    err.grouped(mappedByteCount)
    err.text(" bytes\nresident       ")
    var now: UInt64 = 0
    var peak: UInt64 = 0
    stlm_resident_bytes(&now, &peak)
    err.grouped(Int(now))
    err.text(" bytes, at most ")
    err.grouped(Int(peak))
    err.text("\nkernels        ")
    err.text(session.kernels.name)
    err.text(", threads ")
    err.number(session.plan.threadCount)
    err.text("\nseed           ")
    err.number(statistics.seed)
    err.text("\nended by       ")
    err.text(statistics.ending)
    err.text("\n")
    err.flush()
}
