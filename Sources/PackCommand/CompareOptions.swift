import ModelFile
import Packing

/// The words of `stlm-pack compare`, checked.
struct CompareOptions {
    var files: [String] = []
    var text: String?
    /// What separates the parts of the text.
    var split: String?
    var context: Int?
    var threadCount: Int?
    var printsJSON = false
    var wantsHelp = false

    /// - Throws: `UsageError` with a sentence.
    init(_ words: [String]) throws {
        var rest = words[...]
        func value(_ flag: String) throws -> String {
            guard let word = rest.popFirst() else { throw UsageError("\(flag) needs a value after it") }
            return word
        }
        func number(_ flag: String, _ most: Int) throws -> Int {
            let text = try value(flag)
            guard let number = Int(text), (1...most).contains(number) else {
                throw UsageError("\(flag) needs a number from 1 to \(most), not '\(text)'")
            }
            return number
        }
        while let word = rest.popFirst() {
            switch word {
            case "-h", "--help": wantsHelp = true
            case "--file": text = try value(word)
            case "--split":
                split = try value(word)
                if split == "" { throw UsageError("--split needs a text that is not empty") }
            case "--context": context = try number(word, Limit.context)
            case "--threads": threadCount = try number(word, 256)
            case "--json": printsJSON = true
            default:
                if word.hasPrefix("-"), word.count > 1 { throw UsageError("there is no flag \(word) here; stlm-pack compare --help lists them") }
                files.append(word)
            }
        }
        if wantsHelp { return }
        if files.count != 2 {
            let example = "stlm-pack compare a.stlm b.stlm --file text.txt"
            throw UsageError(files.count > 2 ? "'\(files[2])' is one file too many; compare two" : "two packed files are needed, as in: \(example)")
        }
        if text == nil { throw UsageError("files are compared on a text; give one with --file") }
    }
}

let compareHelp = """
    stlm-pack compare sets two packed files side by side on one text, both on the runtime that boards run.

    Usage:
      stlm-pack compare A.stlm B.stlm --file TEXT [flags]

    Printed are the bytes, bits per byte and perplexity of each; how far B's distributions are from A's (Kullback-Leibler divergence, bits a row
    of logits); how often both think the same symbol likeliest; and the tensors that differ. Files with different tokenizers
    are compared by their bits per byte alone.

      --file TEXT           the text
      --split TEXT          the text is parts between TEXT, each read from its beginning
      --context N           positions of a window (the lesser of the files' own)
      --threads N           (all)
      --json                for scripts
      -h, --help            this

    Example:
      stlm-pack compare stories-int8.stlm stories-200k.stlm --file held-out.txt --split '<|endoftext|>'

    """
