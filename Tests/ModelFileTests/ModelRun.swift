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
        var drawn: [UInt32] = []
        var pieces: [UInt16] = []
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
            let known = tokens.map { $0 % UInt32(model.vocabularySize) }
            var start = 0
            let count = min(known.count, options.contextTokenCount!)
            while start < count {
                let end = min(count, start + batch)
                try known[start..<end].withUnsafeBufferPointer { try session.feed($0) }
                known[start..<end].forEach { recent.append($0) }
                start = end
            }
            let logits = session.computeLogits()
            result.logits.append(Array(UnsafeBufferPointer(start: logits, count: model.vocabularySize)))
            result.costs = [0, UInt32(model.vocabularySize - 1)].map { session.cost(logits, of: $0) }
            for _ in 0..<2 { result.drawn.append(session.sample(logits, options.sampling, random: &random, recent: recent)) }
            if session.position == plan.contextTokenCount { try session.slide() }
            if let tokenizer = model.tokenizer {
                try "he hel \u{1F600} abc".utf8.withContiguousStorageIfAvailable { text in
                    var encoder = TextEncoder(tokenizer, text: text, scratch: session.encoderScratch)
                    while case let count = try encoder.next(), count > 0 {
                        result.pieces += UnsafeBufferPointer(start: encoder.tokens, count: count)
                    }
                }
            }
        }
        result.isSlackIntact = arena.isSlackIntact
        return result
    }
}
