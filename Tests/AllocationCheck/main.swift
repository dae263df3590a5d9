import CPlatform
import CountingAllocator
import FixedPoint
import Glibc
import Grammar
import Kernels
import ModelFile
import STLM
import Tokenizers

// allocation-check MODEL TOKENS THREADS int16|int8|int4 [jail]: writes so many tokens or blocks with every sampler in turn, stop strings and a
// sliding context, by a session and by a generator, and prints how often the heap was called meanwhile. With `jail` the session alone writes, and
// any system call but write and futex ends it by a signal.

struct Failure: Error {}

/// Samplers in turn: what they change of the model's own settings.
let samplers: [(inout SamplingSettings) -> Void] = [
    { $0.temperature = 0 }, { $0.temperature = 65_536 }, { ($0.temperature, $0.topK) = (52_429, 20) }, { ($0.temperature, $0.topP) = (65_536, 58_982) },
    { ($0.temperature, $0.topK, $0.topP) = (65_536, 30, 62_259) }, { ($0.temperature, $0.minP) = (65_536, 3_277) },
    { ($0.temperature, $0.repeatPenalty, $0.repeatWindow) = (52_429, 72_090, 48) },
]

/// The answer of a jailed session, which cannot be left: ending its threads takes other calls.
func end(_ calls: UInt64, _ session: borrowing Session) {
    let answer: StaticString = calls == 0 ? "0\n" : "more than 0\n"
    _ = stlm_write(1, answer.utf8Start, answer.utf8CodeUnitCount)
    _exit(0)
}

func write(_ model: Model, _ change: (inout SamplingSettings) -> Void, count: Int, threads: Int, type: KeyValueType, isJailed: Bool) throws -> UInt64 {
    var options = SessionOptions(model)
    options.contextTokenCount = min(48, Int(model.record.contextMaximum))
    (options.threadCount, options.keyValueType, options.batchTokenCount) = (threads, type, 16)
    change(&options.sampling)
    let plan = try MemoryPlan(model, options)
    guard let pages = stlm_pages_reserve(plan.arenaByteCount) else { throw Failure() }
    var session = try Session(
        model, plan, kernels: options.kernels, arena: UnsafeMutableRawBufferPointer(start: pages, count: plan.arenaByteCount))
    // Every other sampler keeps to a grammar, begun anew wherever it ends; of more states than there are sets of tokens.
    var constraint: Constraint?
    if options.sampling.topK > 0 || options.sampling.repeatPenalty != 65_536 || options.sampling.temperature == 0,
        model.writesBlocks || model.tokenizer != nil
    {
        let grammar: StaticString = "root ::= ([a-z ]{0,300} [.!] | \"\\\"\" [^\"]* \"\\\"\")*"
        let byteCount = Constraint.byteCount(model)
        guard let pages = stlm_pages_reserve(byteCount) else { throw Failure() }
        constraint = try Constraint(
            model, .rules, UnsafeBufferPointer(start: grammar.utf8Start, count: grammar.utf8CodeUnitCount), allowsEnd: false,
            memory: UnsafeMutableRawBufferPointer(start: pages, count: byteCount))
        session.constraint = constraint
    }
    let stop: StaticString = "a string that never comes"
    let size = model.inputSize
    guard let page = stlm_pages_reserve(4_096) else { throw Failure() }
    let prompt = page.assumingMemoryBound(to: UInt32.self)
    for k in 0..<3 * size { prompt[k] = UInt32(97 + k % 16) % UInt32(model.inputLimit) }
    // Threads have begun when they have worked.
    try session.feedAll(UnsafeBufferPointer(start: prompt, count: 3 * size))
    session.reset()
    if isJailed, counting_allocator_jail() != 0 { throw Failure() }

    let before = counting_allocator_calls()
    var random = SplitMix64(seed: 1), recent = session.recentTokens(), stream = session.textStream()
    _ = stream.addStop(UnsafeBufferPointer(start: stop.utf8Start, count: stop.utf8CodeUnitCount))
    try session.feedAll(UnsafeBufferPointer(start: prompt, count: 3 * size))
    var byteCount = 0
    for _ in 0..<count {
        let drawn = session.draw(options.sampling, random: &random, recent: &recent)
        if let tokenizer = model.tokenizer, !model.takesBlocks { _ = stream.append(tokenizer.piece(drawn[0])) { byteCount += $0.count } }
        if constraint?.isComplete == true { constraint!.restart() }
        if session.position == plan.contextTokenCount { try session.slide() }
        try session.feed(UnsafeBufferPointer(start: drawn, count: size))
    }
    stream.finish { byteCount += $0.count }
    let calls = counting_allocator_calls() - before
    if isJailed { end(calls, session) }
    return calls
}

/// The same by a generator, from its prompt to its ending.
func generate(_ path: String, _ change: (inout SamplingSettings) -> Void, count: Int, threads: Int, type: KeyValueType) throws -> UInt64 {
    let mapped = try MappedModel(path), model = mapped.model
    var sampling = mapped.sampling
    change(&sampling)
    var generator = try Generator(mapped, GeneratorOptions(
        contextTokenCount: min(48, Int(model.record.contextMaximum)), sampling: sampling, keyValueType: type, threadCount: threads, slides: true,
        ignoresEnd: true))
    let ids = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: 3 * model.inputSize)
    defer { ids.deallocate() }
    for k in ids.indices { ids[k] = UInt32(97 + k % 16) % UInt32(model.inputLimit) }
    let stop: StaticString = "a string that never comes", prompt = UnsafeBufferPointer(ids)
    // Threads have begun when they have worked.
    generator.tokenLimit = 0
    try generator.begin(ids: prompt)
    try generator.finish { _ in }

    let before = counting_allocator_calls()
    generator.reset()
    generator.tokenLimit = count
    try generator.addStop(UnsafeBufferPointer(start: stop.utf8Start, count: stop.utf8CodeUnitCount))
    try generator.begin(ids: prompt)
    var byteCount = 0
    try generator.finish { byteCount += $0.count }
    if generator.drawnCount != count { throw Failure() }
    return counting_allocator_calls() - before
}

let words = CommandLine.arguments
guard words.count >= 5, let count = Int(words[2]), let threads = Int(words[3]) else { exit(2) }
var base: UnsafeRawPointer?, byteCount = 0
guard stlm_file_map(words[1], &base, &byteCount, nil) == 0, let base else { exit(1) }
let model = Model(try ModelFile(base, byteCount: byteCount))
let type = [KeyValueType.int16, .int8, .int4].first { "\($0.name)" == words[4] }!
let isJailed = words.last == "jail"
var calls: UInt64 = 0
for sampler in isJailed ? samplers.suffix(1) : samplers[...] {
    calls += try write(model, sampler, count: count, threads: threads, type: type, isJailed: isJailed)
    if !isJailed { calls += try generate(words[1], sampler, count: count, threads: threads, type: type) }
}
print(calls)
