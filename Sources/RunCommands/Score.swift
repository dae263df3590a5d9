import CPlatform
import Console
import ModelFile
import STLM
import Tokenizers

/// Costs so far: tokens scored, bits in units of 2^-24.
private struct Tally {
    var tokenCount = 0
    var cost: Int64 = 0
}

/// `stlm-run score`: perplexity and bits per byte of a text.
func score(_ options: Options) -> Int32 {
    guard let path = options.file else {
        complain("score needs --file TEXT (- is standard input)")
        return ExitCode.usage
    }
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!) else { return ExitCode.failure }
    let model = opened.model
    guard let tokenizer = model.tokenizer else {
        complain("this model was packed without a tokenizer, so that a text cannot be scored; pack it again with --tokenizer")
        return ExitCode.failure
    }
    guard let text = equals(path, "-") ? TextInput(standardInput: ()) : TextInput(path: path) else { return ExitCode.failure }
    do throws(SessionError) {
        if !model.record.isCausal { throw .notCausal }
        var settings = SessionOptions(model, kernels: kernels)
        settings.contextTokenCount = options.contextTokenCount
        settings.threadCount = options.threadCount ?? 1
        settings.logitRowCount = settings.batchTokenCount
        settings.sampling.temperature = 0
        let plan = try MemoryPlan(model, settings)
        guard let arena = Arena(plan.arenaByteCount) else { return ExitCode.failure }
        var session = try Session(model, plan, kernels: kernels, arena: arena.bytes)
        var tally = Tally()
        var byteCount = 0
        let result: Int32
        if let split = options.split {
            result = try scoreParts(&session, tokenizer, text.bytes, split: utf8(split), &tally, &byteCount)
        } else {
            byteCount = text.bytes.count
            result = try scoreText(&session, tokenizer, text.bytes, first: model.bosToken, &tally)
        }
        if result != ExitCode.success { return result }
        if tally.tokenCount == 0 {
            complain("the text has no token to score; give a longer one")
            return ExitCode.failure
        }
        return printScore(tally, byteCount: byteCount, context: plan.contextTokenCount, json: options.json)
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

/// Each part between separators by itself, without the white space around it; it starts from the begin or the end token.
private func scoreParts(
    _ session: inout Session, _ tokenizer: Tokenizer, _ text: UnsafeBufferPointer<UInt8>,
    split: UnsafeBufferPointer<UInt8>, _ tally: inout Tally, _ byteCount: inout Int
) throws(SessionError) -> Int32 {
    if split.isEmpty {
        complain("--split needs a text that is not empty")
        return ExitCode.usage
    }
    let record = session.model.record
    let first = session.model.bosToken ?? (record.endCount > 0 ? record.endTokens[0] : nil)
    var start = 0
    while start < text.count {
        var end = start
        while end < text.count, !begins(text, end, split) { end += 1 }
        var partStart = start
        var partEnd = end
        while partStart < partEnd, isSpace(text[partStart]) { partStart += 1 }
        while partEnd > partStart, isSpace(text[partEnd - 1]) { partEnd -= 1 }
        let part = UnsafeBufferPointer(rebasing: text[partStart..<partEnd])
        byteCount += part.count
        let result = try scoreText(&session, tokenizer, part, first: first, &tally)
        if result != ExitCode.success { return result }
        start = min(end + split.count, text.count)
    }
    return ExitCode.success
}

private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

private func begins(_ text: UnsafeBufferPointer<UInt8>, _ at: Int, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    if text.count - at < word.count { return false }
    for k in 0..<word.count where text[at + k] != word[k] { return false }
    return true
}

/// Windows of the session's context. With a begin token each window starts from it; else windows overlap by one token.
private func scoreText(
    _ session: inout Session, _ tokenizer: Tokenizer, _ text: UnsafeBufferPointer<UInt8>, first: UInt32?,
    _ tally: inout Tally
) throws(SessionError) -> Int32 {
    var encoder = TextEncoder(tokenizer, text: text, scratch: session.encoderScratch)
    var inputs = InlineArray<64, UInt32>(repeating: 0)
    var targets = InlineArray<64, UInt32>(repeating: 0)
    var pending = 0
    var previous = first
    let batch = min(64, session.plan.logitRowCount)
    session.reset()

    func flush() throws(SessionError) {
        if pending == 0 { return }
        let count = pending
        pending = 0
        try withUnsafeBytes(of: &inputs) { bytes throws(SessionError) in
            let tokens = bytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
            try session.feed(UnsafeBufferPointer(start: tokens, count: count))
        }
        let logits = session.computeLogits(rows: 0..<count)
        for row in 0..<count {
            let cost = session.cost(logits + row * session.model.vocabularySize, of: targets[row])
            let (sum, overflow) = tally.cost.addingReportingOverflow(cost)
            tally.cost = overflow ? .max : sum
        }
        tally.tokenCount += count
    }

    while true {
        let count: Int
        do {
            count = try encoder.next()
        } catch {
            complain("the text has no place where it can be cut within %a bytes after byte %b; break the long run there",
                TextEncoder.partByteCount, encoder.offset)
            return ExitCode.failure
        }
        if count == 0 { break }
        for k in 0..<count {
            let token = UInt32(encoder.tokens[k])
            if let input = previous {
                inputs[pending] = input
                targets[pending] = token
                pending += 1
                let isWindowFull = session.position + pending == session.plan.contextTokenCount
                if pending == batch || isWindowFull { try flush() }
                if isWindowFull {
                    session.reset()
                    previous = session.model.bosToken ?? token
                    if stlm_signal_received() != 0 { return 130 }
                    continue
                }
            }
            previous = token
        }
    }
    try flush()
    return ExitCode.success
}

private func printScore(_ tally: Tally, byteCount: Int, context: Int, json: Bool) -> Int32 {
    var out = Writer(1)
    let total = UInt64(max(0, tally.cost))
    let mean = tally.cost / Int64(tally.tokenCount)
    let perByte = UInt64(byteCount) << 24
    let value = perplexity(meanCost: mean)
    if json {
        out.text("{\"tokens\": ")
        out.number(tally.tokenCount)
        out.text(", \"bytes\": ")
        out.number(byteCount)
        out.text(", \"context\": ")
        out.number(context)
        out.text(", \"bits\": ")
        out.ratio(total, 1 << 24, places: 6)
        out.text(", \"bits_per_byte\": ")
        out.ratio(total, perByte, places: 6)
        out.text(", \"perplexity\": ")
        out.ratio(value, 1 << 30, places: 4)
        out.text("}\n")
    } else {
        out.text("perplexity     ")
        out.ratio(value, 1 << 30, places: 4)
        out.text("\nbits per byte  ")
        out.ratio(total, perByte, places: 5)
        out.text("\nscored         ")
        out.grouped(tally.tokenCount)
        out.text(" tokens, ")
        out.grouped(byteCount)
        out.text(" bytes, windows of ")
        out.number(context)
        out.text("\n")
    }
    out.flush()
    return exitCode(of: out.error)
}
