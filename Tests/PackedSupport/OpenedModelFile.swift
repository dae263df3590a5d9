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

    public var logitUnit: Double { exp2(-Double(model.record.logitFractionBits)) }

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
        // A model that is not causal reads its whole sequence as one batch.
        let batch = model.record.isCausal ? 16 : ids.count
        let options = options ?? self.options(context: ids.count, batch: batch)
        return try withSession(options, poison: poison) { try $0.allLogits(ids) }
    }
}

extension Session {
    /// Feeds `ids` in batches of the plan's size and returns the logits of each.
    public mutating func allLogits(_ ids: [Int]) throws -> [[Int32]] {
        let tokens = ids.map { UInt32($0) }, size = model.vocabularySize
        var rows: [[Int32]] = []
        for start in stride(from: 0, to: tokens.count, by: plan.logitRowCount) {
            let part = Array(tokens[start..<min(start + plan.logitRowCount, tokens.count)])
            try feed(part)
            let logits = computeLogits(rowCount: part.count)
            for row in part.indices { rows.append(Array(UnsafeBufferPointer(start: logits + row * size, count: size))) }
        }
        return rows
    }

    public mutating func feed(_ tokens: [UInt32]) throws {
        try tokens.withUnsafeBufferPointer { try feed($0) }
    }

    /// The logits of the last position.
    public mutating func lastLogits() -> [Int32] {
        Array(UnsafeBufferPointer(start: computeLogits(), count: model.vocabularySize))
    }
}
