import FloatModel
import Foundation
import Kernels
import ModelFile
import STLM

/// How a packed file does on a text, beside the float model.
public struct Measurement: Sendable {
    public var name: String
    public var byteCount: Int
    /// Tokens or blocks scored.
    public var count: Int
    public var context: Int
    /// Bits, of the float model's weights.
    public var floatCost: Double
    /// In units of 2^-24 bits, as `score` counts.
    public var cost: Int64
    /// The same with narrower keys and values; nil where they were not measured.
    public var costInt8: Int64?
    public var costInt4: Int64?
    /// Sum over all rows of the divergence of the file's distributions from the float model's, in bits.
    public var divergence: Double
    public var rowCount: Int
    public var agreementCount: Int

    public var floatBitsPerByte: Double { floatCost / Double(max(1, byteCount)) }
    public var bitsPerByte: Double { bits(cost) / Double(max(1, byteCount)) }
    public var floatPerplexity: Double { exp2(floatCost / Double(max(1, count))) }
    public var perplexity: Double { exp2(bits(cost) / Double(max(1, count))) }
    /// What the file loses in bits per byte, relative to the float model: 0.01 is 1 %.
    public var loss: Double { bits(cost) / floatCost - 1 }
    /// Mean divergence of a row, in bits.
    public var meanDivergence: Double { divergence / Double(max(1, rowCount)) }
    public var agreement: Double { Double(agreementCount) / Double(max(1, rowCount)) }

    /// What stands in a file until it is measured.
    static func unmeasured(name: String) -> Measurement {
        Measurement(name: name, byteCount: 1, count: 1, context: 1, floatCost: 1, cost: 1, divergence: 0, rowCount: 0, agreementCount: 0)
    }

    func bits(_ cost: Int64) -> Double { Double(cost) * 0x1p-24 }

    /// Perplexity with keys and values that cost so much, relative to the file's own with 16 bits, less 1.
    func perplexityIncrease(_ other: Int64) -> Double { exp2(bits(other - cost) / Double(max(1, count))) - 1 }
}

extension PackedFile {
    /// Costs and divergence over the reference's windows, all on the runtime that boards run.
    func measured(
        against reference: FloatReference, _ text: TextWindows, name: String, context: Int, progress: (Double) -> Void
    ) throws(PackError) -> Measurement {
        var result = Measurement(
            name: name, byteCount: text.byteCount, count: text.count, context: context, floatCost: reference.cost, cost: 0, divergence: 0,
            rowCount: 0, agreementCount: 0)
        var sum = LogitDivergence()
        try withSession(context: context, threadCount: reference.threadCount) { session throws(PackError) in
            for (index, window) in reference.windows.enumerated() {
                let (cost, logits) = try session.score(window, keepsLogits: true)
                result.cost = added(result.cost, cost)
                let expected = try reference.logits(index)
                sum = sum + logits!.divergence(from: expected, rows: reference.scored(index), threadCount: reference.threadCount)
                progress(Double(index + 1) / Double(reference.windows.count))
            }
        }
        (result.divergence, result.rowCount, result.agreementCount) = (sum.bits, sum.rowCount, sum.agreementCount)
        return result
    }

    /// Divergence alone.
    func divergence(from reference: FloatReference, context: Int) throws(PackError) -> LogitDivergence {
        var sum = LogitDivergence()
        try withSession(context: context, threadCount: reference.threadCount) { session throws(PackError) in
            for (index, window) in reference.windows.enumerated() {
                let logits = try session.score(window, keepsLogits: true).logits!
                sum = try sum + logits.divergence(from: reference.logits(index), rows: reference.scored(index), threadCount: reference.threadCount)
            }
        }
        return sum
    }

    /// Cost alone, in units of 2^-24 bits.
    func cost(_ windows: [FloatWindow], context: Int, threadCount: Int, keyValues: KeyValueType) throws(PackError) -> Int64 {
        var total: Int64 = 0
        try withSession(context: context, threadCount: threadCount, keyValues: keyValues) { session throws(PackError) in
            for window in windows { total = try added(total, session.score(window, keepsLogits: false).cost) }
        }
        return total
    }

    func withSession(
        context: Int, threadCount: Int, keyValues: KeyValueType = .int16, _ body: (inout Session) throws(PackError) -> Void
    ) throws(PackError) {
        do {
            var options = SessionOptions(model)
            options.contextTokenCount = context
            options.threadCount = max(1, min(threadCount, 32))
            options.keyValueType = keyValues
            // A model that is not causal reads a window as one batch.
            if !model.record.isCausal { options.batchTokenCount = context }
            options.logitRowCount = min(options.batchTokenCount, context)
            let plan = try MemoryPlan(model, options)
            let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: plan.arenaByteCount, alignment: 64)
            defer { arena.deallocate() }
            // In a function of its own, so that the session and its threads end before the arena does.
            func run() throws {
                var session = try Session(model, plan, kernels: .detected, arena: arena)
                try body(&session)
            }
            try run()
        } catch let error as PackError {
            throw error
        } catch {
            throw .ownOutput(sentence: "\(error)")
        }
    }
}

extension Session {
    /// Feeds a window from position 0: the cost of its targets in units of 2^-24 bits, and the logits of all positions, (S, V) or
    /// (S * C, 258), rows that are not scored being 0.
    mutating func score(_ window: FloatWindow, keepsLogits: Bool) throws(PackError) -> (cost: Int64, logits: FloatRows?) {
        reset()
        let rowsPerPosition = model.writesBlocks ? model.blockSize : 1, width = model.logitCount
        var logits = keepsLogits ? FloatRows(rows: window.inputs.count * rowsPerPosition, columns: width) : nil
        let unit = Float(exp2(-Double(model.logitFractionBits)))
        var total: Int64 = 0
        var start = 0
        while start < window.inputs.count {
            let part = window.inputs[start..<min(start + plan.logitRowCount, window.inputs.count)]
            do throws(SessionError) {
                try part.joined().map { UInt32($0) }.withUnsafeBufferPointer { numbers throws(SessionError) in try feed(numbers) }
            } catch {
                throw .ownOutput(sentence: "\(error)")
            }
            let tokenLogits = model.writesBlocks ? nil : computeLogits(rows: 0..<part.count)
            for row in 0..<part.count {
                let target = window.targets[start + row + 1].map { UInt32($0) }
                target.withUnsafeBufferPointer { target in
                    let first = tokenLogits.map { $0 + row * width } ?? computeBlockLogits(row: row, of: target.baseAddress!)
                    let drawn = model.writesBlocks ? model.drawnCount(target.baseAddress!) : 1
                    for slot in 0..<drawn {
                        total = added(total, cost(first + slot * width, of: target[slot]))
                        let place = ((start + row) * rowsPerPosition + slot) * width
                        for k in 0..<(keepsLogits ? width : 0) { logits!.values[place + k] = Float(first[slot * width + k]) * unit }
                    }
                }
            }
            start += part.count
        }
        return (total, logits)
    }
}
