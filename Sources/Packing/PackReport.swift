import FloatModel
import Foundation
import ModelFile
import STLM

/// What a packed file is made of, to the byte.
public struct PackReport: Sendable {
    public struct Shared: Sendable {
        public var names: [String]
        public var byteCountBefore: Int
        public var byteCountAfter: Int
    }

    public var description: String
    public var weights: String
    public var parameterCount: Int
    public var uniqueParameterCount: Int
    public var fileByteCount: Int
    public var parts: [(part: ModelPart, byteCount: Int)]
    /// Bytes of the embedder's, the core's and the head's tensors, a shared one in the first that has it.
    public var embedderByteCount: Int
    public var coreByteCount: Int
    public var headByteCount: Int
    public var tokenizerByteCount: Int
    public var tableByteCount: Int
    public var paddingByteCount: Int
    public var shared: [Shared]
    public var contextTokenCount: Int
    public var arenaByteCount: Int
    /// What a run takes with stlm-run on a board, at that context and on one thread.
    public var memory: MemoryBudget
    public var hasTokenizer: Bool
    public var matrices: [Matrix]
    public var calibration: (name: String, byteCount: Int, count: Int)?
    public var verification: Measurement?
    /// How the file was asked for.
    public var options: String
    /// All tensors, in the order of the file.
    public var tensors: [Tensor]
    /// What files of other sizes were estimated to lose, the smallest first; empty where nothing was chosen.
    public var curve: [CurvePoint] = []
    /// What this one was estimated to lose, as a point of the curve; nil where nothing was chosen.
    public var estimatedLoss: Double?

    public struct Tensor: Sendable {
        /// Its first; a tensor of the packer's own has none.
        public var name: String
        public var part: ModelPart
        public var encoding: Encoding
        public var byteCount: Int
    }

    public struct CurvePoint: Sendable {
        public var fileByteCount: Int
        /// Of bits per byte, relative to the float model: 0.01 is 1 %.
        public var loss: Double
    }

    /// A matrix of the file.
    public struct Matrix: Sendable {
        public var name: String
        public var part: ModelPart
        public var width: String
        public var rows: Int
        public var columns: Int
        public var byteCount: Int
        /// Bytes a weight of its own, in bits, scales and padding included.
        public var bitsPerWeight: Double { Double(byteCount) * 8 / Double(rows * columns) }
        /// What encoding it changes in its layer's results, relative to them.
        public var relativeError: Double
        /// What that was estimated to add to a row's divergence, bits; 0 where nothing was chosen.
        public var divergence: Double
    }

    /// Bits of file for each unique weight.
    public var bitsPerWeight: Double { Double(fileByteCount) * 8 / Double(max(1, uniqueParameterCount)) }
    /// All that is no tensor: header, tables, tokenizer, padding. With embedder, core and head it makes the file.
    public var tablesByteCount: Int { tokenizerByteCount + tableByteCount + paddingByteCount }
    public var uniqueByteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

    init(file: ModelFile, plan: MemoryPlan, shelf: TensorShelf, ledger: Ledger) {
        let record = file.model
        description = String(decoding: file.text(record.description), as: UTF8.self)
        let widths = Set(shelf.entries.filter { $0.matrix != nil }.compactMap { WeightWidth($0.tensor.encoding) })
        weights = WeightWidth.allCases.filter(widths.contains).map(\.rawValue).joined(separator: ", ")
        parameterCount = Int(record.parameterCount)
        uniqueParameterCount = Int(record.uniqueParameterCount)
        fileByteCount = file.byteCount
        parts = ModelPart.allCases.compactMap { part in
            let sum = shelf.entries.filter { $0.part == part }.reduce(0) { $0 + $1.tensor.bytes.count }
            return sum == 0 ? nil : (part, sum)
        }
        func byteCount(_ section: ModelSection) -> Int {
            shelf.entries.filter { $0.section == section }.reduce(0) { $0 + $1.tensor.bytes.count }
        }
        (embedderByteCount, coreByteCount, headByteCount) = (byteCount(.embedder), byteCount(.core), byteCount(.head))
        let tokenizerKinds: [RegionKind] = [.tokenizer, .pieceOffsets, .pieceBytes, .merges, .characters, .adjacency]
        tokenizerByteCount = tokenizerKinds.reduce(0) { $0 + file.tableByteCount($1) }
        paddingByteCount = file.paddingByteCount
        tableByteCount = file.byteCount - tokenizerByteCount - paddingByteCount - shelf.entries.reduce(0) { $0 + $1.tensor.bytes.count }
        shared = shelf.entries.filter { $0.unsharedByteCount > $0.tensor.bytes.count }.map {
            Shared(names: $0.names.map(\.name), byteCountBefore: $0.unsharedByteCount, byteCountAfter: $0.tensor.bytes.count)
        }
        contextTokenCount = plan.contextTokenCount
        arenaByteCount = plan.arenaByteCount
        memory = MemoryBudget(Model(file), plan)
        hasTokenizer = file.hasTokenizer
        matrices = shelf.entries.compactMap { entry in
            guard entry.tensor.encoding.isMatrix || entry.correction != nil, let matrix = entry.matrix else { return nil }
            return Matrix(
                name: matrix.name, part: entry.part, width: entry.correction?.type.text ?? WeightWidth(entry.tensor.encoding)?.rawValue ?? "",
                rows: entry.tensor.rows, columns: entry.tensor.columns, byteCount: entry.correction?.byteCount ?? entry.tensor.bytes.count,
                relativeError: entry.relativeError,
                divergence: ledger.divergences[ObjectIdentifier(matrix)] ?? 0)
        }
        tensors = shelf.entries.map {
            Tensor(name: $0.names.first?.name ?? "", part: $0.part, encoding: $0.tensor.encoding, byteCount: $0.tensor.bytes.count)
        }
        (calibration, verification, options) = (ledger.calibration, ledger.verification, ledger.words)
    }

    /// For people.
    public var text: String {
        var lines = ["\(description)"]
        func row(_ name: String, _ value: String) { lines.append("  " + name.padding(toLength: 22, withPad: " ", startingAt: 0) + value) }
        row("parameters", "\(grouped(parameterCount)), \(grouped(uniqueParameterCount)) unique")
        row("weights", weights)
        row("embedder", bytes(embedderByteCount))
        row("core", bytes(coreByteCount))
        row("head", headByteCount == 0 ? "the embedder's table" : bytes(headByteCount))
        row("tables", bytes(tablesByteCount))
        row("  tokenizer", hasTokenizer ? bytes(tokenizerByteCount) : "none; the model runs on ids (--ids)")
        row("  header and records", bytes(tableByteCount))
        row("  padding", bytes(paddingByteCount) + String(format: " (%.2f %%)", 100 * Double(paddingByteCount) / Double(fileByteCount)))
        row("file", bytes(fileByteCount) + String(format: ", %.2f bits per weight", bitsPerWeight))
        row("arena", bytes(arenaByteCount) + " at a context of \(contextTokenCount), one thread")
        row("  keys and values", bytes(memory.plan.keyValueByteCount) + ", \(memory.plan.keyValueType.name)")
        row("resident at most", bytes(memory.residentAtMost) + " with stlm-run: file, arena, prompt, stack, program")
        row("cannot run under", bytes(memory.cannotRunUnder) + ", weights read again")
        if let verification {
            let v = verification
            lines.append("On \(v.name) (\(grouped(v.byteCount)) bytes, \(grouped(v.count)) scored, windows of \(v.context)):")
            row("bits per byte", String(format: "%.5f, float %.5f: %+.3f %%", v.bitsPerByte, v.floatBitsPerByte, 100 * v.loss))
            row("perplexity", String(format: "%.4f, float %.4f: %+.3f %%", v.perplexity, v.floatPerplexity, 100 * (v.perplexity / v.floatPerplexity - 1)))
            row("divergence", String(format: "%.6f bits a row; same greatest logit in %.2f %%", v.meanDivergence, 100 * v.agreement))
            if let int8 = v.costInt8 { row("keys, values int8", String(format: "%+.3f %% perplexity", 100 * v.perplexityIncrease(int8))) }
            if let int4 = v.costInt4 { row("  values int4", String(format: "%+.3f %%", 100 * v.perplexityIncrease(int4))) }
        }
        if matrices.contains(where: { $0.divergence > 0 }) {
            lines.append("Matrices (error: of the layer's results; loss: its estimated share of the divergence):")
            for matrix in matrices {
                lines.append(String(format: "  %@ %6.2f bits  error %8.4f %%  loss %.6f  ", matrix.width.padding(toLength: 8, withPad: " ", startingAt: 0),
                    matrix.bitsPerWeight, 100 * matrix.relativeError, matrix.divergence) + matrix.name)
            }
        }
        lines.append("Tensors by kind:")
        for part in parts { row(part.part.rawValue, bytes(part.byteCount)) }
        if !shared.isEmpty { lines.append("Stored once:") }
        for item in shared {
            let first = item.names.first ?? "", rest = item.names.count - 1
            lines.append("  \(first) and \(rest) more name\(rest == 1 ? "" : "s"): "
                + "\(grouped(item.byteCountBefore)) -> \(grouped(item.byteCountAfter)) bytes")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func bytes(_ count: Int) -> String { grouped(count) + " bytes" }
}

/// 1234567 as 1,234,567.
func grouped(_ number: Int) -> String {
    var digits = Array(String(number.magnitude))
    var place = digits.count - 3
    while place > 0 {
        digits.insert(",", at: place)
        place -= 3
    }
    return (number < 0 ? "-" : "") + String(digits)
}
