import CPlatform
import Console
import FixedPoint
import Kernels
import ModelFile
import STLM

/// `stlm-run bench`: how fast a model is on this machine, and what the time goes into.
func bench(_ options: Options) -> Int32 {
    let started = stlm_clock_nanoseconds()
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!, memoryLimit: options.memoryLimit) else { return ExitCode.failure }
    let openNanoseconds = stlm_clock_nanoseconds() - started
    let model = opened.model
    do throws(SessionError) {
        var settings = SessionOptions(model, kernels: kernels)
        settings.keyValueType = options.keyValueType
        settings.threadCount = threadCount(options)
        if let batch = options.batchTokenCount { settings.batchTokenCount = batch }
        settings.sampling.temperature = 0
        settings.sampling.repeatPenalty = 65_536
        let most = Int(model.record.contextMaximum)
        let promptCount = options.promptCount ?? max(1, min(128, most / 2))
        let tokenCount = options.tokenCount ?? max(1, min(128, most - promptCount))
        let needed = max(promptCount + tokenCount, min(Bench.shortPromptCount + 1, most))
        settings.contextTokenCount = options.contextTokenCount ?? needed
        if needed > settings.contextTokenCount! || needed > most {
            complain(
                "the prompt and the text take %a positions and the context has %b; give a smaller -p or -n, or a larger --context", needed,
                min(settings.contextTokenCount!, most))
            return ExitCode.usage
        }
        guard let plan = try limitedPlan(options, opened, &settings) else { return ExitCode.failure }
        guard let arena = Arena(plan.arenaByteCount), let pages = Arena(max(4096, promptCount * model.inputSize * 4)) else {
            return ExitCode.failure
        }
        var session = try Session(model, plan, kernels: kernels, arena: arena.bytes, descriptor: opened.descriptor)
        var bench = Bench(
            promptCount: promptCount, tokenCount: tokenCount, roundCount: options.roundCount ?? 5, openNanoseconds: openNanoseconds,
            fileByteCount: opened.byteCount)
        let prompt = pages.bytes.baseAddress!.assumingMemoryBound(to: UInt32.self)
        fill(prompt, count: promptCount, model)
        // In the end memory is read with the kernels that the library takes by itself.
        if kernels == .detected { forgetStart(kernels) }
        guard try bench.run(&session, prompt) else { return 130 }
        bench.measureMemory(opened.bytes, session)
        var out = Writer(1)
        if options.json { bench.writeJSON(&out, session, options.model!) } else { bench.writeText(&out, session, options.model!) }
        out.flush()
        return exitCode(of: out.error)
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

/// Seeded ids, or blocks of a word's letters with a space before it.
private func fill(_ prompt: UnsafeMutablePointer<UInt32>, count: Int, _ model: Model) {
    var random = SplitMix64(seed: 1)
    for k in 0..<count {
        if !model.takesBlocks {
            prompt[k] = UInt32(random.next() % UInt64(model.vocabularySize))
            continue
        }
        let letters = 2 + Int(random.next() % 6)
        for t in 0..<model.blockSize {
            let letter = UInt32(97 + random.next() % 26)
            prompt[k * model.blockSize + t] = t == 0 ? 32 : t < letters ? letter : Symbol.pad
        }
    }
}

/// Times of some rounds, in nanoseconds.
struct Samples {
    static let capacity = 99

    private var values = InlineArray<99, UInt64>(repeating: 0)
    private(set) var count = 0

    /// Keeps them in ascending order.
    mutating func add(_ value: UInt64) {
        var k = count
        while k > 0, values[k - 1] > value {
            values[k] = values[k - 1]
            k -= 1
        }
        values[k] = value
        count += 1
    }

    var least: UInt64 { values[0] }
    var most: UInt64 { values[count - 1] }
    var median: UInt64 { (values[(count - 1) / 2] + values[count / 2]) / 2 }
}

/// Nanoseconds by `Operation`.
typealias OperationTimes = InlineArray<8, UInt64>

struct Bench {
    static let shortPromptCount = 16
    /// Of the measurement of memory.
    private static let readRoundCount = 7

    let promptCount: Int
    let tokenCount: Int
    let roundCount: Int
    let openNanoseconds: UInt64
    let fileByteCount: Int
    var prompt = Samples()
    var decode = Samples()
    var firstToken = Samples()
    var read = Samples()
    var readByteCount = 0
    /// Of one round more.
    var promptProfile = OperationTimes(repeating: 0)
    var decodeProfile = OperationTimes(repeating: 0)
    /// Bytes of text in a round's decoding; tokens have none here.
    var textByteCount = 0

    init(promptCount: Int, tokenCount: Int, roundCount: Int, openNanoseconds: UInt64, fileByteCount: Int) {
        self.promptCount = promptCount
        self.tokenCount = tokenCount
        self.roundCount = roundCount
        self.openNanoseconds = openNanoseconds
        self.fileByteCount = fileByteCount
    }

    /// All rounds, after one that counts for nothing.
    /// - Returns: false if a signal came.
    mutating func run(_ session: inout Session, _ prompt: UnsafeMutablePointer<UInt32>) throws(SessionError) -> Bool {
        for round in 0..<roundCount + 1 {
            let times = try measure(&session, prompt)
            let short = try firstToken(&session, prompt)
            if stlm_signal_received() != 0 { return false }
            if round == 0 { continue }
            self.prompt.add(times.prompt)
            decode.add(times.decode)
            firstToken.add(short)
        }
        try profile(&session, prompt)
        return true
    }

    /// Nanoseconds until the first token after a short prompt is drawn.
    private func firstToken(_ session: inout Session, _ prompt: UnsafeMutablePointer<UInt32>) throws(SessionError) -> UInt64 {
        let count = min(Self.shortPromptCount, promptCount)
        session.reset()
        let start = stlm_clock_nanoseconds()
        try session.feedAll(UnsafeBufferPointer(start: prompt, count: count * session.model.inputSize))
        draw(session)
        return stlm_clock_nanoseconds() - start
    }

    /// A prompt, then tokens one by one, each the likeliest.
    private mutating func measure(
        _ session: inout Session, _ prompt: UnsafeMutablePointer<UInt32>
    ) throws(SessionError) -> (prompt: UInt64, decode: UInt64) {
        session.reset()
        let start = stlm_clock_nanoseconds()
        try session.feedAll(UnsafeBufferPointer(start: prompt, count: promptCount * session.model.inputSize))
        let middle = stlm_clock_nanoseconds()
        try generate(&session)
        return (middle - start, stlm_clock_nanoseconds() - middle)
    }

    private mutating func generate(_ session: inout Session) throws(SessionError) {
        let model = session.model
        textByteCount = 0
        for _ in 0..<tokenCount {
            let drawn = draw(session)
            if model.canGenerate {
                for t in 0..<model.outputSize where model.writesBlocks && drawn[t] < Symbol.pad { textByteCount += 1 }
                try session.feed(UnsafeBufferPointer(start: drawn, count: model.outputSize))
            }
        }
    }

    @discardableResult
    private func draw(_ session: borrowing Session) -> UnsafePointer<UInt32> {
        var settings = SamplingSettings(session.model.record)
        settings.temperature = 0
        settings.repeatPenalty = 65_536
        var random = SplitMix64(seed: 1)
        var recent = session.recentTokens()
        return session.draw(settings, random: &random, recent: &recent)
    }

    private mutating func profile(_ session: inout Session, _ prompt: UnsafeMutablePointer<UInt32>) throws(SessionError) {
        var times = OperationTimes(repeating: 0)
        session.reset()
        try withProfile(&times, &session) { session throws(SessionError) in
            try session.feedAll(UnsafeBufferPointer(start: prompt, count: promptCount * session.model.inputSize))
        }
        promptProfile = times
        times = OperationTimes(repeating: 0)
        try withProfile(&times, &session) { session throws(SessionError) in try generate(&session) }
        decodeProfile = times
    }

    private func withProfile(
        _ times: inout OperationTimes, _ session: inout Session, _ body: (inout Session) throws(SessionError) -> Void
    ) throws(SessionError) {
        var failure: SessionError?
        withUnsafeMutableBytes(of: &times) { bytes in
            session.profile = Profile(bytes.baseAddress!.assumingMemoryBound(to: UInt64.self))
            do throws(SessionError) {
                try body(&session)
            } catch {
                failure = error
            }
            session.profile = Profile(nil)
        }
        if let failure { throw failure }
    }

    /// How fast the session's threads read the file's bytes, which is as fast as they could run the model. Where weights pass through memory,
    /// as many of them as may stay there.
    mutating func measureMemory(_ bytes: UnsafeRawBufferPointer, _ session: borrowing Session) {
        var bytes = bytes
        if let weights = session.plan.weights {
            stlm_file_forget(bytes.baseAddress, bytes.count)
            bytes = UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, weights.keptByteCount)])
        }
        readByteCount = bytes.count
        for round in 0..<Self.readRoundCount + 1 {
            let start = stlm_clock_nanoseconds()
            session.readAll(bytes)
            if round > 0 { read.add(max(1, stlm_clock_nanoseconds() - start)) }
        }
    }
}
