import Packing

/// The words of `stlm-pack`, checked.
struct PackOptions {
    var input = ""
    var output: String?
    var tokenizers: [String] = []
    var settings = PackSettings(.width(.int8))
    var weights: WeightWidth?
    /// --weights auto: a type for each matrix by itself.
    var choosesWeights = false
    var budget: Int?
    var maximumLoss: Double?
    var calibration: String?
    var verification: String?
    /// What separates the parts of both texts.
    var split: String?
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
                let width = WeightWidth(rawValue: name)
                if width == nil, name != "auto" { throw UsageError("--weights is one of \(widthNames) or auto, not '\(name)'") }
                (weights, choosesWeights) = (width, width == nil)
            case "--budget":
                let text = try value(word)
                guard let byteCount = Self.byteCount(text), byteCount > 0 else {
                    throw UsageError("--budget needs a size such as 12MB, 900KB, 1MiB or 1200000, not '\(text)'")
                }
                budget = byteCount
            case "--max-loss":
                let text = try value(word)
                guard text.hasSuffix("%"), let percent = Double(text.dropLast()), percent > 0, percent < 1000 else {
                    throw UsageError("--max-loss needs a percentage above 0 such as 0.5%, not '\(text)'")
                }
                maximumLoss = percent / 100
            case "--tensor":
                let text = try value(word)
                let parts = text.split(separator: "=", omittingEmptySubsequences: false)
                guard parts.count == 2, !parts[0].isEmpty, let type = WeightType(String(parts[1])) else {
                    throw UsageError("--tensor needs PATTERN=TYPE such as '*.attn.*=int6', TYPE one of \(widthNames), or with a"
                        + " correction of low rank such as int4+r8, not '\(text)'")
                }
                settings.overrides.append((String(parts[0]), type))
            case "--activations":
                let text = try value(word)
                let parts = text.split(separator: "=", omittingEmptySubsequences: false)
                let bits = ["int8": 8, "int16": 16][parts.last.map(String.init) ?? ""]
                guard let bits, parts.count <= 2, !parts[0].isEmpty else {
                    throw UsageError("--activations is int8 or int16, or PATTERN=int16 for some layers, not '\(text)'")
                }
                settings.activationOverrides.append((parts.count == 2 ? String(parts[0]) : "*", bits))
            case "--calibrate": calibration = try value(word)
            case "--verify": verification = try value(word)
            case "--split": split = try value(word)
            case "--calibrate-positions":
                let text = try value(word)
                guard let count = Int(text), (1...10_000_000).contains(count) else {
                    throw UsageError("--calibrate-positions needs a number from 1 to 10000000, not '\(text)'")
                }
                settings.calibrationPositionCount = count
            case "--threads":
                let text = try value(word)
                guard let count = Int(text), (1...256).contains(count) else {
                    throw UsageError("--threads needs a number from 1 to 256, not '\(text)'")
                }
                settings.threadCount = count
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
        try setGoal()
        settings.words = Self.words(words)
        if let report {
            let known = [".html", ".json", ".txt"]
            if !known.contains(where: report.hasSuffix) {
                throw UsageError("the kind of report is told by its name, which must end in .html, .json or .txt, not '\(report)'")
            }
        }
    }

    private mutating func setGoal() throws {
        if budget != nil, maximumLoss != nil {
            throw UsageError("--budget and --max-loss are two ways to ask for one thing; give one of them")
        }
        let aims = budget != nil || maximumLoss != nil
        if let weights, aims {
            throw UsageError("--weights \(weights.rawValue) gives all matrices one type, --budget and --max-loss choose; leave"
                + " --weights out or make it auto, and give --tensor for exceptions")
        }
        if aims || choosesWeights, calibration == nil {
            let flags = aims ? "--budget and --max-loss try" : "--weights auto tries"
            throw UsageError("\(flags) encodings on a text; give one with --calibrate FILE")
        }
        if let budget {
            settings.goal = .budget(byteCount: budget)
        } else if aims || choosesWeights {
            settings.goal = .maximumLoss(maximumLoss ?? Self.usualLoss)
        } else if let weights {
            settings.goal = .width(weights)
        }
    }

    /// Of --weights auto without --budget and --max-loss: half a percent of bits per byte.
    private static let usualLoss = 0.005

    /// What decides about the weights, for the file's ledger: no path of this machine.
    private static func words(_ words: [String]) -> String {
        let kept: Set<String> = ["--weights", "--budget", "--max-loss", "--tensor", "--activations", "--calibrate-positions"]
        var result: [String] = []
        for (index, word) in words.enumerated() where kept.contains(word) && index + 1 < words.count { result += [word, words[index + 1]] }
        return (["stlm-pack"] + result).joined(separator: " ")
    }

    /// 12MB and 12M are millions, 12MiB 12 * 2^20.
    static func byteCount(_ text: String) -> Int? {
        let units: [(String, Double)] = [
            ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("KB", 1e3), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("K", 1e3), ("k", 1e3),
            ("M", 1e6), ("G", 1e9), ("B", 1),
        ]
        let unit = units.first { text.hasSuffix($0.0) }
        let digits = text.dropLast(unit?.0.count ?? 0)
        guard let number = Double(digits), number >= 0, number * (unit?.1 ?? 1) < 1e15, digits.allSatisfy({ $0.isNumber || $0 == "." }) else { return nil }
        return Int(number * (unit?.1 ?? 1))
    }
}

private let widthNames = WeightWidth.allCases.map(\.rawValue).joined(separator: ", ")

struct UsageError: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
}

let packHelp = """
    stlm-pack turns a trained checkpoint into one model file that stlm-run maps into memory and runs.

    Usage:
      stlm-pack INPUT [-o OUT.stlm] [--tokenizer FILE] [flags]
      stlm-pack compare A.stlm B.stlm --file TEXT [flags]   two packed files side by side; stlm-pack compare --help says more

    INPUT is recognised by its content: an STLM checkpoint (model.ckpt, .pt) or a llama2.c model (.bin, version 0, 1, 2).

      -o, --output FILE     the model file (INPUT's name with .stlm)
      --tokenizer FILE      an STLM .model merge list, GPT-2's vocab.json and merges.txt (the flag twice), a tokenizer.json of
                            that kind, or a llama2.c tokenizer.bin; without it the model runs on token ids
      --weights TYPE        of all matrices: int2, int3, int4, int5, int6, int8, int16; ternary (five a byte) or ternary4 (four, faster) for
                            models trained so, which are recognised anyway; auto tries all for each matrix, as --budget or --max-loss
                            asks, without them as --max-loss 0.5% (int8)
      --budget SIZE         the file that loses least in at most SIZE (12MB, 900KB, 1MiB); needs --calibrate
      --max-loss PERCENT    the smallest file that loses at most that much in bits per byte on the calibration text; needs --calibrate
      --tensor PATTERN=TYPE another type for the matrices whose name fits, with * and ?; again for others, the last that fits wins;
                            int4+r8 adds a correction of 8 bits and rank 8 to int4
      --activations int8|int16  width of what layers read, or PATTERN=int16 for some (as a text to calibrate with asks for, else
                            int8; in blocks of bytes int16)
      --calibrate FILE      a text to quantise with: of the kind the model is for, and not the one you measure on
      --calibrate-positions N  how much of it is used (16384)
      --verify FILE         measure the file on this text, and write the result into it
      --split TEXT          both texts are parts between TEXT, each read from its beginning
      --threads N           of the packer (all)
      --report FILE         what the file is made of, as .txt, .json or .html
      --force               replace the output if it exists
      --dry-run             do everything but write
      --json                the report on standard output as JSON
      -h, --help            this
      --version

    Examples:
      stlm-pack model.ckpt --tokenizer bpe_tinystories_2048.model
      stlm-pack byte_level.ckpt --tokenizer vocab.json --tokenizer merges.txt
      stlm-pack model.ckpt --tokenizer bpe.model --budget 1.2MB --calibrate train.txt --verify held-out.txt
      stlm-pack stories15M.bin --tokenizer tokenizer.bin -o stories.stlm --report stories.html
      stlm-pack compare stories-int8.stlm stories.stlm --file held-out.txt

    """
