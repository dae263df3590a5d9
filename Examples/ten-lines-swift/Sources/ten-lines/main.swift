import Glibc
import STLM

func complain(_ text: String, _ status: Int32) -> Never { _ = write(2, text + "\n", text.utf8.count + 1); exit(status) }

let words = CommandLine.arguments
if words.count != 3 { complain("usage: ten-lines MODEL PROMPT", 2) }
do throws(STLMError) {
    let model = try MappedModel(words[1])
    var generator = try Generator(model)
    try generator.write(after: words[2]) { print($0, terminator: "") }
    print()
} catch {
    complain("\(words[1]): \(error)", 1)
}
