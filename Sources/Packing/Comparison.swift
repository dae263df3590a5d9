import FloatModel
import Foundation
import ModelFile
import STLM

/// Two packed files side by side, on one text.
public struct Comparison: Sendable {
    /// What one of the files is and pays.
    public struct Side: Sendable {
        /// For reports.
        public var name: String
        public var fileByteCount: Int
        /// Positions of a window.
        public var context: Int
        /// Tokens or blocks scored.
        public var count: Int
        public var writesBlocks: Bool
        /// In units of 2^-24 bits.
        public var cost: Int64 = 0

        public var perplexity: Double { exp2(Double(cost) * 0x1p-24 / Double(max(1, count))) }
    }

    public var textName: String
    public var textByteCount: Int
    public var first: Side
    public var second: Side
    /// Of the second file's distributions from the first's, row by row; nil where rows do not correspond.
    public var divergence: LogitDivergence?
    /// Why rows do not correspond, as a sentence.
    public var obstacle: String?
    public var tensors: TensorComparison

    public func bitsPerByte(_ side: Side) -> Double { Double(side.cost) * 0x1p-24 / Double(max(1, textByteCount)) }
    /// What the second file pays more for the text, relative to the first: 0.01 is 1 %.
    public var costChange: Double { Double(second.cost) / Double(max(1, first.cost)) - 1 }
    /// nil where the two do not count the same things.
    public var perplexityChange: Double? { obstacle == nil ? second.perplexity / first.perplexity - 1 : nil }
    public var meanDivergence: Double? { divergence.map { $0.bits / Double(max(1, $0.rowCount)) } }
    public var agreement: Double? { divergence.map { Double($0.agreementCount) / Double(max(1, $0.rowCount)) } }

    /// - Parameters:
    ///   - context: positions of a window; nil: the lesser of the files' own, or to each its own where they have nothing in common.
    ///   - progress: called with what is being done.
    public init(
        _ first: PackedInput, _ second: PackedInput, _ text: PackText, context: Int? = nil,
        threadCount: Int = ProcessInfo.processInfo.activeProcessorCount, progress: (String) -> Void = { _ in }
    ) throws(PackError) {
        progress("reading")
        let files = try [Self.opened(first), Self.opened(second)], inputs = [first, second]
        let (a, b) = (files[0].model, files[1].model)
        let areAlike = a.takesBlocks == b.takesBlocks || a.writesBlocks == b.writesBlocks
        let least = files.reduce(Int.max) { min($0, $1.model.contextDefault) }
        var sides: [Side] = [], windows: [TextWindows] = []
        for (file, input) in zip(files, inputs) {
            let context = context ?? (areAlike ? least : file.model.contextDefault)
            let most = Int(file.model.record.contextMaximum)
            if context < 1 || context > most { throw .contextOutOfRange(file: input.name, context: context, most: most) }
            let all = try TextWindows(text, file, context: context)
            if all.count == 0 { throw .textTooShort(name: text.name) }
            windows.append(all)
            sides.append(Side(
                name: input.name, fileByteCount: input.bytes.count, context: context, count: all.count, writesBlocks: file.model.writesBlocks))
        }
        obstacle = Self.obstacle(a, b, windows[0], windows[1])
        (textName, textByteCount) = (text.name, windows[0].byteCount)
        tensors = TensorComparison(files[0].file, files[1].file)
        if obstacle == nil {
            divergence = try Self.score(files, &sides, windows[0], threadCount, progress)
        } else {
            for k in 0..<2 {
                progress("scoring \(sides[k].name)")
                sides[k].cost = try files[k].cost(windows[k].windows, context: sides[k].context, threadCount: threadCount, keyValues: .int16)
            }
        }
        (self.first, self.second) = (sides[0], sides[1])
    }

    private static func opened(_ input: PackedInput) throws(PackError) -> PackedFile {
        let packed: PackedFile
        do throws(PackError) {
            packed = try PackedFile(input.bytes)
        } catch {
            guard case .ownOutput(let sentence) = error else { throw error }
            throw .unusableFile(file: input.name, sentence: sentence)
        }
        do throws(ModelFileError) { try packed.file.verifyWeights() } catch { throw .unusableFile(file: input.name, sentence: error.sentence) }
        if packed.model.tokenizer == nil { throw .fileWithoutTokenizer(file: input.name) }
        return packed
    }

    /// Both files' logits, window by window.
    private static func score(
        _ files: [PackedFile], _ sides: inout [Side], _ text: TextWindows, _ threadCount: Int, _ progress: (String) -> Void
    ) throws(PackError) -> LogitDivergence {
        var sum = LogitDivergence(), costs: [Int64] = [0, 0]
        let context = sides[0].context
        try files[0].withSession(context: context, threadCount: threadCount) { first throws(PackError) in
            try files[1].withSession(context: context, threadCount: threadCount) { second throws(PackError) in
                for (index, window) in text.windows.enumerated() {
                    let a = try first.score(window, keepsLogits: true), b = try second.score(window, keepsLogits: true)
                    (costs[0], costs[1]) = (added(costs[0], a.cost), added(costs[1], b.cost))
                    let rows = files[0].model.scoredRows(of: window)
                    sum = sum + b.logits!.divergence(from: a.logits!, rows: rows, threadCount: threadCount)
                    progress("scoring \(100 * (index + 1) / text.windows.count) %")
                }
            }
        }
        (sides[0].cost, sides[1].cost) = (costs[0], costs[1])
        return sum
    }

    private static func obstacle(_ a: Model, _ b: Model, _ textA: TextWindows, _ textB: TextWindows) -> String? {
        let consequence = "their rows of logits do not correspond, and only bits per byte compare."
        if a.writesBlocks != b.writesBlocks { return "One of the files writes tokens and the other blocks of bytes: \(consequence)" }
        if a.record.head.kind != b.record.head.kind || a.outputSize != b.outputSize {
            return "The files write blocks of bytes in different ways: \(consequence)"
        }
        if a.logitCount != b.logitCount { return "The files have vocabularies of \(a.logitCount) and \(b.logitCount) tokens: \(consequence)" }
        if !textA.hasSameTargets(as: textB) { return "The files' tokenizers cut the text into different pieces: \(consequence)" }
        return nil
    }
}

/// A packed file to compare.
public struct PackedInput: Sendable {
    /// For reports and sentences.
    public var name: String
    public var bytes: [UInt8]

    public init(name: String, bytes: [UInt8]) { (self.name, self.bytes) = (name, bytes) }
}

extension TextWindows {
    fileprivate func hasSameTargets(as other: TextWindows) -> Bool {
        windows.count == other.windows.count && zip(windows, other.windows).allSatisfy { $0.targets.dropFirst() == $1.targets.dropFirst() }
    }
}

extension Model {
    fileprivate var contextDefault: Int { Int(record.contextDefault) }

    /// The rows of `Session.score` that count: arithmetic-1, section 10.
    fileprivate func scoredRows(of window: FloatWindow) -> [ScoredRow] {
        window.targets.dropFirst().enumerated().flatMap { position, target -> [ScoredRow] in
            if !writesBlocks { return [ScoredRow(row: position, symbol: target[0])] }
            let drawn = target.map { UInt32($0) }.withUnsafeBufferPointer { drawnCount($0.baseAddress!) }
            return (0..<drawn).map { ScoredRow(row: position * blockSize + $0, symbol: target[$0]) }
        }
    }
}
