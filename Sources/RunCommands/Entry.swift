import CPlatform
import Console

/// The whole of `stlm-run`: words in, exit code out.
public func runCommand(_ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
    stlm_signals_install()
    var arguments = Arguments(count, words)
    guard let first = arguments.word() else {
        complain("no model is given; stlm-run --help shows how it is used")
        return ExitCode.usage
    }
    if equals(first, "-h") || equals(first, "--help") || equals(first, "help") { return printHelp() }
    if equals(first, "--version") {
        var out = Writer(1)
        out.text("stlm-run ")
        out.text(programVersion)
        out.text("\n")
        out.flush()
        return exitCode(of: out.error)
    }
    let verb: Verb = if equals(first, "info") {
        .info
    } else if equals(first, "score") {
        .score
    } else if equals(first, "logits") {
        .logits
    } else if equals(first, "choose") {
        .choose
    } else if equals(first, "bench") {
        .bench
    } else if equals(first, "self-check") {
        .selfCheck
    } else {
        .generate
    }
    let rest = verb == .generate ? Arguments(count, words) : arguments
    guard let options = Options.parse(verb, rest) else { return ExitCode.usage }
    if options.wantsHelp { return printHelp() }
    // Before there are threads, which begin with it.
    if let niceness = options.niceness, stlm_nice(Int32(niceness)) != 0 { complain("warning: the system refuses --nice %a; it runs without", niceness) }
    switch verb {
    case .generate: return generate(options)
    case .info: return info(options)
    case .score: return score(options)
    case .logits: return logits(options)
    case .choose: return choose(options)
    case .bench: return bench(options)
    case .selfCheck: return selfCheck(options)
    }
}

/// How a program ends whose output had that error (0 is none). EPIPE is a success: whoever read the text has seen enough.
package func exitCode(of writeError: Int32) -> Int32 {
    let brokenPipe: Int32 = 32
    if writeError == 0 || writeError == brokenPipe { return ExitCode.success }
    complain("the text cannot be written (%n); check where the output goes", name: stlm_error_text(writeError))
    return ExitCode.failure
}
