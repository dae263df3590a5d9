import CPlatform
import FixedPoint
import Kernels
import ModelFile
import Tokenizers

/// One sequence being read or written: a model, an arena that the caller provides, and the position.
///
/// Everything a session writes lies in the arena; it allocates nothing. Not safe for use from two threads at once.
public struct Session: ~Copyable {
    public let model: Model
    public let plan: MemoryPlan
    public let kernels: KernelSet
    let arena: UnsafeMutableRawPointer
    /// Where time is noted, if anywhere.
    public var profile = Profile(nil)

    /// What is drawn keeps to it, if there is one.
    public var constraint: Constraint?

    /// Positions fed so far.
    public internal(set) var position = 0
    /// Positions of the last call of `feed`, whose residual rows are still there.
    var fedCount = 0

    /// - Parameters:
    ///   - arena: at least `plan.arenaByteCount` bytes at a multiple of 64, which must outlive the session.
    ///   - descriptor: the mapped model file, still open, so that weights which do not stay leave the system's cache too; else -1
    public init(
        _ model: Model, _ plan: MemoryPlan, kernels: KernelSet, arena: UnsafeMutableRawBufferPointer, descriptor: Int32 = -1
    ) throws(SessionError) {
        guard let base = arena.baseAddress, arena.count >= plan.arenaByteCount, UInt(bitPattern: base) % 64 == 0 else {
            throw .arenaTooSmall(have: arena.count, need: plan.arenaByteCount)
        }
        self.model = model
        self.plan = plan
        self.kernels = kernels
        self.arena = base
        // A pool that cannot have its threads works with those it got.
        if plan.threadCount > 1 { _ = stlm_pool_start(base + plan.pool.offset, UInt32(plan.threadCount)) }
        openWindow(descriptor: descriptor)
    }

    /// Ends a session that lies in memory: Embedded Swift ends no value of another module that has a deinit.
    public static func end(_ session: UnsafeMutablePointer<Session>) { session.deinitialize(count: 1) }

    deinit {
        if plan.threadCount > 1 { stlm_pool_stop(arena + plan.pool.offset) }
    }

    /// What stands in the context so far. (position, inputSize): tokens, or the symbols of blocks
    public var history: UnsafePointer<UInt32> { UnsafePointer(historyPointer) }
    var historyPointer: UnsafeMutablePointer<UInt32> {
        (arena + plan.history.offset).assumingMemoryBound(to: UInt32.self)
    }

    /// Forgets the sequence.
    public mutating func reset() {
        position = 0
        fedCount = 0
    }

    /// Reads at most `plan.batchTokenCount` positions; what comes after them can then be asked for.
    /// A model that is not causal reads its whole sequence again.
    /// - Parameters:
    ///   - inputs: (positions, inputSize): tokens, or the symbols of blocks
    public mutating func feed(_ inputs: UnsafeBufferPointer<UInt32>) throws(SessionError) {
        var advance = try begin(inputs)
        while !self.advance(&advance) {}
    }

    /// Reads any number of positions that fit in the context, batch by batch.
    /// - Returns: false if `shouldStop` became true between batches.
    @discardableResult
    public mutating func feedAll(
        _ inputs: UnsafeBufferPointer<UInt32>, shouldStop: () -> Bool = { false }
    ) throws(SessionError) -> Bool {
        let size = model.inputSize
        if inputs.count / size > plan.contextTokenCount - position {
            throw .contextFull(needed: position + inputs.count / size, context: plan.contextTokenCount)
        }
        var start = 0
        while start < inputs.count {
            if shouldStop() { return false }
            let count = min(plan.batchTokenCount * size, inputs.count - start)
            try feed(UnsafeBufferPointer(rebasing: inputs[start..<start + count]))
            start += count
        }
        return true
    }

    func poisonScratch() {
        if plan.poisonsScratch { pointer(plan.scratch, as: UInt8.self).update(repeating: 0xA5, count: plan.scratch.byteCount) }
    }

    func pointer<Element>(_ region: MemoryPlan.Region, as: Element.Type) -> UnsafeMutablePointer<Element> {
        (arena + region.offset).assumingMemoryBound(to: Element.self)
    }
}
