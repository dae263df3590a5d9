import Packing

/// The words of `stlm-pack`, checked.
struct PackOptions {
    var input = ""
    var output: String?
    var tokenizers: [String] = []
    var width = WeightWidth.int8
    var report: String?
    var replaces = false
    var isDryRun = false
    var printsJSON = false
    var wantsHelp = false
    var wantsVersion = false

    /// The input's name with `.stlm` in place of its last extension.
    var outputPath: String {
        if let output { return output }
        let name = input.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return input + ".stlm" }
        return input.dropLast(name.distance(from: dot, to: name.endIndex)) + ".stlm"
    }

    /// - Throws: `UsageError` with a sentence.
    init(_ words: [String]) throws {
        var rest = words[...]
        var inputs: [String] = []
        func value(_ flag: String) throws -> String {
            guard let word = rest.popFirst() else { throw UsageError("\(flag) needs a value after it") }
            return word
        }
        while let word = rest.popFirst() {
            switch word {
            case "-h", "--help": wantsHelp = true
            case "--version": wantsVersion = true
            case "-o", "--output": output = try value(word)
            case "--tokenizer":
                if tokenizers.count == 2 { throw UsageError("--tokenizer is given three times; give one file, or vocab.json and merges.txt") }
                tokenizers.append(try value(word))
            case "--report": report = try value(word)
            case "--force": replaces = true
            case "--dry-run": isDryRun = true
            case "--json": printsJSON = true
            case "--weights":
                let name = try value(word)
                switch name {
                case "int8": width = .int8
                case "int16": width = .int16
                default: throw UsageError("--weights is int8 or int16, not '\(name)'")
                }
            default:
                if word.hasPrefix("-"), word.count > 1 { throw UsageError("there is no flag \(word); stlm-pack --help lists them") }
                inputs.append(word)
            }
        }
        if wantsHelp || wantsVersion { return }
        guard let first = inputs.first else {
            throw UsageError("no checkpoint is given; name one, as in: stlm-pack model.ckpt")
        }
        if inputs.count > 1 { throw UsageError("'\(inputs[1])' is one file too many; pack one checkpoint at a time") }
        input = first
        if let report {
            let known = [".html", ".json", ".txt"]
            if !known.contains(where: report.hasSuffix) {
                throw UsageError("the kind of report is told by its name, which must end in .html, .json or .txt, not '\(report)'")
            }
        }
    }
}

struct UsageError: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

let packHelp = """
    stlm-pack turns a trained checkpoint into one model file that stlm-run maps into memory and runs.

    Usage:
      stlm-pack INPUT [-o OUT.stlm] [--tokenizer FILE] [flags]

    INPUT is recognised by its content: an STLM checkpoint (model.ckpt, .pt) or a llama2.c model (.bin, version 0, 1, 2).

      -o, --output FILE     the model file (INPUT's name with .stlm)
      --tokenizer FILE      an STLM .model merge list, GPT-2's vocab.json and merges.txt (the flag twice), a tokenizer.json of
                            that kind, or a llama2.c tokenizer.bin; without it the model runs on token ids
      --weights int8|int16  width of the weights: int8 is small, int16 nearly lossless (int8)
      --report FILE         what the file is made of, as .txt, .json or .html
      --force               replace the output if it exists
      --dry-run             do everything but write
      --json                the report on standard output as JSON
      -h, --help            this
      --version

    Examples:
      stlm-pack model.ckpt --tokenizer bpe_tinystories_2048.model
      stlm-pack byte_level.ckpt --tokenizer vocab.json --tokenizer merges.txt
      stlm-pack stories15M.bin --tokenizer tokenizer.bin -o stories.stlm --report stories.html

    """
