import CPlatform
import Console
import Kernels
import ModelFile
import RunCommands
import STLM

/// The words of stlm-budget's command line, checked. Wrong use is complained about where it is found.
struct BudgetOptions {
    typealias Word = Arguments.Word

    var model: Word?
    var contextTokenCount: Int?
    var keyValueType = KeyValueType.int16
    var threadCount: Int?
    var batchTokenCount: Int?
    var limit: Int?
    var report: Word?
    var constraint = ConstraintFlags()
    var json = false
    var wantsHelp = false
    var wantsVersion = false

    /// nil after a complaint.
    static func parse(_ arguments: consuming Arguments) -> BudgetOptions? {
        var options = BudgetOptions()
        var words = arguments
        while let word = words.word() {
            if word[0] != 0x2D || word[1] == 0 {
                if options.model != nil {
                    complain("'%n' is one word too many; give one model", name: word)
                    return nil
                }
                options.model = word
                continue
            }
            if !options.take(word, &words) { return nil }
            if options.wantsHelp || options.wantsVersion { return options }
        }
        if options.model == nil {
            complain("no model is given; name one, as in: stlm-budget MODEL.stlm --limit 48MiB")
            return nil
        }
        return options
    }

    /// One flag and its value.
    private mutating func take(_ flag: Word, _ words: inout Arguments) -> Bool {
        if equals(flag, "-h") || equals(flag, "--help") {
            wantsHelp = true
        } else if equals(flag, "--version") {
            wantsVersion = true
        } else if equals(flag, "--json") {
            json = true
        } else if equals(flag, "--context") {
            return count(flag, &words, Limit.context, &contextTokenCount)
        } else if equals(flag, "--batch") {
            return count(flag, &words, Limit.context, &batchTokenCount)
        } else if equals(flag, "--threads") || equals(flag, "-t") {
            return count(flag, &words, Int(STLM_POOL_THREADS_MAX), &threadCount)
        } else if equals(flag, "--kv") {
            return keyValueType(flag, &words)
        } else if equals(flag, "--limit") {
            return size(flag, &words)
        } else if ConstraintFlags.has(flag) {
            guard let word = value(flag, &words) else { return false }
            return constraint.take(flag, word)
        } else if equals(flag, "--report") {
            guard let word = value(flag, &words) else { return false }
            if !endsWith(word, ".html") {
                complain("--report writes a page, whose name must end in .html, not '%n'", name: word)
                return false
            }
            report = word
        } else {
            complain("there is no flag %n; stlm-budget --help lists them", name: flag)
            return false
        }
        return true
    }

    private func value(_ flag: Word, _ words: inout Arguments) -> Word? {
        if let word = words.word() { return word }
        complain("%n needs a value after it", name: flag)
        return nil
    }

    private func count(_ flag: Word, _ words: inout Arguments, _ most: Int, _ target: inout Int?) -> Bool {
        guard let word = value(flag, &words) else { return false }
        if let number = parseCount(word, limit: UInt64(most)), number >= 1 {
            target = Int(number)
            return true
        }
        complain("%n takes a whole number from %a to %b, not '%d'", name: flag, detail: word, 1, most)
        return false
    }

    private mutating func size(_ flag: Word, _ words: inout Arguments) -> Bool {
        guard let word = value(flag, &words) else { return false }
        if let byteCount = parseByteCount(word), byteCount > 0 {
            limit = byteCount
            return true
        }
        complain("%n takes a size above 0, such as 48MiB, 48MB or 50331648, not '%d'", name: flag, detail: word)
        return false
    }

    private mutating func keyValueType(_ flag: Word, _ words: inout Arguments) -> Bool {
        guard let word = value(flag, &words), let type = namedKeyValueType(flag, word) else { return false }
        keyValueType = type
        return true
    }

    private func endsWith(_ word: Word, _ ending: StaticString) -> Bool {
        let length = utf8(word).count
        return length > ending.utf8CodeUnitCount && equals(word + (length - ending.utf8CodeUnitCount), ending)
    }

    /// What stlm-run would refuse of the constraint; nil if nothing.
    func refuseConstraint(_ model: Model) -> Int32? {
        if !constraint.isGiven { return nil }
        if !model.canGenerate {
            complain("nothing that this model writes can be fed back, so that stlm-run takes no grammar with it; leave it out")
            return ExitCode.failure
        }
        return constraint.refuse(model) ?? (constraint.canBeMade(model) ? nil : ExitCode.failure)
    }

    /// As stlm-run would be asked.
    func session(_ model: Model, _ kernels: KernelSet) -> SessionOptions {
        var settings = SessionOptions(model, kernels: kernels)
        settings.contextTokenCount = contextTokenCount
        settings.keyValueType = keyValueType
        settings.threadCount = threadCount ?? min(Int(STLM_POOL_THREADS_MAX), Int(stlm_fast_core_count()))
        if let batchTokenCount { settings.batchTokenCount = batchTokenCount }
        return settings
    }
}
