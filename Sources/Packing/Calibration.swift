import FixedPoint
import FloatModel
import Foundation

/// Fixed points for the streams and the logits, from the weights and a short pass of the float model.
struct Calibration {
    /// Fraction bits of a section's stream.
    struct Stream {
        var start = 0
        /// After each step.
        var steps: [Int] = []
    }

    private(set) var embedder = Stream()
    private(set) var core = Stream()
    private(set) var head = Stream()
    let logitFractionBits: Int

    /// Bits between the greatest magnitude seen in the pass and the end of 32 bits.
    private static let headroomBits = 6

    init(_ model: FloatModel) throws(PackError) {
        var report = ProbeReport()
        do {
            try model.probe(inputs: Self.inputs(model), into: &report)
        } catch {
            throw .model(error)
        }
        logitFractionBits = clampFractionBits(min(24, Self.logitBits(model, seen: report[.logits]?.maximum ?? 0)))

        var most = report[.embedding]?.maximum ?? 0
        for step in model.schedule.indices {
            most = max(most, report[.middle(step: step)]?.maximum ?? 0, report[.residual(step: step)]?.maximum ?? 0)
        }
        // About 2^16 at the embedding's RMS, less where the stream grows far beyond it.
        let rms = Self.embeddingRMS(model, report)
        let fine = rms > 0 ? 16 - Int(log2(rms).rounded()) : 16
        var residualBits = min(fine, most > 0 ? Self.safeBits(most) : 16)

        if case .bytes(let part) = model.embedder {
            embedder = Self.stream(part.schedule, .embedder, report)
            // The last stretch ends as the core begins.
            residualBits = min(residualBits, embedder.steps.last ?? embedder.start)
        }
        residualBits = clampFractionBits(residualBits)
        core = Stream(start: residualBits, steps: model.schedule.map { _ in residualBits })
        if case .bytes(let part) = model.embedder {
            let last = part.schedule.lastIndex { $0.replaces } ?? -1
            for step in part.schedule.indices where step >= last { embedder.steps[step] = residualBits }
            if last < 0 { embedder.start = residualBits }
        }
        switch model.head {
        case .linear: break
        case .byteSlots(let part): head = Self.stream(part.schedule, .head, report)
        case .byteDecoder(let part): head = Self.stream(part.schedule, .head, report)
        }
    }

    /// Fraction bits that change only where a step replaces the stream.
    private static func stream(_ schedule: [FloatStep], _ section: FloatSection, _ report: ProbeReport) -> Stream {
        var stretches: [Double] = [report[.start(part: section)]?.maximum ?? 0]
        for (index, step) in schedule.enumerated() {
            stretches[stretches.count - 1] = max(stretches.last!, report[.middle(step: index, part: section)]?.maximum ?? 0)
            if step.replaces { stretches.append(0) }
            stretches[stretches.count - 1] = max(stretches.last!, report[.residual(step: index, part: section)]?.maximum ?? 0)
        }
        let bits = stretches.map { $0 > 0 ? clampFractionBits(safeBits($0)) : 16 }
        var result = Stream(start: bits[0])
        var stretch = 0
        for step in schedule {
            if step.replaces { stretch += 1 }
            result.steps.append(bits[stretch])
        }
        return result
    }

    private static func safeBits(_ most: Double) -> Int { 31 - headroomBits - exponentAbove(most) }

    /// Something to feed: random ids, or blocks half of which look like words and half like noise.
    private static func inputs(_ model: FloatModel) -> [[Int]] {
        var random = SplitMix64(seed: 0x4D_4C_54_53)
        func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
        let count = min(12, model.contextDefault)
        var inputs = model.takesBlocks ? [model.endBlock] : model.bosId.map { [[$0]] } ?? []
        while inputs.count < count {
            if !model.takesBlocks {
                inputs.append([below(model.vocabularySize)])
            } else if inputs.count % 2 == 0 {
                inputs.append((0..<model.blockSize).map { _ in below(256) })
            } else {
                let word = [32] + (0...below(10)).map { _ in 97 + below(26) }
                inputs.append((0..<model.blockSize).map { $0 < word.count ? word[$0] : FloatModel.padSymbol })
            }
        }
        return inputs
    }

    private static func embeddingRMS(_ model: FloatModel, _ report: ProbeReport) -> Double {
        guard case .tokens(let table, _) = model.embedder else { return report[.embedding]?.rms ?? 0 }
        let squares = table.values.reduce(0.0) { $0 + Double($1) * Double($1) }
        return (squares / Double(table.values.count)).squareRoot()
    }

    /// A bound by Cauchy and Schwarz where a norm bounds the output layer's input; else headroom over what was seen.
    private static func logitBits(_ model: FloatModel, seen: Double) -> Int {
        let norm: FloatNorm, output: FloatLinear
        switch model.head {
        case .linear(let own, let layer): (norm, output) = (own, layer)
        case .byteSlots(let part): (norm, output) = (.none, part.output)
        case .byteDecoder(let part): (norm, output) = (part.finalNorm, part.output)
        }
        guard let weight = norm.weight else { return 31 - headroomBits - exponentAbove(max(seen, 1)) }
        let gain = weight.values.map(Double.init)
        let shift = norm.bias?.values.map(Double.init)
        let matrix = output.weight
        var bound = 0.0
        for row in 0..<matrix.rows {
            var squares = 0.0
            var offset = output.bias.map { abs(Double($0.values[row])) } ?? 0
            matrix.withRow(row) { values in
                for j in 0..<matrix.columns {
                    let product = Double(values[j]) * gain[j]
                    squares += product * product
                    if let shift { offset += abs(Double(values[j]) * shift[j]) }
                }
            }
            bound = max(bound, squares.squareRoot() * Double(matrix.columns).squareRoot() + offset)
        }
        return 30 - exponentAbove(max(bound, 1e-9))
    }
}
