import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Moments and counts against sums over what the pass in double precision shows at its probe points.
@Suite struct InputStatisticsTests {
    private struct Naive {
        var rowCount = 0
        var sums: [Double] = []
        var products: [Double] = []

        mutating func add(_ inputs: Activations) {
            let n = inputs.columns
            if sums.isEmpty { (sums, products) = ([Double](repeating: 0, count: n), [Double](repeating: 0, count: n * n)) }
            for row in 0..<inputs.rows {
                let x = inputs.row(row)
                for i in 0..<n {
                    sums[i] += x[i]
                    for j in 0..<n { products[i * n + j] += x[i] * x[j] }
                }
            }
            rowCount += inputs.rows
        }
    }

    /// The weights that read what stands at a probe point.
    private func readers(_ model: FloatModel, _ point: ProbePoint) -> [FloatMatrix] {
        func step(_ index: Int, _ section: FloatSection) -> FloatStep {
            switch section {
            case .embedder: model.byteEmbedder!.schedule[index]
            case .core: model.schedule[index]
            case .head: (model.byteDecoder?.schedule ?? model.byteSlots!.schedule)[index]
            }
        }
        switch point {
        case .attentionInput(let index, let part): return [model.attentions[step(index, part).attention!].qkv.weight]
        case .attentionMix(let index, let part): return [model.attentions[step(index, part).attention!].output.weight]
        case .feedForwardInput(let index, let part):
            let part = model.feedForwards[step(index, part).feedForward!]
            return [part.up.weight] + (part.gate.map { [$0.weight] } ?? [])
        case .feedForwardInner(let index, let part): return [model.feedForwards[step(index, part).feedForward!].down.weight]
        case .headInput:
            if let head = model.byteSlots { return [head.projection.weight] }
            if let head = model.byteDecoder { return [head.projection.weight] }
            return [model.linearHead!.output.weight]
        case .outputInput: return [model.byteSlots?.output.weight ?? model.byteDecoder!.output.weight]
        default: return []
        }
    }

    private func check(_ model: FloatModel, length: Int, windows: Int = 2) throws {
        let windows = (0..<UInt64(windows)).map {
            FloatWindow(inputs: model.sampleInputs(length, seed: $0), targets: model.sampleTargets(length + 1, seed: $0 + 100))
        }
        var naive: [ObjectIdentifier: Naive] = [:]
        for window in windows {
            _ = try model.forward(inputs: window.inputs, targets: model.writesBlocks ? window.targets : nil) { point, inputs in
                for matrix in readers(model, point) { naive[ObjectIdentifier(matrix), default: Naive()].add(inputs) }
            }
        }
        var fractions: [Double] = []
        let statistics = try InputStatistics.collected(model, windows: windows, threadCount: 2) { fractions.append($0) }
        #expect(fractions == windows.indices.map { Double($0 + 1) / Double(windows.count) })
        #expect(!naive.isEmpty)
        for matrix in model.matrices {
            guard let expected = naive[ObjectIdentifier(matrix)] else {
                #expect(statistics.moments(of: matrix) == nil)
                continue
            }
            let moments = try #require(statistics.moments(of: matrix)), n = matrix.columns
            #expect(moments.columns == n && moments.rowCount == expected.rowCount, "\(matrix.name)")
            let most = expected.products.reduce(0) { max($0, abs($1)) }, own = moments.secondMoments()
            let worst = zip(own, expected.products).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
            #expect(own.count == n * n && worst < 1e-5 * most, "\(matrix.name)")
            for i in 0..<n {
                #expect(abs(moments.mean[i] - expected.sums[i] / Double(expected.rowCount)) < 1e-5 * most.squareRoot())
                for j in 0..<n where (i + j) % 3 == 0 { #expect(moments[i, j] == own[i * n + j]) }
            }
            #expect(moments.diagonal == (0..<n).map { own[$0 * n + $0] })
        }
    }

    @Test(arguments: ["swiglu", "generic"], [false, true]) func momentsOfTokenModels(_ type: String, isShared: Bool) throws {
        let source = SyntheticSTLM { ($0.feedForwardType, $0.isFeedForwardShared, $0.feedForwardSize) = (type, isShared, 43) }
        try check(FloatModel(stlm: TorchCheckpoint(source.checkpointBytes())), length: 11)
    }

    @Test(arguments: SyntheticSTLM.byteLevelPairs, [false, true])
    func momentsOfByteModels(_ pair: (embedder: String, head: String), isShared: Bool) throws {
        let source = SyntheticSTLM(embedder: pair.embedder, head: pair.head) {
            ($0.isFeedForwardShared, $0.decoder.isFeedForwardShared) = (isShared, isShared)
        }
        // More rows than one sum takes at a time, of slots.
        try check(FloatModel(stlm: TorchCheckpoint(source.checkpointBytes())), length: 25)
    }

    @Test func momentsOfLongWindows() throws {
        let source = SyntheticLlama2 { ($0.contextSize, $0.hiddenSize, $0.feedForwardSize) = (300, 40, 75) }
        try check(FloatModel(llama2: Llama2Checkpoint(source.bytes(version: 0))), length: 270, windows: 1)
    }

    @Test func gateAndUpShareTheirMomentsAndNothingElseDoes() throws {
        let model = try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM().checkpointBytes()))
        let statistics = InputStatistics(model, threadCount: 1)
        #expect(model.matrices.allSatisfy { statistics.moments(of: $0) == nil })
        try FloatPass(model, threadCount: 1).observe(inputs: [[1], [2]], observer: statistics)
        let part = model.feedForwards[0]
        #expect(statistics.moments(of: part.gate!.weight) === statistics.moments(of: part.up.weight))
        // Of each of two steps qkv, output, up with gate, and down; and the head.
        let distinct = Set(model.matrices.compactMap { statistics.moments(of: $0).map(ObjectIdentifier.init) })
        #expect(distinct.count == 2 * 4 + 1)
    }

    /// What a pass with logits shows an observer is what one without them does.
    @Test func observingNeedsNoLogits() throws {
        let model = try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(embedder: "byte_level", head: "byte_decoder").checkpointBytes()))
        let inputs = model.sampleInputs(4), pass = FloatPass(model, threadCount: 2)
        let first = InputStatistics(model, threadCount: 2), second = InputStatistics(model, threadCount: 2)
        _ = try pass.forward(inputs: inputs, observer: first)
        try pass.observe(inputs: inputs, observer: second)
        for matrix in model.matrices {
            #expect(first.moments(of: matrix)?.secondMoments() == second.moments(of: matrix)?.secondMoments())
            #expect(first.useCounts(of: matrix) == second.useCounts(of: matrix))
        }
    }

    @Test func rowsOfTablesAreCounted() throws {
        let tokens = try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM { $0.positions = "learned" }.checkpointBytes()))
        let windows = [[3, 3, 95], [3, 0]].map { ids in FloatWindow(inputs: ids.map { [$0] }, targets: []) }
        var statistics = try InputStatistics.collected(tokens, windows: windows, threadCount: 1)
        let counts = try #require(statistics.useCounts(of: tokens.tokenTable!))
        #expect(counts.count == 96 && counts.reduce(0, +) == 5 && (counts[3], counts[95], counts[0]) == (3, 1, 1))
        #expect(statistics.useCounts(of: tokens.tokenPositions!)?.prefix(4) == [2, 2, 1, 0])
        // The tied table is also what the head multiplies with.
        #expect(statistics.moments(of: tokens.tokenTable!)?.rowCount == 5)

        let bytes = try FloatModel(stlm: TorchCheckpoint(SyntheticSTLM(embedder: "byte_level", head: "byte_decoder") {
            $0.blockSize = 3
        }.checkpointBytes()))
        let window = FloatWindow(inputs: [[65, 65, 256], [66, 257, 256]], targets: [[0, 0, 0], [66, 257, 256], [1, 2, 3]])
        statistics = try InputStatistics.collected(bytes, windows: [window], threadCount: 1)
        let embedder = bytes.byteEmbedder!, decoder = bytes.byteDecoder!
        let symbols = try #require(statistics.useCounts(of: embedder.table))
        #expect(symbols.count == 258 && (symbols[65], symbols[66], symbols[256], symbols[257]) == (2, 1, 2, 1))
        #expect(statistics.useCounts(of: embedder.slotPositions) == [2, 2, 2])
        // A pad before each slot 0, then all symbols but the last: 66 of the first block, 1 and 2 of the second.
        let fed = try #require(statistics.useCounts(of: decoder.table))
        #expect(fed.reduce(0, +) == 5 && (fed[256], fed[66], fed[1], fed[2]) == (2, 1, 1, 1))
        #expect(statistics.useCounts(of: decoder.slotPositions) == [2, 2, 1])
        #expect(statistics.moments(of: decoder.table)?.rowCount == 5)
        #expect(statistics.useCounts(of: bytes.attentions[0].qkv.weight) == nil)
    }
}
