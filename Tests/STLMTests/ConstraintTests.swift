import FixedPoint
import Grammar
import ModelFile
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What is drawn under a constraint, against all tokens tried one by one: arithmetic-1, section 7.1.
@Suite struct ConstraintTests {
    static let tokens: [OpenedModelFile] = [
        try! SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }.packed(.int8, tokenizer: SyntheticTokenizer.merges),
        try! SyntheticLlama2 { $0.vocabularySize = SyntheticTokenizer.llama2VocabularySize }.packed(.int8, tokenizer: SyntheticTokenizer.llama2()),
    ]
    static let blocks = try! ByteLevelSource.pairs.filter { $0.source.writesBlocks }.map { try $0.source.packed(.int8) }

    private func settings(_ index: Int, _ model: Model) -> SamplingSettings {
        let s = BlockDrawingTests.table[index]
        var settings = SamplingSettings(model.record)
        (settings.temperature, settings.topK, settings.topP, settings.minP) = (s.temperature, s.topK, s.topP, s.minP)
        (settings.repeatPenalty, settings.repeatWindow) = (s.penalty, s.window)
        return settings
    }

    /// A constraint in memory of exactly its size, between pages that cannot be touched.
    private func withConstraint<Result>(
        _ model: Model, _ text: String, _ kind: GrammarKind = .rules, allowsEnd: Bool = true, _ body: (Constraint) throws -> Result
    ) throws -> Result {
        let memory = GuardedMemory(byteCount: Constraint.byteCount(model), alignment: 64), text = GuardedMemory(Array(text.utf8))
        defer { withExtendedLifetime((memory, text)) {} }
        let constraint = try Constraint(
            model, kind, UnsafeBufferPointer(text.bytes.bindMemory(to: UInt8.self)), allowsEnd: allowsEnd, memory: memory.bytes)
        return try body(constraint)
    }

    /// One of some candidates by the document, from all logits.
    private func drawn(
        _ sampler: inout StraightforwardSampler, _ logits: [Int32], _ candidates: [Int], _ history: [Int]
    ) -> Int {
        // The penalty is for ids; of those that are no candidates it is for nobody.
        let places = Dictionary(uniqueKeysWithValues: zip(candidates, 0...))
        let recent = history.suffix(Int(sampler.settings.repeatWindow)).compactMap { places[$0] }
        return candidates[sampler.next(candidates.map { logits[$0] }, recent)]
    }

    @Test(arguments: tokens.indices, BlockDrawingTests.table.indices) func tokensAreThoseThatTryingEachAllows(_ which: Int, _ index: Int) throws {
        let packed = Self.tokens[which], model = packed.model, settings = settings(index, model), tokenizer = model.tokenizer!
        var numbers = SeededNumbers(seed: UInt64(10 * which + index)), endCount = 0, forcedCount = 0, longCount = 0
        for round in 0..<20 {
            let grammar = NaiveGrammar.random(&numbers), allowsEnd = round % 5 != 0
            try withConstraint(model, "root ::= \(grammar.text)", allowsEnd: allowsEnd) { constraint in
                try packed.withSession(packed.options(context: 16) { $0 = settings }) { session in
                    session.constraint = constraint
                    var random = SplitMix64(seed: UInt64(round)), recent = session.recentTokens(), history: [Int] = []
                    var sampler = StraightforwardSampler(fractionBits: model.logitFractionBits, settings: settings, seed: UInt64(round))
                    var text: [UInt8] = []
                    try session.feed([5])
                    for _ in 0..<12 {
                        let now = grammar.match(text)
                        #expect(constraint.isAccepting == now.isWhole && constraint.isComplete == (now.isWhole && !now.goesOn))
                        if constraint.isComplete { break }
                        let logits = Array(UnsafeBufferPointer(start: session.computeLogits(), count: model.logitCount))
                        let allowed = (0..<model.vocabularySize).filter { token in
                            if model.isEnd(UInt32(token)) { return allowsEnd && now.isWhole }
                            let piece = tokenizer.piece(UInt32(token))
                            if piece.isEmpty || UInt32(token) == model.bosToken { return false }
                            let after = grammar.match(text + piece)
                            return after.isWhole || after.goesOn
                        }
                        let expected = drawn(&sampler, logits, allowed, history)
                        // What was computed before is not to be seen.
                        session.computeLogits().update(repeating: .max, count: model.logitCount)
                        let own = session.draw(settings, random: &random, recent: &recent)[0]
                        #expect(Int(own) == expected, "\(grammar.text) after \(text)")
                        forcedCount += allowed.count == 1 ? 1 : 0
                        if model.isEnd(own) {
                            endCount += 1
                            break
                        }
                        longCount += tokenizer.piece(own).count > 1 ? 1 : 0
                        text += tokenizer.piece(own)
                        history.append(Int(own))
                        try session.feed([own])
                    }
                }
            }
        }
        #expect(forcedCount + endCount + longCount > 3, "\(endCount) \(forcedCount) \(longCount)")
    }

    @Test(arguments: blocks.indices, BlockDrawingTests.table.indices) func symbolsAreThoseThatTryingEachAllows(_ which: Int, _ index: Int) throws {
        let packed = Self.blocks[which], model = packed.model, settings = settings(index, model), size = model.blockSize
        let end = (0..<size).map { Int(model.record.endBlock[$0]) }
        let isDecoder = model.record.head.kind == HeadKind.byteDecoder.rawValue
        var numbers = SeededNumbers(seed: UInt64(100 * which + index))
        for round in 0..<8 {
            let grammar = NaiveGrammar.random(&numbers)
            try withConstraint(model, "root ::= \(grammar.text)") { constraint in
                try packed.withSession(packed.options(context: 16) { $0 = settings }) { session in
                    session.constraint = constraint
                    var random = SplitMix64(seed: UInt64(round)), recent = session.recentTokens(), history: [Int] = []
                    var sampler = StraightforwardSampler(fractionBits: model.logitFractionBits, settings: settings, seed: UInt64(round))
                    var text: [UInt8] = []
                    var pieces = SeededPieces(seed: 5)
                    for input in pieces.inputs(model, 5) {
                        let begun = grammar.match(text)
                        if begun.isWhole && !begun.goesOn { break }
                        try session.feed(input.map { UInt32($0) })
                        let own = Array(UnsafeBufferPointer(start: session.draw(settings, random: &random, recent: &recent), count: size))
                        let logits = session.computeBlockLogits(row: 0, of: own)
                        var isClosed = false, isEnd = false
                        for slot in 0..<model.drawnCount(own) {
                            let now = grammar.match(text)
                            let allowed = (0..<258).filter { symbol in
                                if isEnd { return symbol == end[slot] }
                                if isClosed { return symbol == 256 }
                                if symbol < 256 {
                                    let after = grammar.match(text + [UInt8(symbol)])
                                    return after.isWhole || after.goesOn
                                }
                                return slot == 0 ? now.isWhole && symbol == end[0] : symbol == 256
                            }
                            let values = Array(UnsafeBufferPointer(start: logits + slot * 258, count: 258))
                            let expected = drawn(&sampler, values, allowed, history)
                            #expect(Int(own[slot]) == expected, "\(grammar.text) after \(text), slot \(slot)")
                            if own[slot] < 256 {
                                text.append(UInt8(own[slot]))
                                history.append(Int(own[slot]))
                            } else if slot == 0 {
                                isEnd = true
                            } else {
                                isClosed = true
                            }
                        }
                        #expect(isDecoder || model.drawnCount(own) == size)
                        #expect(constraint.isAccepting == grammar.match(text).isWhole)
                        if isEnd {
                            #expect(model.isEnd(block: own))
                            break
                        }
                    }
                }
            }
        }
    }

    /// Many states and room for few sets: one takes the place of another and is found again.
    @Test func setsOfTokensComeAndGo() throws {
        let packed = Self.tokens[0], model = packed.model
        // As many kinds of states as there are letters left, in pieces that no two share.
        let names = (0..<250).map { k in "\(k * 7919 % 10_007)the\(k)h" }
        try withConstraint(model, names.joined(separator: "\n"), .choices) { constraint in
            var settings = SamplingSettings(model.record)
            (settings.temperature, settings.topK, settings.topP) = (6_553_600, 0, 65_536)
            try packed.withSession(packed.options(context: 32) { $0 = settings }) { session in
                session.constraint = constraint
                var random = SplitMix64(seed: 3), recent = session.recentTokens(), seen: Set<String> = []
                for _ in 0..<300 {
                    var text: [UInt8] = []
                    constraint.restart()
                    session.reset()
                    try session.feed([5])
                    while !constraint.isComplete {
                        let token = session.draw(settings, random: &random, recent: &recent)[0]
                        if model.isEnd(token) { break }
                        text += model.tokenizer!.piece(token)
                        try session.feed([token])
                    }
                    seen.insert(String(decoding: text, as: UTF8.self))
                }
                #expect(seen.isSubset(of: Set(names)) && seen.count > 100, "\(seen.count)")
            }
        }
    }

    @Test func threadsAndKernelsDrawTheSame() throws {
        for packed in Self.tokens + Self.blocks where packed.model.canGenerate {
            let model = packed.model
            var all: Set<[UInt32]> = []
            for (threads, kernels) in [(1, packed.options().kernels), (2, packed.options().kernels), (1, .baseline)] {
                try withConstraint(model, "root ::= ([a-z ]{3,9} | \"the\" [^\"]*)") { constraint in
                    var settings = SamplingSettings(model.record)
                    settings.temperature = 65_536
                    try packed.withSession(packed.options(context: 16, threads: threads, kernels: kernels) { $0 = settings }) { session in
                        session.constraint = constraint
                        var random = SplitMix64(seed: 8), recent = session.recentTokens(), made: [UInt32] = []
                        var next = [UInt32](repeating: 97, count: model.inputSize)
                        for _ in 0..<8 where !constraint.isComplete {
                            try session.feed(next)
                            next = Array(UnsafeBufferPointer(
                                start: session.draw(settings, random: &random, recent: &recent), count: model.outputSize))
                            made += next
                        }
                        all.insert(made)
                    }
                }
            }
            #expect(all.count == 1)
        }
    }

    @Test func whatCannotBeIsRefused() throws {
        let model = Self.tokens[0].model, bare = try SyntheticSTLM().packed(.int8).model
        let memory = GuardedMemory(byteCount: Constraint.byteCount(model), alignment: 64)
        defer { withExtendedLifetime(memory) {} }
        let text: [UInt8] = Array("root ::= \"a\"".utf8)
        func refusal(_ model: Model, _ memory: UnsafeMutableRawBufferPointer) -> ConstraintError? {
            do throws(ConstraintError) {
                _ = try text.withUnsafeBufferPointer { buffer throws(ConstraintError) in try Constraint(model, .rules, buffer, memory: memory) }
                return nil
            } catch { return error }
        }
        #expect(refusal(model, memory.bytes) == nil)
        #expect(refusal(bare, memory.bytes) == .noTokenizer)
        let less = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<(memory.bytes.count - 1)])
        #expect(refusal(model, less) == .memoryTooSmall(have: less.count, need: memory.bytes.count))
    }
}
