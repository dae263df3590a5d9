import Kernels
import ModelFile

/// A way to run a model in less memory: what is different from what was asked for.
public struct MemoryAlternative: Sendable {
    public var contextTokenCount: Int
    public var keyValueType: KeyValueType
    public var batchTokenCount: Int
    /// `MemoryBudget.residentAtMost` of it.
    public var residentAtMost: Int
}

extension MemoryBudget {
    /// `SessionOptions.weightByteLimit` of a run that may take so many bytes, where it may not take `residentAtMost`; nil if it needs more.
    public func weightByteLimit(under limit: Int) -> Int? {
        limit < cannotRunUnder ? nil : limit - cannotRunUnder + leastWeightByteCount
    }

    /// Bytes of weights that such a run reads again for each position of decoding; nil if it needs more.
    public func passedByteCount(_ model: Model, under limit: Int) -> Int64? {
        guard let byteLimit = weightByteLimit(under: limit) else { return nil }
        return byteLimit >= fileByteCount ? 0 : (try? WeightPlan(model, byteLimit: byteLimit))?.passedByteCount
    }

    /// What can be made shorter; more of it never needs less memory.
    public enum Measure {
        case context, batch
    }

    /// The longest context or batch with which a run fits in `limit` bytes, all else as in `options`; nil if none does.
    public static func longest(
        _ measure: Measure, _ model: Model, _ options: SessionOptions, _ program: ProgramFootprint = .staticRun, isConstrained: Bool = false, limit: Int
    ) -> MemoryAlternative? {
        var low = 0, found: MemoryAlternative?
        var high = switch measure {
        case .context: Int(model.record.contextMaximum)
        case .batch: options.batchTokenCount
        }
        while low < high {
            let middle = low + (high - low + 1) / 2
            var tried = options
            switch measure {
            case .context: tried.contextTokenCount = middle
            case .batch: tried.batchTokenCount = middle
            }
            if let alternative = Self.alternative(model, tried, program, isConstrained: isConstrained), alternative.residentAtMost <= limit {
                found = alternative
                low = middle
            } else {
                high = middle - 1
            }
        }
        return found
    }

    /// What options come to; nil if they are not to be had.
    public static func alternative(
        _ model: Model, _ options: SessionOptions, _ program: ProgramFootprint = .staticRun, isConstrained: Bool = false
    ) -> MemoryAlternative? {
        guard let plan = try? MemoryPlan(model, options) else { return nil }
        return MemoryAlternative(
            contextTokenCount: plan.contextTokenCount, keyValueType: plan.keyValueType, batchTokenCount: plan.batchTokenCount,
            residentAtMost: residentByteCount(
                file: model.file.byteCount, plan, promptByteCount: promptByteCount(model, plan),
                constraintByteCount: isConstrained ? Constraint.byteCount(model) : 0, program))
    }
}
