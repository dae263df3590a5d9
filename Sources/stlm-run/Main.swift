import CPlatform
import RunCommands

// Embedded Swift has no CommandLine: there the program enters through C's main.
#if hasFeature(Embedded)
@c(main)
func main(_ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
    // The C library has nothing left to do.
    stlm_exit(runCommand(count, words))
}
#else
@main
struct Main {
    static func main() {
        stlm_exit(runCommand(CommandLine.argc, CommandLine.unsafeArgv))
    }
}
#endif
