import CPlatform
import Console
import ModelFile
import STLM
import Tokenizers

/// `stlm-run choose`: multiple choice by log-likelihood. For each option the text is the prefix, a space and the option, and then the end
/// of a text; the sum over all of it but the first piece decides, not divided by any length (SuperTinyLanguageModels, `mcq`).
func choose(_ options: Options) -> Int32 {
    guard let path = options.file else {
        complain("choose needs --file TASKS.jsonl (- is standard input)")
        return ExitCode.usage
    }
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!, memoryLimit: options.memoryLimit) else { return ExitCode.failure }
    let model = opened.model
    guard let tokenizer = model.tokenizer else {
        complain("this model was packed without a tokenizer, so that options cannot be scored; pack it again with --tokenizer")
        return ExitCode.failure
    }
    guard let input = equals(path, "-") ? TextInput(standardInput: ()) : TextInput(path: path) else { return ExitCode.failure }
    var inputPages = input.pages(isLimited: options.memoryLimit != nil)
    do throws(SessionError) {
        var settings = try scoringSettings(model, kernels, options)
        // Beside the session: the text of an option, and the inputs and outputs of the last pieces that fit in the context.
        let pieceCount = (options.contextTokenCount ?? Int(model.record.contextDefault)) + 1
        let numberCount = pieceCount * (model.inputSize + model.outputSize)
        var besides = 0
        if options.memoryLimit != nil {
            // A line is in memory whole, and again as the text of its options.
            besides = inputPages.mostByteCount + 2 * longestLine(input.bytes, &inputPages) + numberCount * 4 + 3 * MemoryBudget.pageByteCount
        }
        guard let plan = try limitedPlan(options, opened, &settings, besides: besides, resident: inputPages.residentByteCount),
            let arena = Arena(plan.arenaByteCount), let pages = Arena(Int(clamping: Int64(numberCount) * 4 + Int64(input.bytes.count) + 1))
        else { return ExitCode.failure }
        var session = try Session(model, plan, kernels: kernels, arena: arena.bytes, descriptor: opened.descriptor)
        let numbers = pages.bytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
        let text = (pages.bytes.baseAddress! + numberCount * 4).assumingMemoryBound(to: UInt8.self)
        var chooser = Chooser(tokenizer: tokenizer, pieceCount: pieceCount, numbers: numbers, text: text, json: options.json)
        forgetStart(kernels)
        return try chooser.run(input.bytes, &inputPages, &session)
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

private func longestLine(_ text: UnsafeBufferPointer<UInt8>, _ pages: inout TextPages) -> Int {
    var start = 0, longest = 0
    for k in 0..<text.count {
        if text[k] == 0x0A { start = k + 1 }
        longest = max(longest, k + 1 - start)
        pages.pass(1)
    }
    pages.drop()
    return longest
}

private struct Chooser {
    let tokenizer: Tokenizer
    /// Positions that `numbers` has room for: a ring of inputs, then a ring of outputs.
    let pieceCount: Int
    let numbers: UnsafeMutablePointer<UInt32>
    let text: UnsafeMutablePointer<UInt8>
    let json: Bool
    var scorer = Scorer()
    var taskCount = 0
    var rightCount = 0

    init(
        tokenizer: Tokenizer, pieceCount: Int, numbers: UnsafeMutablePointer<UInt32>, text: UnsafeMutablePointer<UInt8>, json: Bool
    ) {
        self.tokenizer = tokenizer
        self.pieceCount = pieceCount
        self.numbers = numbers
        self.text = text
        self.json = json
    }

    /// All lines are read before the first is scored, so that a bad one costs no time and leaves no half of a result.
    mutating func run(
        _ lines: UnsafeBufferPointer<UInt8>, _ pages: inout TextPages, _ session: inout Session
    ) throws(SessionError) -> Int32 {
        var reader = TaskReader(lines)
        var count = 0
        while true {
            guard let isThere = reader.next(&pages) else { return ExitCode.failure }
            if !isThere { break }
            count += 1
        }
        if count == 0 {
            complain("the file has no task; give lines of {\"prefix\": \"...\", \"options\": [\"...\", \"...\"], \"answer\": 0}")
            return ExitCode.failure
        }
        var out = Writer(1)
        if json { out.text("{\"tasks\": [") }
        reader = TaskReader(lines)
        while reader.next(&pages) == true {
            let result = try choose(reader.task!, &session, &out)
            if result != ExitCode.success { return result }
            if out.error != 0 { return exitCode(of: out.error) }
        }
        printSum(&out)
        out.flush()
        return exitCode(of: out.error)
    }

    /// Scores the options of a task; the likeliest is chosen, of several the first.
    private mutating func choose(_ task: Task, _ session: inout Session, _ out: inout Writer) throws(SessionError) -> Int32 {
        if json {
            out.text(taskCount > 0 ? ",\n  {" : "\n  {")
            out.text("\"log_likelihoods\": [")
        }
        var options = task.options
        let prefixCount = JSONCursor.unescape(task.prefix, into: text)
        text[prefixCount] = 0x20
        var best = Int64.max
        var choice = 0
        for index in 0..<task.optionCount {
            if index > 0 { _ = options.take(UInt8(ascii: ",")) }
            let count = prefixCount + 1 + JSONCursor.unescape(options.string()!, into: text + prefixCount + 1)
            guard let cost = try cost(UnsafeBufferPointer(start: text, count: count), &session) else { return ExitCode.failure }
            if stlm_signal_received() != 0 { return 130 }
            if cost < best {
                best = cost
                choice = index
            }
            if json {
                if index > 0 { out.text(", ") }
                writeLogLikelihood(&out, cost)
            }
        }
        taskCount += 1
        if choice == task.answer { rightCount += 1 }
        if json {
            out.text("], \"choice\": ")
            out.number(choice)
            out.text(", \"answer\": ")
            out.number(task.answer)
            out.text("}")
        }
        return ExitCode.success
    }

    /// What a text and its end cost but for the first piece; the last pieces that fit in the context count. nil after a complaint.
    private mutating func cost(_ option: UnsafeBufferPointer<UInt8>, _ session: inout Session) throws(SessionError) -> Int64? {
        let model = session.model
        let inputs = numbers
        let outputs = numbers + pieceCount * model.inputSize
        var reader = PositionReader(model, tokenizer, text: option, scratch: session.encoderScratch)
        var total = 0
        if model.bosToken != nil, model.writeBeginning(into: inputs) { total = 1 }
        while true {
            guard let count = reader.next() else { return nil }
            if count == 0 { break }
            for k in 0..<count {
                reader.writeInput(k, into: inputs + total % pieceCount * model.inputSize)
                reader.writeOutput(k, into: outputs + total % pieceCount * model.outputSize)
                total += 1
            }
        }
        // The end is never fed, so that its place among the inputs stays empty.
        if model.writeEnd(into: outputs + total % pieceCount * model.outputSize) { total += 1 }
        scorer.restart(&session)
        let first = max(0, total - session.plan.contextTokenCount)
        for place in first..<max(first, total - 1) {
            try scorer.add(
                inputs + place % pieceCount * model.inputSize, outputs + (place + 1) % pieceCount * model.outputSize, &session)
        }
        try scorer.flush(&session)
        return scorer.cost
    }

    private func writeLogLikelihood(_ out: inout Writer, _ cost: Int64) {
        // ln 2 in units of 2^-64: the natural logarithm, in units of 2^-24.
        let nats = UInt64(max(0, cost)).multipliedFullWidth(by: 12_786_308_645_202_655_660).high
        if nats > 0 { out.text("-") }
        out.ratio(nats, 1 << 24, places: 6)
    }

    private func printSum(_ out: inout Writer) {
        if json {
            out.text("\n], \"count\": ")
            out.number(taskCount)
            out.text(", \"right\": ")
            out.number(rightCount)
            out.text(", \"accuracy\": ")
            out.ratio(UInt64(rightCount), UInt64(taskCount), places: 6)
            out.text("}\n")
        } else {
            out.text("accuracy       ")
            out.ratio(UInt64(rightCount), UInt64(taskCount), places: 4)
            out.text(" (")
            out.number(rightCount)
            out.text(" of ")
            out.number(taskCount)
            out.text(")\n")
        }
    }
}

/// Goes through the lines of a file of tasks.
private struct TaskReader {
    private let lines: UnsafeBufferPointer<UInt8>
    private var start = 0
    private var number = 0
    private(set) var task: Task?

    init(_ lines: UnsafeBufferPointer<UInt8>) { self.lines = lines }

    /// Reads the next task, blank lines passed over: false at the end, nil after a complaint.
    mutating func next(_ pages: inout TextPages) -> Bool? {
        while start < lines.count {
            var end = start
            while end < lines.count, lines[end] != 0x0A { end += 1 }
            pages.pass(end + 1 - start)
            number += 1
            var cursor = JSONCursor(UnsafeBufferPointer(rebasing: lines[start..<end]))
            start = end + 1
            if cursor.isAtEnd() {
                pages.drop()
                continue
            }
            task = Task(&cursor)
            guard let task else {
                complain(
                    "line %a is no task; a line is {\"prefix\": \"...\", \"options\": [\"...\", \"...\"], \"answer\": 0}", number)
                return nil
            }
            if task.answer >= task.optionCount {
                complain("line %a has the answer %b, which is none of its options; they are counted from 0", number, task.answer)
                return nil
            }
            return true
        }
        return false
    }
}

/// A line of a file of tasks.
private struct Task {
    var prefix: UnsafeBufferPointer<UInt8>
    /// Stands before the first option.
    var options: JSONCursor
    var optionCount: Int
    var answer: Int

    /// nil if the line is none. Keys beside the three are passed over.
    init?(_ cursor: inout JSONCursor) {
        var prefix: UnsafeBufferPointer<UInt8>?
        var options: JSONCursor?
        var optionCount = 0
        var answer: Int?
        guard cursor.take(UInt8(ascii: "{")) else { return nil }
        repeat {
            guard let key = cursor.string(), cursor.take(UInt8(ascii: ":")) else { return nil }
            if equals(key, "prefix") {
                guard let text = cursor.string() else { return nil }
                prefix = text
            } else if equals(key, "options") {
                guard cursor.take(UInt8(ascii: "[")) else { return nil }
                options = cursor
                optionCount = 0
                repeat {
                    guard cursor.string() != nil else { return nil }
                    optionCount += 1
                } while cursor.take(UInt8(ascii: ","))
                guard cursor.take(UInt8(ascii: "]")) else { return nil }
            } else if equals(key, "answer") {
                guard let number = cursor.count() else { return nil }
                answer = number
            } else if !cursor.skipValue() {
                return nil
            }
        } while cursor.take(UInt8(ascii: ","))
        guard cursor.take(UInt8(ascii: "}")), cursor.isAtEnd(), let prefix, let options, let answer else { return nil }
        self.prefix = prefix
        self.options = options
        self.optionCount = optionCount
        self.answer = answer
    }
}
