import CPlatform
import Kernels
import ModelFile

/// What a `Generator` is to be able to do. All of it sizes its memory; what is nil is as the model file has it.
public struct GeneratorOptions: Sendable {
    /// Positions of the context.
    public var contextTokenCount: Int?
    /// How tokens are chosen to begin with; other settings that need no more memory can be set later.
    public var sampling: SamplingSettings?
    public var keyValueType: KeyValueType
    /// Threads, the caller's among them: 1 ... 32.
    public var threadCount: Int
    /// A full context makes room for itself: arithmetic-1, section 10.
    public var slides: Bool
    /// Positions at the beginning that sliding keeps; nil is 1, or 0 in a context of 1.
    public var keptPositionCount: Int?
    /// End tokens are tokens like any other.
    public var ignoresEnd: Bool
    /// Positions of a prompt computed at once; nil: as many as the work of a step allows, at most 64.
    public var batchTokenCount: Int?
    /// Multiply-adds of a step, about; `Generator.stepBound` is the limit that is kept. 8 Mi are about a millisecond.
    public var stepWork: Int64
    public var kernels: KernelSet

    public init(
        contextTokenCount: Int? = nil, sampling: SamplingSettings? = nil, keyValueType: KeyValueType = .int16, threadCount: Int = 1,
        slides: Bool = false, keptPositionCount: Int? = nil, ignoresEnd: Bool = false, batchTokenCount: Int? = nil,
        stepWork: Int64 = 1 << 23, kernels: KernelSet = .detected
    ) {
        self.contextTokenCount = contextTokenCount
        self.sampling = sampling
        self.keyValueType = keyValueType
        self.threadCount = threadCount
        self.slides = slides
        self.keptPositionCount = keptPositionCount
        self.ignoresEnd = ignoresEnd
        self.batchTokenCount = batchTokenCount
        self.stepWork = stepWork
        self.kernels = kernels
    }
}

/// Options that have a range of their own.
public enum GeneratorOption: Sendable {
    case temperature, topK, topP, minP, repeatPenalty, repeatWindow, threadCount, batchTokenCount, keptPositionCount, stepWork, limit

    var name: StaticString {
        switch self {
        case .temperature: "a temperature"
        case .topK: "a topK"
        case .topP: "a topP"
        case .minP: "a minP"
        case .repeatPenalty: "a repeat penalty"
        case .repeatWindow: "a repeat window"
        case .threadCount: "a number of threads"
        case .batchTokenCount: "a batch"
        case .keptPositionCount: "a number of positions to keep"
        case .stepWork: "a step"
        case .limit: "a limit"
        }
    }

    /// What stands before the number.
    var unit: StaticString {
        switch self {
        case .temperature, .topP, .minP, .repeatPenalty: "1/65536 times "
        default: ""
        }
    }

    func check(_ given: Int, _ range: ClosedRange<Int>) throws(STLMError) {
        if !range.contains(given) { throw .optionOutOfRange(self, given: given, least: range.lowerBound, most: range.upperBound) }
    }
}

extension GeneratorOptions {
    /// The memory of a session with these options.
    @export(interface)
    @_optimize(size)
    package func plan(_ model: Model) throws(STLMError) -> MemoryPlan {
        try GeneratorOption.threadCount.check(threadCount, 1...Int(STLM_POOL_THREADS_MAX))
        try GeneratorOption.stepWork.check(Int(clamping: stepWork), 1...Int(clamping: Int64(1) << 48))
        if let batchTokenCount { try GeneratorOption.batchTokenCount.check(batchTokenCount, 1...Limit.context) }
        if let keptPositionCount { try GeneratorOption.keptPositionCount.check(keptPositionCount, 0...Limit.context) }
        var settings = SessionOptions(model, kernels: kernels)
        let context = contextTokenCount ?? Int(model.record.contextDefault)
        settings.contextTokenCount = context
        settings.keyValueType = keyValueType
        settings.threadCount = threadCount
        settings.batchTokenCount = batchTokenCount ?? model.batchTokenCount(quantum: stepWork, context: context)
        settings.keptPositionCount = keptPositionCount
        if let sampling {
            try sampling.check()
            settings.sampling = sampling
        }
        do throws(SessionError) {
            return try MemoryPlan(model, settings)
        } catch {
            throw .session(error)
        }
    }
}

extension SamplingSettings {
    /// `numerator / denominator` in units of 1/65,536, rounded: `sampling.temperature = SamplingSettings.fraction(8, of: 10)` is 0.8.
    public static func fraction(_ numerator: UInt32, of denominator: UInt32) -> UInt32 {
        precondition(denominator > 0, "a fraction of 0 parts")
        return UInt32(clamping: (UInt64(numerator) * 65_536 + UInt64(denominator / 2)) / UInt64(denominator))
    }

    func check() throws(STLMError) {
        try GeneratorOption.temperature.check(Int(clamping: temperature), 0...Int(Limit.setting))
        try GeneratorOption.topK.check(Int(clamping: topK), 0...Limit.rows)
        try GeneratorOption.topP.check(Int(clamping: topP), 1...65_536)
        try GeneratorOption.minP.check(Int(clamping: minP), 0...65_536)
        try GeneratorOption.repeatPenalty.check(Int(clamping: repeatPenalty), Int(Limit.leastRepeatPenalty)...Int(Limit.setting))
        try GeneratorOption.repeatWindow.check(Int(clamping: repeatWindow), 0...Limit.repeatWindow)
    }
}
