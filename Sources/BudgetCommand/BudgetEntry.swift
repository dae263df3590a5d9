import CPlatform
import Console
import RunCommands
import STLM

/// The whole of `stlm-budget`: words in, exit code out.
public func budgetCommand(_ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
    programName = "stlm-budget"
    stlm_signals_install()
    guard let options = BudgetOptions.parse(Arguments(count, words)) else { return ExitCode.usage }
    if options.wantsHelp { return printBudgetHelp() }
    if options.wantsVersion {
        var out = Writer(1)
        out.text("stlm-budget ")
        out.text(programVersion)
        out.text("\n")
        out.flush()
        return exitCode(of: out.error)
    }
    guard let kernels = chosenKernels() else { return ExitCode.failure }
    return withOpenedModel(options.model!) { model in
        if let code = options.refuseConstraint(model) { return code }
        do throws(SessionError) {
            let session = options.session(model, kernels), isConstrained = options.constraint.isGiven
            return print(try Answer(model, session, isConstrained: isConstrained, limit: options.limit), options)
        } catch {
            complainAbout(error)
            return ExitCode.failure
        }
    }
}

/// The page first: where it cannot be written, nothing is said as if all were well.
private func print(_ answer: Answer, _ options: BudgetOptions) -> Int32 {
    if let path = options.report, !writeFile(path, { writePage(&$0, answer) }) { return ExitCode.failure }
    var out = Writer(1)
    if options.json { writeJSON(&out, answer) } else { writeText(&out, answer) }
    out.flush()
    let code = exitCode(of: out.error)
    return code == ExitCode.success && answer.fits == false ? ExitCode.failure : code
}
