import PackCommand

@main
struct Main {
    static func main() { runPackCommand(Array(CommandLine.arguments.dropFirst())) }
}
