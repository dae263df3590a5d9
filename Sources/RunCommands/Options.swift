import CPlatform
import Console
import Kernels
import ModelFile
import STLM

/// What `stlm-run` is to do.
enum Verb: UInt8 {
    case generate = 1, info = 2, score = 4, logits = 8, choose = 16, bench = 32, selfCheck = 64
}

/// The words after the verb, checked. Wrong use is complained about where it is found.
struct Options {
    typealias Word = Arguments.Word

    var verb = Verb.generate
    var model: Word?
    var prompt: Word?
    var ids: Word?
    var file: Word?
    var split: Word?
    var out: Word?
    /// Session files: to go on from, and to write in the end.
    var session: Word?
    var savedSession: Word?
    /// Tokens or blocks, and bytes, to generate at most.
    var tokenCount: Int?
    var byteCount: Int?
    /// Of a bench: positions of its prompt, and how often it measures.
    var promptCount: Int?
    var roundCount: Int?
    var contextTokenCount: Int?
    var keyValueType = KeyValueType.int16
    var threadCount: Int?
    /// Bytes of memory that the run may take.
    var memoryLimit: Int?
    var batchTokenCount: Int?
    var seed: UInt64?
    /// Tokens a second at most, in units of 1/65,536.
    var rate: UInt32?
    /// What is added to the process's niceness.
    var niceness: Int?
    var temperature: UInt32?
    var topK: UInt32?
    var topP: UInt32?
    var minP: UInt32?
    var repeatPenalty: UInt32?
    var repeatWindow: UInt32?
    var stops = InlineArray<8, Word?>(repeating: nil)
    var stopCount = 0
    /// What the text must be.
    var constraint = ConstraintFlags()
    var ignoresEnd = false
    var slides = false
    /// First positions that sliding keeps.
    var keptPositionCount: Int?
    var echoes = true
    var printsStats = false
    var json = false
    var verifies = false
    var wantsHelp = false

    /// nil after a complaint.
    static func parse(_ verb: Verb, _ arguments: consuming Arguments) -> Options? {
        var options = Options()
        options.verb = verb
        var words = arguments
        while let word = words.word() {
            if word[0] != 0x2D || word[1] == 0 {
                if options.model != nil {
                    complain("'%n' is one word too many; give one model, and put a prompt of several words in quotes after -p", name: word)
                    return nil
                }
                options.model = word
                continue
            }
            if !options.take(word, &words) { return nil }
            if options.wantsHelp { return options }
        }
        if options.model == nil {
            complain("no model is given; name one, as in: stlm-run MODEL.stlm -p \"Once upon a time\"")
            return nil
        }
        return options
    }

    /// One flag and its value.
    private mutating func take(_ flag: Word, _ words: inout Arguments) -> Bool {
        let all: UInt8 = 127
        let generate = Verb.generate.rawValue
        if equals(flag, "-h") || equals(flag, "--help") {
            wantsHelp = true
            return true
        }
        if equals(flag, "-p") || equals(flag, "--prompt") {
            if verb == .bench { return count(flag, &words, Verb.bench.rawValue, 1, UInt64(Limit.context), &promptCount) }
            return text(flag, &words, generate, &prompt)
        }
        if equals(flag, "--rounds") { return count(flag, &words, Verb.bench.rawValue, 1, UInt64(Samples.capacity), &roundCount) }
        if equals(flag, "--ids") { return text(flag, &words, generate | Verb.logits.rawValue, &ids) }
        if equals(flag, "--file") { return text(flag, &words, Verb.score.rawValue | Verb.choose.rawValue, &file) }
        if equals(flag, "--split") { return text(flag, &words, Verb.score.rawValue, &split) }
        if equals(flag, "--out") || equals(flag, "-o") { return text(flag, &words, Verb.logits.rawValue, &out) }
        if equals(flag, "--session") { return text(flag, &words, generate, &session) }
        if equals(flag, "--save-session") { return text(flag, &words, generate, &savedSession) }
        if equals(flag, "-n") {
            if verb == .bench { return count(flag, &words, Verb.bench.rawValue, 1, UInt64(Limit.context), &tokenCount) }
            return count(flag, &words, generate, 0, UInt64(Int32.max), &tokenCount)
        }
        if equals(flag, "--bytes") { return count(flag, &words, generate, 0, UInt64(Int32.max), &byteCount) }
        if equals(flag, "--context") { return count(flag, &words, ~Verb.selfCheck.rawValue, 1, UInt64(Limit.context), &contextTokenCount) }
        if equals(flag, "--threads") || equals(flag, "-t") { return count(flag, &words, all, 1, UInt64(STLM_POOL_THREADS_MAX), &threadCount) }
        if equals(flag, "--batch") { return count(flag, &words, ~(Verb.info.rawValue | Verb.selfCheck.rawValue), 1, UInt64(Limit.context), &batchTokenCount) }
        if equals(flag, "--memory-limit") { return byteCount(flag, &words, ~Verb.info.rawValue, &memoryLimit) }
        if equals(flag, "--kv") { return keyValueType(flag, &words) }
        if equals(flag, "--temp") { return q16(flag, &words, 0, Limit.setting, &temperature) }
        if equals(flag, "--top-p") { return q16(flag, &words, 1, 65_536, &topP) }
        if equals(flag, "--min-p") { return q16(flag, &words, 0, 65_536, &minP) }
        if equals(flag, "--repeat-penalty") { return q16(flag, &words, Limit.leastRepeatPenalty, Limit.setting, &repeatPenalty) }
        if equals(flag, "--rate") { return rate(flag, &words) }
        if equals(flag, "--nice") { return count(flag, &words, all, 0, 19, &niceness) }
        if equals(flag, "--top-k") { return count(flag, &words, generate, 0, UInt64(Limit.rows), &topK) }
        if equals(flag, "--repeat-window") { return count(flag, &words, generate, 0, UInt64(Limit.repeatWindow), &repeatWindow) }
        if equals(flag, "--seed") {
            guard allowed(flag, generate), let word = value(flag, &words) else { return false }
            guard let number = parseCount(word, limit: .max) else {
                complain("--seed takes a whole number from 0 to 18446744073709551615, not '%n'", name: word)
                return false
            }
            seed = number
            return true
        }
        if equals(flag, "--stop") {
            var word: Word?
            if !text(flag, &words, generate, &word) { return false }
            if stopCount == TextStream.stopLimit {
                complain("--stop can be given %a times at most; leave some out", TextStream.stopLimit)
                return false
            }
            stops[stopCount] = word
            stopCount += 1
            return true
        }
        if ConstraintFlags.has(flag) {
            var word: Word?
            return text(flag, &words, generate, &word) && constraint.take(flag, word!)
        }
        if equals(flag, "--ignore-eos") { return set(flag, generate, &ignoresEnd) }
        if equals(flag, "--slide") { return set(flag, generate, &slides) }
        if equals(flag, "--keep") { return count(flag, &words, generate, 0, UInt64(Limit.context) - 1, &keptPositionCount) }
        if equals(flag, "--stats") { return set(flag, generate, &printsStats) }
        if equals(flag, "--json") { return set(flag, ~(generate | Verb.logits.rawValue), &json) }
        if equals(flag, "--verify") { return set(flag, Verb.info.rawValue, &verifies) }
        if equals(flag, "--no-echo") {
            echoes = false
            return allowed(flag, generate)
        }
        complain("there is no flag %n; stlm-run --help lists them", name: flag)
        return false
    }

    private func allowed(_ flag: Word, _ verbs: UInt8) -> Bool {
        if verbs & verb.rawValue != 0 { return true }
        complain("%n has no meaning for this verb; stlm-run --help says what each takes", name: flag)
        return false
    }

    private func value(_ flag: Word, _ words: inout Arguments) -> Word? {
        if let word = words.word() { return word }
        complain("%n needs a value after it", name: flag)
        return nil
    }

    private func set(_ flag: Word, _ verbs: UInt8, _ target: inout Bool) -> Bool {
        target = true
        return allowed(flag, verbs)
    }

    private func text(_ flag: Word, _ words: inout Arguments, _ verbs: UInt8, _ target: inout Word?) -> Bool {
        guard allowed(flag, verbs), let word = value(flag, &words) else { return false }
        target = word
        return true
    }

    private func number(
        _ flag: Word, _ words: inout Arguments, _ verbs: UInt8, _ least: UInt64, _ most: UInt64
    ) -> UInt64? {
        guard allowed(flag, verbs), let word = value(flag, &words) else { return nil }
        if let number = parseCount(word, limit: most), number >= least { return number }
        complain("%n takes a whole number from %a to %b, not '%d'", name: flag, detail: word, Int(least), Int(most))
        return nil
    }

    private func byteCount(_ flag: Word, _ words: inout Arguments, _ verbs: UInt8, _ target: inout Int?) -> Bool {
        guard allowed(flag, verbs), let word = value(flag, &words) else { return false }
        target = parseByteCount(word)
        if let target, target > 0 { return true }
        complain("%n takes a number of bytes such as 24MiB, 24MB or 25165824, not '%d'", name: flag, detail: word)
        return false
    }

    private func count(
        _ flag: Word, _ words: inout Arguments, _ verbs: UInt8, _ least: UInt64, _ most: UInt64, _ target: inout Int?
    ) -> Bool {
        guard let value = number(flag, &words, verbs, least, most) else { return false }
        target = Int(value)
        return true
    }

    private func count(
        _ flag: Word, _ words: inout Arguments, _ verbs: UInt8, _ least: UInt64, _ most: UInt64, _ target: inout UInt32?
    ) -> Bool {
        guard let value = number(flag, &words, verbs, least, most) else { return false }
        target = UInt32(value)
        return true
    }

    private mutating func keyValueType(_ flag: Word, _ words: inout Arguments) -> Bool {
        guard allowed(flag, ~Verb.selfCheck.rawValue), let word = value(flag, &words), let type = namedKeyValueType(flag, word) else {
            return false
        }
        keyValueType = type
        return true
    }

    private mutating func rate(_ flag: Word, _ words: inout Arguments) -> Bool {
        guard allowed(flag, Verb.generate.rawValue), let word = value(flag, &words) else { return false }
        rate = parseQ16(word, limit: 10_000 << 16)
        // One token in a quarter of an hour.
        if let rate, rate >= 66 { return true }
        complain("%n takes tokens a second from 0.001 to 10000, such as 5 or 0.5, not '%d'", name: flag, detail: word)
        return false
    }

    private func q16(_ flag: Word, _ words: inout Arguments, _ least: UInt32, _ most: UInt32, _ target: inout UInt32?) -> Bool {
        guard allowed(flag, Verb.generate.rawValue), let word = value(flag, &words) else { return false }
        if let number = parseQ16(word, limit: most), number >= least {
            target = number
            return true
        }
        if most == 65_536 {
            complain("%n takes a number from 0 to 1, such as 0.9, not '%d'", name: flag, detail: word)
        } else {
            complain("%n takes a number up to 100, such as 0.8, not '%d'", name: flag, detail: word)
        }
        return false
    }

    /// The model's settings with what the flags change.
    func sampling(_ defaults: SamplingSettings) -> SamplingSettings {
        var settings = defaults
        if let temperature { settings.temperature = temperature }
        if let topK { settings.topK = topK }
        if let topP { settings.topP = topP }
        if let minP { settings.minP = minP }
        if let repeatPenalty { settings.repeatPenalty = repeatPenalty }
        if let repeatWindow { settings.repeatWindow = repeatWindow }
        return settings
    }
}

/// The type of keys and values that a flag's value names; nil after a complaint.
package func namedKeyValueType(_ flag: Arguments.Word, _ word: Arguments.Word) -> KeyValueType? {
    for number in 0..<KeyValueType.count {
        let type = KeyValueType(rawValue: number)!
        if equals(word, type.name) { return type }
    }
    complain("%n takes int16, int8 or int4, not '%d'", name: flag, detail: word)
    return nil
}
