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
        return ExitCode.success
    }
    let verb: Verb = if equals(first, "info") {
        .info
    } else if equals(first, "score") {
        .score
    } else if equals(first, "logits") {
        .logits
    } else {
        .generate
    }
    let rest = verb == .generate ? Arguments(count, words) : arguments
    guard let options = Options.parse(verb, rest) else { return ExitCode.usage }
    if options.wantsHelp { return printHelp() }
    switch verb {
    case .generate: return generate(options)
    case .info: return info(options)
    case .score: return score(options)
    case .logits: return logits(options)
    }
}
