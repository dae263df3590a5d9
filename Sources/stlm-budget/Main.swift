import BudgetCommand
import CPlatform

// Embedded Swift has no CommandLine: there the program enters through C's main.
#if hasFeature(Embedded)
@c(main)
func main(_ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
    // The C library has nothing left to do.
    stlm_exit(budgetCommand(count, words))
}
#else
@main
struct Main {
    static func main() {
        stlm_exit(budgetCommand(CommandLine.argc, CommandLine.unsafeArgv))
    }
}
#endif
