import Kernels
import ModelFile
import STLM

/// A run with weights that pass through memory: what --memory-limit it is under, and bytes of weights that it reads for each token or block.
struct PassingRun {
    var memoryLimit: Int
    var readByteCount: UInt64
}

/// The budget that was asked for, whether it fits, and what would.
struct Answer {
    let model: Model
    let options: SessionOptions
    /// With a grammar.
    let isConstrained: Bool
    let budget: MemoryBudget
    let limit: Int?
    /// Ways to fit, each complete in itself, where the budget does not.
    private(set) var alternatives = InlineArray<4, MemoryAlternative?>(repeating: nil)
    private(set) var alternativeCount = 0
    /// Where the budget does not fit but a run with weights that pass through memory does: under the least limit, and under the one given.
    private(set) var passing: (least: PassingRun, given: PassingRun)?
    /// Bytes that the file would have to lose with all else as small as it can be, where nothing fits; 0 where something does.
    private(set) var excessByteCount = 0

    init(_ model: Model, _ options: SessionOptions, isConstrained: Bool, limit: Int?) throws(SessionError) {
        self.model = model
        self.options = options
        self.isConstrained = isConstrained
        self.limit = limit
        budget = MemoryBudget(model, try MemoryPlan(model, options), isConstrained: isConstrained)
        guard let limit, fits == false else { return }
        if let least = budget.passedByteCount(model, under: budget.cannotRunUnder), let given = budget.passedByteCount(model, under: limit) {
            passing = (
                PassingRun(memoryLimit: budget.cannotRunUnder, readByteCount: UInt64(least)),
                PassingRun(memoryLimit: limit, readByteCount: UInt64(given))
            )
        }
        add(longest(.context, options, limit: limit))
        var narrow = options
        for number in options.keyValueType.rawValue + 1..<KeyValueType.count {
            narrow.keyValueType = KeyValueType(rawValue: number)!
            if let alternative = alternative(narrow), alternative.residentAtMost <= limit { add(alternative) }
        }
        // A model that is not causal reads all at once.
        if model.record.isCausal { add(longest(.batch, options, limit: limit)) }
        if alternativeCount > 0 { return }
        narrow.keyValueType = .int4
        narrow.batchTokenCount = 1
        add(longest(.context, narrow, limit: limit))
        narrow.contextTokenCount = 1
        if alternativeCount == 0, let least = alternative(narrow) { excessByteCount = least.residentAtMost - limit }
    }

    /// nil without a limit.
    var fits: Bool? { limit.map { budget.residentAtMost <= $0 } }

    /// What is left for a file where nothing fits; 0 if even no file would be small enough.
    var roomForFile: Int { max(0, budget.fileByteCount - excessByteCount) }

    private func longest(_ measure: MemoryBudget.Measure, _ options: SessionOptions, limit: Int) -> MemoryAlternative? {
        MemoryBudget.longest(measure, model, options, isConstrained: isConstrained, limit: limit)
    }

    /// What other options come to, with all else of this one; nil if they are not to be had.
    func alternative(_ options: SessionOptions) -> MemoryAlternative? { MemoryBudget.alternative(model, options, isConstrained: isConstrained) }

    private mutating func add(_ alternative: MemoryAlternative?) {
        guard let alternative else { return }
        alternatives[alternativeCount] = alternative
        alternativeCount += 1
    }
}
