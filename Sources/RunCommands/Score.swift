import CPlatform
import Console
import ModelFile
import STLM
import Tokenizers

/// `stlm-run score`: perplexity and bits per byte of a text.
func score(_ options: Options) -> Int32 {
    guard let path = options.file else {
        complain("score needs --file TEXT (- is standard input)")
        return ExitCode.usage
    }
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!, memoryLimit: options.memoryLimit) else { return ExitCode.failure }
    let model = opened.model
    guard let tokenizer = model.tokenizer else {
        complain("this model was packed without a tokenizer, so that a text cannot be scored; pack it again with --tokenizer")
        return ExitCode.failure
    }
    guard let text = equals(path, "-") ? TextInput(standardInput: ()) : TextInput(path: path) else { return ExitCode.failure }
    var pages = text.pages(isLimited: options.memoryLimit != nil)
    do throws(SessionError) {
        var settings = try scoringSettings(model, kernels, options)
        guard let plan = try limitedPlan(options, opened, &settings, besides: pages.mostByteCount, resident: pages.residentByteCount),
            let arena = Arena(plan.arenaByteCount)
        else { return ExitCode.failure }
        var session = try Session(model, plan, kernels: kernels, arena: arena.bytes, descriptor: opened.descriptor)
        forgetStart(kernels)
        var scorer = Scorer()
        var byteCount = 0
        let result: Int32
        if let split = options.split {
            result = try scoreParts(&session, tokenizer, text.bytes, split: utf8(split), &pages, &scorer, &byteCount)
        } else {
            byteCount = text.bytes.count
            result = try scoreText(&session, tokenizer, text.bytes, hasBeginning: model.bosToken != nil, &pages, &scorer)
        }
        if result != ExitCode.success { return result }
        if scorer.count == 0 {
            complain("the text has no token to score; give a longer one")
            return ExitCode.failure
        }
        return printScore(scorer, model, byteCount: byteCount, context: plan.contextTokenCount, json: options.json)
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

/// Each part between separators by itself, without the white space around it; it starts from what begins a text.
private func scoreParts(
    _ session: inout Session, _ tokenizer: Tokenizer, _ text: UnsafeBufferPointer<UInt8>,
    split: UnsafeBufferPointer<UInt8>, _ pages: inout TextPages, _ scorer: inout Scorer, _ byteCount: inout Int
) throws(SessionError) -> Int32 {
    if split.isEmpty {
        complain("--split needs a text that is not empty")
        return ExitCode.usage
    }
    var start = 0
    while start < text.count {
        var end = start
        while end < text.count, !begins(text, end, split) {
            end += 1
            pages.pass(1)
        }
        var partStart = start
        var partEnd = end
        while partStart < partEnd, isSpace(text[partStart]) {
            partStart += 1
            pages.pass(1)
        }
        while partEnd > partStart, isSpace(text[partEnd - 1]) {
            partEnd -= 1
            pages.pass(1)
        }
        let part = UnsafeBufferPointer(rebasing: text[partStart..<partEnd])
        byteCount += part.count
        let result = try scoreText(&session, tokenizer, part, hasBeginning: true, &pages, &scorer)
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

/// Windows of the session's context. With a begin token each window starts from it; else windows overlap by one position.
/// - Parameters:
///   - hasBeginning: the first piece is scored too, after what begins a text
private func scoreText(
    _ session: inout Session, _ tokenizer: Tokenizer, _ text: UnsafeBufferPointer<UInt8>, hasBeginning: Bool,
    _ pages: inout TextPages, _ scorer: inout Scorer
) throws(SessionError) -> Int32 {
    let model = session.model
    var reader = PositionReader(model, tokenizer, text: text, scratch: session.encoderScratch)
    var input = InlineArray<32, UInt32>(repeating: 0)
    var target = InlineArray<32, UInt32>(repeating: 0)
    session.reset()
    return try withUnsafeMutableBytes(of: &input) { inputBytes throws(SessionError) in
        try withUnsafeMutableBytes(of: &target) { targetBytes throws(SessionError) in
            let input = inputBytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
            let target = targetBytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
            var hasInput = hasBeginning && model.writeBeginning(into: input)
            while true {
                let start = reader.offset
                guard let count = reader.next() else { return ExitCode.failure }
                if count == 0 { break }
                pages.pass(reader.offset - start)
                for k in 0..<count {
                    if hasInput {
                        reader.writeOutput(k, into: target)
                        try scorer.add(input, target, &session)
                    }
                    hasInput = true
                    reader.writeInput(k, into: input)
                    if scorer.isWindowFull(session) {
                        session.reset()
                        if let bos = model.bosToken { input[0] = bos }
                        if stlm_signal_received() != 0 { return 130 }
                    }
                }
            }
            try scorer.flush(&session)
            return ExitCode.success
        }
    }
}

private func printScore(_ scorer: Scorer, _ model: Model, byteCount: Int, context: Int, json: Bool) -> Int32 {
    var out = Writer(1)
    let total = UInt64(max(0, scorer.cost))
    let mean = scorer.cost / Int64(scorer.count)
    let perByte = UInt64(byteCount) << 24
    let value = perplexity(meanCost: mean)
    if json {
        out.text(model.writesBlocks ? "{\"blocks\": " : "{\"tokens\": ")
        out.number(scorer.count)
        out.text(", \"bytes\": ")
        out.number(byteCount)
        out.text(", \"context\": ")
        out.number(context)
        out.text(", \"bits\": ")
        out.ratio(total, 1 << 24, places: 6)
        out.text(", \"bits_per_byte\": ")
        out.ratio(total, perByte, places: 6)
        out.text(", \"perplexity\": ")
        if value == .max { out.text("null") } else { out.ratio(value, 1 << 30, places: 4) }
        out.text("}\n")
    } else {
        out.text("perplexity     ")
        if value == .max { out.text("more than 8,589,934,592") } else { out.ratio(value, 1 << 30, places: 4) }
        out.text(model.writesBlocks ? " a block\nbits per byte  " : "\nbits per byte  ")
        out.ratio(total, perByte, places: 5)
        out.text("\nscored         ")
        out.grouped(scorer.count)
        out.text(model.writesBlocks ? " blocks, " : " tokens, ")
        out.grouped(byteCount)
        out.text(" bytes, windows of ")
        out.number(context)
        out.text("\n")
    }
    out.flush()
    return exitCode(of: out.error)
}
