import Checkpoints
import Foundation
import Packing

/// `stlm-pack compare`.
func compare(_ words: [String]) throws {
    let options = try CompareOptions(words)
    if options.wantsHelp {
        print(compareHelp, terminator: "")
        return
    }
    // Two files of one name are told apart by their folders.
    let isPath = shortName(options.files[0]) == shortName(options.files[1])
    let inputs = try options.files.map { PackedInput(name: isPath ? $0 : shortName($0), bytes: [UInt8](try CheckpointFile.bytes(path: $0))) }
    let text = PackText(
        name: shortName(options.text!), bytes: [UInt8](try CheckpointFile.bytes(path: options.text!)), split: options.split)
    let comparison = try Comparison(
        inputs[0], inputs[1], text, context: options.context,
        threadCount: options.threadCount ?? ProcessInfo.processInfo.activeProcessorCount, progress: showProgress)
    showProgress("")
    print(options.printsJSON ? comparison.json : comparison.text, terminator: "")
}
