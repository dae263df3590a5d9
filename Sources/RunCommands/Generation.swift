import CPlatform
import Console
import FixedPoint
import ModelFile
import STLM
import Tokenizers

/// Reads a prompt, then writes token after token, or block after block: arithmetic-1, section 10.
struct Generation {
    private let options: Options
    private let sampling: SamplingSettings
    private let model: Model
    private let beginning: Beginning
    private let printsText: Bool
    /// Bytes that may still be written.
    private var byteBudget: Int

    init(_ options: Options, _ sampling: SamplingSettings, _ model: Model, _ beginning: Beginning) {
        self.options = options
        self.sampling = sampling
        self.model = model
        self.beginning = beginning
        printsText = options.ids == nil
        byteBudget = options.byteCount ?? Int.max
    }

    mutating func run(
        _ session: inout Session, _ prompt: UnsafeBufferPointer<UInt32>, _ promptText: UnsafeBufferPointer<UInt8>,
        _ statistics: inout RunStatistics
    ) throws(SessionError) -> Int32 {
        let seed = options.seed ?? stlm_random_seed()
        statistics.seed = seed
        // A seed that is given begins anew, also after a session.
        let kept = options.seed == nil ? beginning.random : nil
        statistics.isSeedOfSession = kept != nil
        var random = kept ?? SplitMix64(seed: seed)
        var recent = beginning.recent
        var out = Writer(1)
        var stream = session.textStream()
        if !addStops(&stream) { return ExitCode.usage }

        let promptStart = stlm_clock_nanoseconds()
        for number in prompt[(beginning.isContinued ? model.inputSize : 0)...] where !model.takesBlocks || number < Symbol.pad {
            recent.append(number)
        }
        statistics.promptCount = prompt.count / model.inputSize
        if try !read(prompt, &session) { return 130 }
        statistics.promptNanoseconds = stlm_clock_nanoseconds() - promptStart
        if printsText, options.echoes { out.bytes(promptText) }
        out.flush()

        let decodeStart = stlm_clock_nanoseconds()
        let limit = options.tokenCount ?? Int.max
        var pace = options.rate.map { Pace(rate: $0, start: decodeStart) }
        /// What was drawn last and is not fed.
        var next = UnsafeBufferPointer<UInt32>(start: nil, count: 0)
        statistics.ending = model.takesBlocks ? "the number of blocks asked for" : "the number of tokens asked for"
        while statistics.generatedCount < limit {
            if byteBudget == 0 {
                statistics.ending = "the number of bytes asked for"
                break
            }
            if statistics.generatedCount > 0, pace != nil { stlm_sleep_until(pace!.next(now: stlm_clock_nanoseconds())) }
            if stlm_signal_received() != 0 {
                statistics.ending = "an interrupt"
                break
            }
            if session.constraint?.isComplete == true {
                statistics.ending = "the end of the grammar"
                break
            }
            let drawn = session.draw(sampling, random: &random, recent: &recent)
            if statistics.generatedCount == 0 { statistics.firstTokenNanoseconds = stlm_clock_nanoseconds() - statistics.start }
            let isEnd = model.takesBlocks ? model.isEnd(block: drawn) : model.isEnd(drawn[0])
            if isEnd, !options.ignoresEnd {
                statistics.ending = "the end of the text"
                break
            }
            statistics.generatedCount += 1
            next = UnsafeBufferPointer(start: drawn, count: model.inputSize)
            if printsText {
                let isFirst = statistics.generatedCount == 1 && promptText.isEmpty && !beginning.isContinued && session.constraint == nil
                let isComplete = write(drawn, isFirst: isFirst, &stream, &out, &statistics)
                out.flush()
                if isComplete {
                    statistics.ending = "a stop string"
                    break
                }
            } else {
                writeIds(drawn, isFirst: statistics.generatedCount == 1, &out)
                if model.takesBlocks {
                    for t in 0..<model.blockSize where drawn[t] < Symbol.pad { statistics.byteCount += 1 }
                }
                out.flush()
            }
            if out.error != 0 || statistics.generatedCount == limit { break }
            // What was drawn last of a text that is complete is fed by whoever goes on.
            if session.constraint?.isComplete == true {
                statistics.ending = "the end of the grammar"
                break
            }
            if session.position == session.plan.contextTokenCount {
                if !options.slides {
                    statistics.ending = "a full context (--slide goes on)"
                    break
                }
                try session.slide()
            }
            try session.feed(next)
            next = UnsafeBufferPointer(start: nil, count: 0)
        }
        statistics.decodeNanoseconds = stlm_clock_nanoseconds() - decodeStart
        if printsText { stream.finish { out.bytes($0) } }
        out.byte(0x0A)
        out.flush()
        let code = exitCode(of: out.error)
        if code != ExitCode.success { return code }
        if stlm_signal_received() != 0 { return 130 }
        // A prompt that nothing was drawn after is gone on from with any seed.
        let isRandomKept = kept != nil || options.seed != nil || statistics.generatedCount > 0
        let ended = session.end(options, random: isRandomKept ? random : nil, recent: recent, next: next, &statistics)
        if session.constraint?.isAccepting == false, limit > 0 {
            complain(
                "the text is not all that the grammar asks for: it was ended by %n; give a greater -n or --context, or --slide",
                name: cString(statistics.ending))
            return ExitCode.failure
        }
        return ended
    }

    /// Feeds the prompt; after a session it makes room for itself where that is asked for. False after a signal.
    private func read(_ prompt: UnsafeBufferPointer<UInt32>, _ session: inout Session) throws(SessionError) -> Bool {
        let context = session.plan.contextTokenCount, size = model.inputSize
        if !options.slides || session.position + prompt.count / size <= context {
            return try session.feedAll(prompt, shouldStop: { stlm_signal_received() != 0 })
        }
        var start = 0
        while start < prompt.count {
            if session.position == context { try session.slide() }
            let end = min(prompt.count, start + (context - session.position) * size)
            if try !session.feedAll(UnsafeBufferPointer(rebasing: prompt[start..<end]), shouldStop: { stlm_signal_received() != 0 }) {
                return false
            }
            start = end
        }
        return true
    }

    /// The stop strings of the flags, and where text is printed those of the file. False after a complaint.
    private func addStops(_ stream: inout TextStream) -> Bool {
        for k in 0..<options.stopCount where !stream.addStop(utf8(options.stops[k]!)) {
            complain("--stop takes 1 to %a bytes, not '%n'", name: options.stops[k], TextStream.stopByteLimit)
            return false
        }
        // A constraint says where a text ends.
        if printsText, !options.isConstrained {
            for k in 0..<Int(model.record.stopCount) {
                let stop = model.file.text(model.record.stops[k])
                let start = stop.baseAddress!.assumingMemoryBound(to: UInt8.self)
                _ = stream.addStop(UnsafeBufferPointer(start: start, count: stop.count))
            }
        }
        return true
    }

    /// The text of what was drawn, as far as the budget allows; true if a stop string is complete.
    private mutating func write(
        _ drawn: UnsafePointer<UInt32>, isFirst: Bool, _ stream: inout TextStream, _ out: inout Writer,
        _ statistics: inout RunStatistics
    ) -> Bool {
        let taken = stream.append(drawn, of: model, isFirst: isFirst, most: byteBudget) { out.bytes($0) }
        byteBudget -= taken.byteCount
        statistics.byteCount += taken.byteCount
        return taken.isComplete
    }

    /// Tokens on one line, blocks on a line each.
    private func writeIds(_ drawn: UnsafePointer<UInt32>, isFirst: Bool, _ out: inout Writer) {
        if !isFirst { out.byte(model.takesBlocks ? 0x0A : 0x20) }
        for k in 0..<model.outputSize {
            if k > 0 { out.byte(0x20) }
            out.number(Int(drawn[k]))
        }
    }
}
