import Foundation
import Kernels
import ModelFile
import STLM

/// A model file in memory, opened. Its aligned bytes stay for the life of the process, because neither `file` nor `model`
/// keeps them alive.
public final class OpenedModelFile: @unchecked Sendable {
    public let bytes: [UInt8]
    public let file: ModelFile
    public let model: Model

    public init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
        memory.copyBytes(from: bytes)
        file = try ModelFile(memory.baseAddress!, byteCount: bytes.count)
        model = Model(file)
    }

    public var logitUnit: Double { exp2(-Double(model.record.head.logitFractionBits)) }

    /// A session's options with room for the logits of every row of a batch.
    public func options(
        context: Int? = nil, batch: Int = 16, threads: Int = 1, kernels: KernelSet = .detected,
        sampling: ((inout SamplingSettings) -> Void)? = nil
    ) -> SessionOptions {
        var options = SessionOptions(model, kernels: kernels)
        options.contextTokenCount = context
        options.batchTokenCount = batch
        options.logitRowCount = batch
        options.threadCount = threads
        sampling?(&options.sampling)
        return options
    }

    /// Runs `body` with a session in an arena of exactly the planned size, filled with `poison` before.
    public func withSession<Result>(
        _ options: SessionOptions, poison: UInt8 = 0xA5, _ body: (inout Session) throws -> Result
    ) throws -> Result {
        let plan = try MemoryPlan(model, options)
        let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: plan.arenaByteCount, alignment: 64)
        defer { arena.deallocate() }
        arena.initializeMemory(as: UInt8.self, repeating: poison)
        // In a function of its own, so that the session and its threads end before the arena does.
        func run() throws -> Result {
            var session = try Session(model, plan, kernels: options.kernels, arena: arena)
            return try body(&session)
        }
        return try run()
    }

    /// Logits of every position, fed in batches of the session's size: (positions, vocabulary) in units of `logitUnit`.
    public func logits(_ ids: [Int], _ options: SessionOptions? = nil, poison: UInt8 = 0xA5) throws -> [[Int32]] {
        try logits(inputs: ids.map { [$0] }, options, poison: poison)
    }

    /// The same for inputs of any kind: (positions, vocabulary), or (positions * blockSize, 258).
    /// - Parameters:
    ///   - inputs: for each position an id or the symbols of a block.
    ///   - targets: for each position its block, as `FloatModel.forward` takes them.
    public func logits(
        inputs: [[Int]], targets: [[Int]]? = nil, _ options: SessionOptions? = nil, poison: UInt8 = 0xA5
    ) throws -> [[Int32]] {
        // A model that is not causal reads its whole sequence as one batch.
        let batch = model.record.isCausal ? 16 : inputs.count
        let options = options ?? self.options(context: inputs.count, batch: batch)
        return try withSession(options, poison: poison) { try $0.allLogits(inputs: inputs, targets: targets) }
    }
}

extension Session {
    /// Feeds `ids` in batches of the plan's size and returns the logits of each.
    public mutating func allLogits(_ ids: [Int]) throws -> [[Int32]] { try allLogits(inputs: ids.map { [$0] }) }

    /// Feeds inputs of any kind. A byte decoder at position s sees block s + 1 of the targets, or of the inputs where blocks go in and
    /// there are no targets; where there is no such block, its own likeliest symbols.
    public mutating func allLogits(inputs: [[Int]], targets: [[Int]]? = nil) throws -> [[Int32]] {
        let next = (targets ?? (model.takesBlocks ? inputs : [])).dropFirst(), size = model.logitCount
        var rows: [[Int32]] = []
        for start in stride(from: 0, to: inputs.count, by: plan.logitRowCount) {
            let part = inputs[start..<min(start + plan.logitRowCount, inputs.count)]
            try feed(part.joined().map { UInt32($0) })
            if !model.writesBlocks {
                let logits = computeLogits(rowCount: part.count)
                for row in 0..<part.count { rows.append(Array(UnsafeBufferPointer(start: logits + row * size, count: size))) }
                continue
            }
            for row in 0..<part.count {
                let position = next.startIndex + start + row
                let logits = position < next.endIndex
                    ? next[position].map { UInt32($0) }.withUnsafeBufferPointer { computeBlockLogits(row: row, of: $0.baseAddress!) }
                    : computeBlockLogits(row: row, of: likeliestBlock(row: row))
                for slot in 0..<model.blockSize { rows.append(Array(UnsafeBufferPointer(start: logits + slot * size, count: size))) }
            }
        }
        return rows
    }

    /// One id a position, or the symbols of whole blocks.
    public mutating func feed(_ numbers: [UInt32]) throws {
        try numbers.withUnsafeBufferPointer { try feed($0) }
    }

    /// The logits of the last position of a model that gives tokens.
    public mutating func lastLogits() -> [Int32] {
        Array(UnsafeBufferPointer(start: computeLogits(), count: model.logitCount))
    }
}
