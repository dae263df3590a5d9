import Checkpoints
import Foundation
import Packing

/// The whole of `stlm-pack`: ends the process.
public func runPackCommand(_ words: [String]) -> Never {
    do {
        if words.first == "compare" {
            try compare(Array(words.dropFirst()))
            end()
        }
        let options = try PackOptions(words)
        if options.wantsHelp {
            print(packHelp, terminator: "")
        } else if options.wantsVersion {
            print("stlm-pack 0.1.0")
        } else {
            try pack(options)
        }
        end()
    } catch let error as UsageError {
        complain(error.sentence)
        exit(2)
    } catch {
        complain("\(error)")
        exit(1)
    }
}

/// The end of a run that went well, if what it printed can be written.
private func end() -> Never {
    // A reader that left early has seen enough; a full disk is an error.
    if fflush(nil) != 0, errno != EPIPE {
        complain("The report cannot be written (\(String(cString: strerror(errno)))); check the space on the disk.")
        exit(1)
    }
    exit(0)
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
    var settings = options.settings
    settings.calibration = try options.calibration.map { try text($0, options) }
    settings.verification = try options.verification.map { try text($0, options) }
    let packed = try PackedModel(checkpoint: checkpoint, tokenizers: tokenizers, settings: settings, progress: showProgress)
    showProgress("")
    for warning in packed.warnings { complain("warning: " + warning) }
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

/// A text under the last part of its path: what stands in the file is no path of this machine.
private func text(_ path: String, _ options: PackOptions) throws -> PackText {
    let bytes = try CheckpointFile.bytes(path: path)
    return PackText(name: shortName(path), bytes: [UInt8](bytes), split: options.split)
}

func shortName(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

/// What is being done, on a line of the terminal that the next one replaces; nothing where standard error is no terminal.
func showProgress(_ stage: String) {
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
