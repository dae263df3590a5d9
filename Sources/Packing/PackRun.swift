import FloatModel
import Foundation
import Kernels
import ModelFile
import Quantization
import STLM

/// One packing from a float model to the bytes of a file: calibrate, choose encodings, quantise, measure, write.
struct PackRun {
    private(set) var bytes: [UInt8] = []
    private(set) var warnings: [String] = []
    private(set) var report: PackReport!

    private let model: FloatModel
    private let tokenizer: TokenizerTables?
    private let settings: PackSettings
    private let progress: (String) -> Void
    private let ranges: Calibration
    private let store: MatrixStore
    private var ledger: Ledger
    /// Ranks of corrections that the user asked for.
    private var ranks: [ObjectIdentifier: Int] = [:]
    /// The float model on a part of the calibration text, on which matrices and layers are tried one by one.
    private var trial: FloatReference?
    /// What activations of 8 bits cost; nil without a text.
    private var activationCosts: ActivationCosts?
    private var curve: LossCurve?

    init(
        _ model: FloatModel, _ tokenizer: TokenizerTables?, _ settings: PackSettings, _ progress: @escaping (String) -> Void
    ) throws(PackError) {
        (self.model, self.tokenizer, self.settings, self.progress) = (model, tokenizer, settings, progress)
        ledger = Ledger(words: settings.words)
        try ModelPacker.checkLimits(model)
        progress("finding ranges")
        ranges = try Calibration(model)

        // The tokenizer of a plain packing cuts the texts, so that they are read as on the board.
        var plain: PackedFile?
        if settings.calibration != nil || settings.verification != nil {
            plain = try PackedFile(Self.pack(model, tokenizer, ranges, MatrixStore(), MatrixChoices(.int8Rows), settings, nil).bytes)
        }
        var calibration: TextWindows?
        var statistics: InputStatistics?
        if let text = settings.calibration, let plain {
            let all = try TextWindows(text, plain, context: model.contextDefault)
            let windows = all.sample(positionCount: settings.calibrationPositionCount)
            warnings += try Self.warnings(text, all)
            ledger.calibration = (text.name, text.bytes.count, windows.count)
            do throws(FloatModelError) {
                statistics = try .collected(model, windows: windows.windows, threadCount: settings.threadCount) { progress("calibrating \(percent($0))") }
            } catch {
                throw .model(error)
            }
            calibration = windows
            let few = windows.sample(positionCount: Self.trialPositionCount(model))
            let reference = try FloatReference(model, few.windows, threadCount: settings.threadCount) {
                progress("running the float model \(percent($0))")
            }
            warnings += Self.warnings(text, few, reference)
            trial = reference
        }
        store = MatrixStore(statistics, keepsMatrices: model.parameterCount <= 20_000_000)
        if let trial { activationCosts = try measuredActivationCosts(trial) }
        // Its name takes room in the file, which a budget must know of before anything is measured.
        if let text = settings.verification { ledger.verification = .unmeasured(name: text.name) }
        var choices = try choose(calibration)
        for (pattern, bits) in settings.activationOverrides {
            for matrix in try matrices(named: pattern) { choices.activationBits[ObjectIdentifier(matrix)] = bits }
        }
        if let text = settings.verification, let plain { try verify(text, plain, choices) }
        let packed = pack(choices, ledger)
        bytes = try PackedFile(packed.bytes).transcribed(packed.bytes)
        if case .budget(let limit) = settings.goal, bytes.count > limit { throw .ownOutput(sentence: "it is larger than the budget") }
        progress("verifying")
        report = try Self.report(bytes, packed.shelf, ledger)
        if let curve { (report.curve, report.estimatedLoss) = (curve.points(fileByteCount: bytes.count), curve.chosenLoss) }
    }

    // MARK: Packing

    private static func pack(
        _ model: FloatModel, _ tokenizer: TokenizerTables?, _ ranges: Calibration, _ store: MatrixStore, _ choices: MatrixChoices,
        _ settings: PackSettings, _ ledger: Ledger?
    ) -> (bytes: [UInt8], shelf: TensorShelf) {
        var limit: Int?
        if case .budget(let byteCount) = settings.goal { limit = byteCount }
        return ModelPacker(store, choices)
            .pack(model, ranges, tokenizer: tokenizer, ledger: ledger, byteLimit: limit)
    }

    private func pack(_ choices: MatrixChoices, _ ledger: Ledger) -> (bytes: [UInt8], shelf: TensorShelf) {
        Self.pack(model, tokenizer, ranges, store, choices, settings, ledger)
    }

    /// Opens the file as the runtime will, and reads off it what the report says.
    private static func report(_ bytes: [UInt8], _ shelf: TensorShelf, _ ledger: Ledger) throws(PackError) -> PackReport {
        let packed = try PackedFile(bytes)
        do {
            try packed.file.verifyWeights()
            let plan = try MemoryPlan(packed.model, SessionOptions(packed.model))
            return PackReport(file: packed.file, plan: plan, shelf: shelf, ledger: ledger)
        } catch let error as ModelFileError {
            throw .ownOutput(sentence: error.sentence)
        } catch {
            throw .ownOutput(sentence: "\(error)")
        }
    }

    // MARK: Choosing

    private mutating func choose(_ calibration: TextWindows?) throws(PackError) -> MatrixChoices {
        let fixed = try fixedWidths()
        ranks = try wantedRanks()
        switch settings.goal {
        case .width(let width):
            var choices = MatrixChoices(width.encoding)
            for matrix in model.weightMatrices {
                choices[matrix] = (fixed[ObjectIdentifier(matrix)] ?? possible(width, matrix)).encoding
            }
            return try widened(choices, weightCost: width == .int8 ? 0 : weightCost(choices))
        case .budget, .maximumLoss:
            guard let calibration else { throw .goalWithoutText }
            return try allocate(fixed, calibration)
        }
    }

    /// Widths that are no question: those the user named, and what was trained ternary.
    private func fixedWidths() throws(PackError) -> [ObjectIdentifier: WeightWidth] {
        var fixed: [ObjectIdentifier: WeightWidth] = [:]
        let wanted: WeightWidth = settings.goal == .width(.ternary4) ? .ternary4 : .ternary
        for matrix in model.weightMatrices where store.isTernary(matrix) { fixed[ObjectIdentifier(matrix)] = wanted }
        for (pattern, type) in settings.overrides {
            for matrix in try matrices(named: pattern) { fixed[ObjectIdentifier(matrix)] = possible(type.width, matrix) }
        }
        return fixed
    }

    private func wantedRanks() throws(PackError) -> [ObjectIdentifier: Int] {
        var ranks: [ObjectIdentifier: Int] = [:]
        let tables = model.tables
        for (pattern, type) in settings.overrides {
            for matrix in try matrices(named: pattern) {
                if type.rank > 0, tables.contains(where: { $0 === matrix }) { throw .correctedTable(name: matrix.name) }
                ranks[ObjectIdentifier(matrix)] = type.rank > 0 ? min(type.rank, matrix.rows, matrix.columns) : nil
            }
        }
        return ranks
    }

    private func matrices(named pattern: String) throws(PackError) -> [FloatMatrix] {
        let hits = model.weightMatrices.filter { $0.names.contains { matches($0.name, pattern) } }
        if hits.isEmpty { throw .patternWithoutTensor(pattern: pattern, example: model.weightMatrices.first?.name ?? "") }
        return hits
    }

    /// The width, or int8 where the matrix cannot have it.
    private func possible(_ width: WeightWidth, _ matrix: FloatMatrix) -> WeightWidth {
        if width.encoding.groupBits > 0, matrix.columns > Limit.groupColumns { return .int8 }
        if width == .ternary || width == .ternary4 { return store.isTernary(matrix) ? width : .int8 }
        return width
    }

    private mutating func allocate(
        _ fixed: [ObjectIdentifier: WeightWidth], _ calibration: TextWindows
    ) throws(PackError) -> MatrixChoices {
        let matrices = model.weightMatrices
        let reference = trial!
        let free = matrices.filter { fixed[ObjectIdentifier($0)] == nil && $0.columns <= Limit.groupColumns }
        let sensitivity = try Sensitivity(reference, free, store) { progress("measuring matrices \(percent($0))") }
        var allocation: [AllocationItem] = []
        for (number, matrix) in matrices.enumerated() {
            let widths = fixed[ObjectIdentifier(matrix)].map { [$0] } ?? WeightWidth.general.filter { possible($0, matrix) == $0 }
            allocation.append(AllocationItem(options: widths.map { width in
                let summary = store.summary(matrix, width.encoding)
                return .init(
                    width: width, byteCount: Layout.align(summary.byteCount, Layout.tableAlignment),
                    loss: sensitivity.divergence(matrix, width.encoding, relativeError: summary.relativeError))
            }))
            progress("quantising \(percent(Double(number + 1) / Double(matrices.count)))")
        }
        let chosen: [Int]
        switch settings.goal {
        case .budget(let limit): chosen = try within(limit, Allocation(items: allocation), matrices)
        case .maximumLoss(let most): chosen = try within(loss: most, Allocation(items: allocation), matrices, calibration)
        case .width: preconditionFailure("nothing to allocate")
        }
        for (matrix, (item, option)) in zip(matrices, zip(allocation, chosen)) {
            ledger.divergences[ObjectIdentifier(matrix)] = item.options[option].loss
        }
        curve = LossCurve(Allocation(items: allocation), chosen, bitsPerRow: reference.cost / Double(max(1, reference.rowCount)))
        return choices(matrices, allocation, chosen)
    }

    /// Bits a row that activations of 8 bits may cost in any case: some 0.05 % of perplexity.
    private static let activationCost = 0.0007
    /// The same, of what the weights cost.
    private static let activationShare = 0.1

    /// What may read activations of 8 or 16 bits, once for each layer.
    private var activationCandidates: [FloatMatrix] { model.coreMatrices + [model.logitMatrix].compactMap { $0 } }

    private func wide(_ choices: MatrixChoices) -> MatrixChoices {
        var choices = choices
        for matrix in activationCandidates { choices.activationBits[ObjectIdentifier(matrix)] = 16 }
        return choices
    }

    /// Bits a row that the weights of a choice cost; 0 without a text.
    private func weightCost(_ choices: MatrixChoices) throws(PackError) -> Double {
        guard let trial, activationCosts != nil else { return 0 }
        let sum = try PackedFile(pack(wide(choices), ledger).bytes).divergence(from: trial, context: model.contextDefault)
        return sum.bits / Double(max(1, sum.rowCount))
    }

    private func measuredActivationCosts(_ reference: FloatReference) throws(PackError) -> ActivationCosts? {
        let candidates = activationCandidates
        if settings.goal == .width(.int16) || settings.activationOverrides.contains(where: { $0.pattern == "*" }) { return nil }
        // Weights of 8 bits, as those of 16 take no activations of 8.
        let packed = ModelPacker(store, wide(MatrixChoices(.int8Rows))).pack(model, ranges, tokenizer: tokenizer)
        let tensors = packed.shelf.entries.enumerated().compactMap { index, entry in
            candidates.first { $0 === entry.matrix }
                .map { matrix in (matrix: matrix, tensor: index, layerCount: candidates.count { $0 === matrix }) }
        }
        return try ActivationCosts(PackedFile(packed.bytes), tensors, reference, context: model.contextDefault) {
            progress("measuring activations \(percent($0))")
        }
    }

    /// With the corrections, and activations of 16 bits where 8 would cost too much; those take no bytes, but twice the work or more.
    private func widened(_ choices: MatrixChoices, weightCost: Double) -> MatrixChoices {
        var choices = choices
        choices.ranks = ranks
        let allowed = max(Self.activationCost, Self.activationShare * weightCost)
        for matrix in activationCosts?.wide(remaining: allowed) ?? [] { choices.activationBits[ObjectIdentifier(matrix)] = 16 }
        return choices
    }

    private func choices(_ matrices: [FloatMatrix], _ items: [AllocationItem], _ chosen: [Int]) -> MatrixChoices {
        var choices = MatrixChoices(.int8Rows)
        var loss = 0.0
        for (matrix, (item, option)) in zip(matrices, zip(items, chosen)) {
            choices[matrix] = item.options[option].width.encoding
            loss += item.options[option].loss
        }
        return widened(choices, weightCost: loss)
    }

    /// Positions on which matrices are tried one by one: as many as some minutes allow.
    private static func trialPositionCount(_ model: FloatModel) -> Int {
        let perPosition = Double(model.parameterCount) * Double(model.weightMatrices.count) * 3
        return max(256, min(4_096, Int(4e12 / max(1, perPosition))))
    }

    private func within(_ limit: Int, _ allocation: Allocation, _ matrices: [FloatMatrix]) throws(PackError) -> [Int] {
        // All that is no matrix takes its place whatever is chosen.
        let smallest = allocation.smallest
        let least = pack(choices(matrices, allocation.items, smallest), ledger).bytes.count
        let rest = least - allocation.bytes(smallest)
        guard let chosen = allocation.within(byteCount: limit - rest) else {
            throw .budgetTooSmall(budget: limit, least: least, tables: rest, matrices: allocation.bytes(smallest))
        }
        return chosen
    }

    /// The estimate is corrected by what a file that was chosen with it loses, until one keeps the limit.
    private func within(
        loss most: Double, _ allocation: Allocation, _ matrices: [FloatMatrix], _ calibration: TextWindows
    ) throws(PackError) -> [Int] {
        let reference = try FloatReference(model, calibration.windows, threadCount: settings.threadCount) {
            progress("running the float model \(percent($0))")
        }
        let allowed = most * reference.cost / Double(max(1, reference.rowCount))
        var target = allowed, kept: [Int]?, tooMuch = Double.infinity
        for attempt in 1...6 {
            let chosen = allocation.within(loss: target) ?? allocation.best
            let packed = try PackedFile(pack(choices(matrices, allocation.items, chosen), ledger).bytes)
            progress("measuring, attempt \(attempt)")
            let cost = try packed.cost(
                calibration.windows, context: model.contextDefault, threadCount: settings.threadCount, keyValues: .int16)
            let loss = Double(cost) * 0x1p-24 / reference.cost - 1
            if loss <= most {
                if kept.map({ allocation.bytes(chosen) < allocation.bytes($0) }) ?? true { kept = chosen }
            } else {
                tooMuch = min(tooMuch, target)
                if chosen == allocation.best { throw .lossOutOfReach(wanted: most, least: loss) }
            }
            // Losses grow with the estimate; where that ratio leads beyond what is known to be too much, half the way there.
            let next = target * min(4, max(0.25, most / max(loss, most / 16)))
            target = next >= tooMuch ? (target + tooMuch) / 2 * 0.98 : next
        }
        guard let kept else { throw .lossOutOfReach(wanted: most, least: .nan) }
        return kept
    }

    // MARK: Measuring

    private mutating func verify(_ text: PackText, _ plain: PackedFile, _ choices: MatrixChoices) throws(PackError) {
        let windows = try TextWindows(text, plain, context: model.contextDefault)
        if windows.count == 0 { throw .textTooShort(name: text.name) }
        let reference = try FloatReference(model, windows.windows, threadCount: settings.threadCount) {
            progress("running the float model \(percent($0))")
        }
        let packed = try PackedFile(pack(choices, ledger).bytes)
        var measured = try packed.measured(against: reference, windows, name: text.name, context: model.contextDefault) {
            progress("measuring \(percent($0))")
        }
        if model.isCausal {
            progress("measuring narrower keys and values")
            measured.costInt8 = try packed.cost(
                windows.windows, context: model.contextDefault, threadCount: settings.threadCount, keyValues: .int8)
            measured.costInt4 = try packed.cost(
                windows.windows, context: model.contextDefault, threadCount: settings.threadCount, keyValues: .int4)
        }
        ledger.verification = measured
    }

    /// What makes a text a poor one to calibrate with.
    private static func warnings(_ text: PackText, _ windows: TextWindows) throws(PackError) -> [String] {
        if windows.count == 0 { throw .textTooShort(name: text.name) }
        var warnings: [String] = []
        if windows.count < 2_048 {
            warnings.append("\(text.name) is only \(windows.count) positions long; give some 16,000 of the kind of text the model is for.")
        }
        let odd = text.bytes.reduce(0) { $0 + ($1 < 0x20 && !(0x09...0x0D).contains($1) ? 1 : 0) }
        if odd * 100 > text.bytes.count {
            warnings.append("\(text.name) looks like binary data (\(odd * 100 / text.bytes.count) % control bytes); calibrate with plain text.")
        }
        return warnings
    }

    /// The same, of what the model makes of it.
    private static func warnings(_ text: PackText, _ windows: TextWindows, _ reference: FloatReference) -> [String] {
        let bits = reference.cost / Double(max(1, windows.byteCount))
        if bits < 3 { return [] }
        return ["The model pays \((bits * 100).rounded() / 100) bits for each byte of \(text.name), which it hardly knows; "
            + "calibrate with a text of the language and kind it was trained on."]
    }
}

private func percent(_ fraction: Double) -> String { "\(Int(fraction * 100)) %" }

/// * stands for any characters, ? for one.
package func matches(_ name: String, _ pattern: String) -> Bool {
    let name = Array(name.utf8), pattern = Array(pattern.utf8)
    var at = 0, place = 0, star: (Int, Int)?
    while at < name.count {
        if place < pattern.count, pattern[place] == name[at] || pattern[place] == UInt8(ascii: "?") {
            (at, place) = (at + 1, place + 1)
        } else if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
            star = (at, place)
            place += 1
        } else if let (start, mark) = star {
            star = (start + 1, mark)
            (at, place) = (start + 1, mark + 1)
        } else {
            return false
        }
    }
    return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
}
