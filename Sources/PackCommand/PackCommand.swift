import Checkpoints
import Foundation
import Packing

/// The whole of `stlm-pack`: ends the process.
public func runPackCommand(_ words: [String]) -> Never {
    do {
        let options = try PackOptions(words)
        if options.wantsHelp {
            print(packHelp, terminator: "")
        } else if options.wantsVersion {
            print("stlm-pack 0.1.0")
        } else {
            try pack(options)
        }
        // A reader that left early has seen enough; a full disk is an error.
        if fflush(nil) != 0, errno != EPIPE {
            complain("The report cannot be written (\(String(cString: strerror(errno)))); check the space on the disk.")
            exit(1)
        }
        exit(0)
    } catch let error as UsageError {
        complain(error.sentence)
        exit(2)
    } catch {
        complain("\(error)")
        exit(1)
    }
}

private func complain(_ sentence: String) {
    showProgress("")
    FileHandle.standardError.write(Data("stlm-pack: \(sentence)\n".utf8))
}

private func pack(_ options: PackOptions) throws {
    let path = options.outputPath
    try checkOutput(path, options)
    let checkpoint = try CheckpointFile.bytes(path: options.input)
    let tokenizers = try options.tokenizers.map { try CheckpointFile.bytes(path: $0) }
    let packed = try PackedModel(checkpoint: checkpoint, tokenizers: tokenizers, width: options.width, progress: showProgress)
    showProgress("")
    if !options.isDryRun { try OutputFile.write(packed.bytes, to: path) }
    if let report = options.report {
        let content = report.hasSuffix(".html") ? packed.report.html : report.hasSuffix(".json") ? packed.report.json : packed.report.text
        try OutputFile.write(Array(content.utf8), to: report)
    }
    if options.printsJSON {
        print(packed.report.json, terminator: "")
    } else {
        print(packed.report.text, terminator: "")
        print(options.isDryRun ? "\(path) would be written; this was a dry run." : "\(path) is written.")
    }
}

/// What is being done, on a line of the terminal that the next one replaces; nothing where standard error is no terminal.
private func showProgress(_ stage: String) {
    guard isatty(2) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(stage)".utf8))
}

/// Before any work: an output that must not be touched is found at once.
private func checkOutput(_ path: String, _ options: PackOptions) throws(PackError) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return }
    if isFolder.boolValue { throw .outputIsFolder(path: path) }
    let input = URL(fileURLWithPath: options.input).resolvingSymlinksInPath().path
    if URL(fileURLWithPath: path).resolvingSymlinksInPath().path == input { throw .outputIsInput(path: path) }
    if !options.replaces, !options.isDryRun { throw .outputExists(path: path) }
}
