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
    public var hasTokenizer: Bool

    /// Bits of file for each unique weight.
    public var bitsPerWeight: Double { Double(fileByteCount) * 8 / Double(max(1, uniqueParameterCount)) }
    /// All that is no tensor: header, tables, tokenizer, padding. With embedder, core and head it makes the file.
    public var tablesByteCount: Int { tokenizerByteCount + tableByteCount + paddingByteCount }
    public var uniqueByteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

    init(file: ModelFile, plan: MemoryPlan, shelf: TensorShelf, width: WeightWidth) {
        let record = file.model
        description = String(decoding: file.text(record.description), as: UTF8.self)
        weights = "int\(width.rawValue)"
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
        hasTokenizer = file.hasTokenizer
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

    /// For scripts.
    public var json: String {
        let object: [String: Any] = [
            "description": description, "weights": weights, "parameters": parameterCount,
            "unique_parameters": uniqueParameterCount, "file_bytes": fileByteCount, "unique_bytes": uniqueByteCount,
            "bits_per_weight": (bitsPerWeight * 10_000).rounded() / 10_000,
            "parts": Dictionary(uniqueKeysWithValues: parts.map { ($0.part.rawValue, $0.byteCount) }),
            "sections": ["embedder": embedderByteCount, "core": coreByteCount, "head": headByteCount, "tables": tablesByteCount],
            "tokenizer_bytes": tokenizerByteCount, "table_bytes": tableByteCount, "padding_bytes": paddingByteCount,
            "context": contextTokenCount, "arena_bytes": arenaByteCount,
            "shared": shared.map { ["names": $0.names, "bytes_before": $0.byteCountBefore, "bytes_after": $0.byteCountAfter] as [String: Any] },
        ]
        let data = try! JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    /// One self-contained page.
    public var html: String {
        func escape(_ text: String) -> String {
            text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
        }
        return """
            <!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>stlm-pack report</title>
            <style>body{font:15px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em}pre{overflow-x:auto}</style>
            <h1>stlm-pack report</h1><pre>\(escape(text))</pre>

            """
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
