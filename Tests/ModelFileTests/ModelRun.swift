import FixedPoint
import Foundation
import Kernels
import ModelFile
import STLM
import TestSupport
import Tokenizers

/// Runs a model over hostile numbers in memory that ends where the plan says, before a page that cannot be touched.
final class ModelRun {
    private let fileMemory = GuardedMemory(byteCount: 1 << 17, alignment: 64)
    private var arena = GuardedMemory(byteCount: 1 << 20, alignment: 64)

    struct Result: Equatable {
        var logits: [[Int32]] = []
        var costs: [Int64] = []
        var drawn: [[UInt32]] = []
        var likeliest: [UInt32] = []
        var pieces: [UInt32] = []
        /// Nothing below the arena was written.
        var isSlackIntact = true
    }

    /// - Parameters:
    ///   - batch: tokens fed at once; results must not depend on it, nor on the threads, the kernels or what the arena held.
    /// - Throws: `ModelFileError` if the file is refused.
    func run(_ bytes: [UInt8], tokens: [UInt32], batch: Int, threads: Int, kernels: KernelSet, fill: UInt8) throws -> Result {
        fileMemory.take(bytes.count, alignment: 64)
        fileMemory.bytes.copyBytes(from: bytes)
        let model = Model(try ModelFile(fileMemory.base, byteCount: bytes.count))
        var options = SessionOptions(model, kernels: kernels)
        options.contextTokenCount = min(6, Int(model.record.contextMaximum))
        options.batchTokenCount = batch
        options.threadCount = threads
        let plan = try MemoryPlan(model, options)
        if plan.arenaByteCount > arena.capacity { arena = GuardedMemory(byteCount: plan.arenaByteCount, alignment: 64) }
        arena.take(plan.arenaByteCount, alignment: 64)
        memset(arena.base, Int32(fill), plan.arenaByteCount)
        var result = Result()
        do {
            var session = try Session(model, plan, kernels: kernels, arena: arena.bytes)
            var random = SplitMix64(seed: 3)
            var recent = session.recentTokens()
            let inputs = model.numbers(tokens, model.inputSize, below: model.inputLimit)
            var start = 0, lastRow = 0
            let count = min(tokens.count, options.contextTokenCount!)
            while start < count {
                let end = min(count, start + batch)
                let part = Array(inputs[start * model.inputSize..<end * model.inputSize])
                try part.withUnsafeBufferPointer { try session.feed($0) }
                for number in part where Int(number) < min(model.logitCount, model.writesBlocks ? 256 : .max) { recent.append(number) }
                lastRow = model.record.isCausal ? end - start - 1 : end - 1
                start = end
            }
            session.finish(row: lastRow, options.sampling, &random, &recent, &result)
            if session.position == plan.contextTokenCount { try session.slide() }
            if let tokenizer = model.tokenizer {
                try "he hel \u{1F600} abc".utf8.withContiguousStorageIfAvailable { text in
                    var encoder = TextEncoder(tokenizer, blockSize: model.blockSize, text: text, scratch: session.encoderScratch)
                    while case let count = try encoder.next(), count > 0 {
                        var symbols = [UInt32](repeating: 0, count: model.blockSize)
                        for k in 0..<count {
                            if tokenizer.givesTokens { result.pieces.append(UInt32(encoder.tokens[k])) }
                            if model.blockSize > 0 { encoder.writeBlock(k, into: &symbols) }
                            result.pieces += symbols
                        }
                    }
                }
            }
        }
        result.isSlackIntact = arena.isSlackIntact
        return result
    }
}

extension Model {
    /// For each of some tokens so many numbers below a limit.
    fileprivate func numbers(_ tokens: [UInt32], _ size: Int, below limit: Int) -> [UInt32] {
        tokens.flatMap { token in (0..<UInt32(size)).map { (token + 97 * $0) % UInt32(limit) } }
    }
}

extension Session {
    /// Everything that can be asked for after the last position, which is `row` of the last `feed`.
    fileprivate mutating func finish(
        row: Int, _ sampling: SamplingSettings, _ random: inout SplitMix64, _ recent: inout RecentTokens, _ result: inout ModelRun.Result
    ) {
        let size = model.outputSize, count = size * model.logitCount
        let targets = model.numbers([5, 160] + [UInt32(model.logitCount - 1)], size, below: model.logitCount)
        targets.withUnsafeBufferPointer { targets in
            for k in 0..<3 {
                let target = targets.baseAddress! + k * size
                let logits = model.writesBlocks ? computeBlockLogits(row: row, of: target) : computeLogits()
                result.logits.append(Array(UnsafeBufferPointer(start: logits, count: count)))
                result.costs.append(cost(row: row, of: target))
            }
        }
        if model.writesBlocks { result.likeliest = Array(UnsafeBufferPointer(start: likeliestBlock(row: row), count: size)) }
        for _ in 0..<2 {
            result.drawn.append(Array(UnsafeBufferPointer(start: draw(sampling, random: &random, recent: &recent), count: size)))
        }
    }
}
