import ModelFile

/// Groups of an arena's regions.
public enum ArenaGroup: Int, Sendable {
    case keysAndValues, activations
    /// What layers need, or logits and the choice of a token, which share it.
    case shared
    case attention, logits, sampler, text, threads
    /// What lies between regions.
    case alignment

    public static let count = 9

    public var name: StaticString {
        switch self {
        case .keysAndValues: "keys and values"
        case .activations: "activations"
        case .shared: "layers and logits"
        case .attention: "attention scratch"
        case .logits: "logits"
        case .sampler: "sampler"
        case .text: "text"
        case .threads: "threads"
        case .alignment: "alignment"
        }
    }
}

/// What a program takes of memory beside model and arena.
public struct ProgramFootprint: Sendable {
    /// Its code, constants and data, in whole pages.
    public var imageByteCount: Int
    /// The stack of the thread that it begins with, at most; the environment and the arguments lie there too.
    public var stackByteCount: Int
    /// The same of each other thread, with what the C library keeps of it.
    public var threadStackByteCount: Int

    public init(imageByteCount: Int, stackByteCount: Int, threadStackByteCount: Int) {
        self.imageByteCount = imageByteCount
        self.stackByteCount = stackByteCount
        self.threadStackByteCount = threadStackByteCount
    }

    /// Stacks of so many threads.
    func stackByteCount(_ threadCount: Int) -> Int { stackByteCount + (threadCount - 1) * threadStackByteCount }

    /// The static program stlm-run, which `Tools/boards/build` makes; BoardsTests keep the size of its image below this. On x86_64 kernels that
    /// the CPU does not take leave the process before anything is computed, and do not count.
    ///
    /// Stacks were measured on x86_64 as what was resident of them after some thousand tokens (/proc/PID/smaps), over a model of tokens,
    /// the kernels that the machine had, ways to draw, and types of keys and values, with an empty environment: for the first thread 92 KB at most
    /// with kernels of AVX2 and AVX-512 (of a model with small heads; of others 60), 60 with the reference, and 12 KB and 4 KB of the C library's
    /// for another one. Frames of NEON's kernels have half the bytes of those. The first leaves some 20 KB for the environment and the arguments.
    public static var staticRun: ProgramFootprint {
        #if arch(arm64)
        ProgramFootprint(imageByteCount: 432 << 10, stackByteCount: 88 << 10, threadStackByteCount: 16 << 10)
        #elseif arch(arm)
        ProgramFootprint(imageByteCount: 372 << 10, stackByteCount: 88 << 10, threadStackByteCount: 16 << 10)
        #elseif arch(riscv64)
        ProgramFootprint(imageByteCount: 304 << 10, stackByteCount: 88 << 10, threadStackByteCount: 16 << 10)
        #else
        ProgramFootprint(imageByteCount: 456 << 10, stackByteCount: 112 << 10, threadStackByteCount: 16 << 10)
        #endif
    }
}

/// What a run of a model takes of a machine's memory, in bytes, known before it starts.
public struct MemoryBudget: Sendable {
    /// What most kernels have; where pages are larger (16 KB on some boards) sums round up by some pages more.
    public static let pageByteCount = 4_096

    public let file: WeightFootprint
    public let fileByteCount: Int
    public let plan: MemoryPlan
    public let program: ProgramFootprint
    /// The prompt's numbers, which lie beside the arena: (context, inputSize) UInt32.
    public let promptByteCount: Int
    /// A constraint's memory, beside the arena too; 0 without one.
    public let constraintByteCount: Int
    /// Of the file, what must be in memory at a time.
    public let leastWeightByteCount: Int
    /// What the arena grows by where weights pass through memory.
    private let windowByteCount: Int

    /// - Parameters:
    ///   - isConstrained: what is written must follow a grammar or be one of some texts
    public init(_ model: Model, _ plan: MemoryPlan, _ program: ProgramFootprint = .staticRun, isConstrained: Bool = false) {
        file = WeightFootprint(model)
        fileByteCount = model.file.byteCount
        leastWeightByteCount = min(model.file.byteCount, WeightPlan.leastByteCount(model))
        windowByteCount = WeightPlan.arenaByteCount(model)
        self.plan = plan
        self.program = program
        promptByteCount = Self.promptByteCount(model, plan)
        constraintByteCount = isConstrained ? Constraint.byteCount(model) : 0
    }

    // MARK: Pages

    private static func pages(_ byteCount: Int) -> Int { (byteCount + pageByteCount - 1) / pageByteCount }
    static func rounded(_ byteCount: Int) -> Int { pages(byteCount) * pageByteCount }

    public var filePageCount: Int { Self.pages(fileByteCount) }
    public var arenaPageCount: Int { Self.pages(plan.arenaByteCount) }

    // MARK: Arena

    /// To the byte; all groups add up to `plan.arenaByteCount`.
    public func byteCount(_ group: ArenaGroup) -> Int {
        switch group {
        case .keysAndValues: plan.keyValues.byteCount
        case .activations: activationByteCount + own(layerByteCount)
        case .shared: plan.scratch.byteCount
        case .attention: plan.slotKeyValues.byteCount + own(plan.attentionWeights.byteCount + plan.attentionSums.byteCount)
        case .logits: own(plan.logits.byteCount)
        case .sampler:
            own(plan.candidates.byteCount + plan.bins.byteCount) + plan.recent.byteCount + plan.seen.byteCount + plan.drawn.byteCount
        case .text: plan.encoder.byteCount + plan.pending.byteCount + plan.history.byteCount
        case .threads: plan.pool.byteCount
        case .alignment: alignmentByteCount
        }
    }

    /// Of regions that models of tokens share.
    private func own(_ byteCount: Int) -> Int { plan.scratch.byteCount > 0 ? 0 : byteCount }

    /// What layers make of their codes.
    private var layerByteCount: Int {
        plan.wide.byteCount + plan.other.byteCount + plan.queries.byteCount + plan.queryScales.byteCount + plan.keyValueScales.byteCount
    }

    /// Streams, codes and their scales.
    private var activationByteCount: Int {
        let streams = plan.residual.byteCount + plan.slots.byteCount + plan.projected.byteCount + plan.normal.byteCount
        let codes = plan.codes.byteCount + plan.scales.byteCount + plan.turnedCodes.byteCount
        let results = plan.fractionBits.byteCount + plan.shifts.byteCount
        let corrections = plan.correction.byteCount + plan.correctionFractionBits.byteCount + plan.correctionCodes.byteCount
            + plan.correctionScales.byteCount
        return streams + codes + results + corrections
    }

    private var alignmentByteCount: Int {
        var rest = plan.arenaByteCount
        for index in 0..<ArenaGroup.alignment.rawValue { rest -= byteCount(ArenaGroup(rawValue: index)!) }
        return rest
    }

    // MARK: Sums

    /// Stacks of all threads.
    public var stackByteCount: Int { program.stackByteCount(plan.threadCount) }

    /// The most that is resident: the whole file, the whole arena, the prompt, a constraint, stacks, and
    /// the program.
    public var residentAtMost: Int { residentByteCount(file: fileByteCount) }

    /// Less than this is too little, however often weights are read again.
    public var cannotRunUnder: Int {
        leastWeightByteCount == fileByteCount ? residentAtMost : residentByteCount(file: leastWeightByteCount) + windowByteCount
    }

    /// Of what is resident at most, what lies between the ends of file, arena, prompt and constraint and those of their last pages.
    public var roundingByteCount: Int {
        residentAtMost - fileByteCount - plan.arenaByteCount - promptByteCount - constraintByteCount - stackByteCount - program.imageByteCount
    }

    private func residentByteCount(file: Int) -> Int {
        Self.residentByteCount(file: file, plan, promptByteCount: promptByteCount, constraintByteCount: constraintByteCount, program)
    }

    static func residentByteCount(
        file: Int, _ plan: MemoryPlan, promptByteCount: Int, constraintByteCount: Int, _ program: ProgramFootprint
    ) -> Int {
        rounded(file) + rounded(plan.arenaByteCount) + rounded(promptByteCount) + rounded(constraintByteCount)
            + program.stackByteCount(plan.threadCount) + program.imageByteCount
    }

    static func promptByteCount(_ model: Model, _ plan: MemoryPlan) -> Int { plan.contextTokenCount * model.inputSize * 4 }

    /// What the kernel adds for page tables, at most, which is no part of what is resident: 8 bytes for each page, in whole pages. Three
    /// places of the address space have tables of their own (the program; file, arena and thread stacks; the first stack), and those two
    /// levels above them.
    public var pageTableByteCount: Int {
        let entries = Self.pageByteCount / 8
        func tables(_ pages: Int) -> Int { (pages + entries - 1) / entries }
        // Neither the file nor the arena begins where a table does.
        let mapped = filePageCount + arenaPageCount + Self.pages(promptByteCount + constraintByteCount + stackByteCount)
        let lowest = tables(mapped) + 2 + tables(Self.pages(program.imageByteCount)) + 2
        return (lowest + tables(lowest) + 2 + 3) * Self.pageByteCount
    }
}
