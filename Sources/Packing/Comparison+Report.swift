import Foundation

extension Comparison {
    /// For people.
    public var text: String {
        var lines: [String] = []
        let width = max(14, first.name.count, second.name.count) + 2
        func row(_ label: String, _ a: String, _ b: String, _ change: String = "") {
            lines.append(padded(label, 16) + aligned(a, width) + aligned(b, width) + (change.isEmpty ? "" : "   " + change))
        }
        row("", first.name, second.name)
        row("bytes", grouped(first.fileByteCount), grouped(second.fileByteCount),
            percentage(Double(second.fileByteCount) / Double(max(1, first.fileByteCount)) - 1))
        func bits(_ side: Side) -> String { String(format: "%.5f", bitsPerByte(side)) }
        row("bits per byte", bits(first), bits(second), percentage(costChange))
        func perplexity(_ side: Side) -> String { side.perplexity < 1e9 ? String(format: "%.4f", side.perplexity) : String(format: "%.4g", side.perplexity) }
        row("perplexity", perplexity(first), perplexity(second), perplexityChange.map(percentage) ?? "")
        if first.count != second.count || first.context != second.context {
            row("scored", counted(first), counted(second))
            row("context", grouped(first.context), grouped(second.context))
        }
        if let divergence, let meanDivergence, let agreement {
            lines.append(padded("divergence", 16) + String(format: "%.6f bits a row of B's distributions from A's; ", meanDivergence)
                + String(format: "same greatest logit in %.2f %% of %@ rows", 100 * agreement, grouped(divergence.rowCount)))
        }
        if let obstacle { lines.append(obstacle) }
        let scope = first.count == second.count ? ", \(counted(first)) scored, windows of \(grouped(first.context))" : ""
        lines.append("On \(textName): \(grouped(textByteCount)) bytes\(scope).")
        lines += tensorLines
        return lines.joined(separator: "\n") + "\n"
    }

    private var tensorLines: [String] {
        let list = tensors.differences
        guard let one = list.first else { return ["All \(tensors.tensorCount) tensors are the same, bit for bit."] }
        var lines = ["Tensors that differ: \(list.count) of \(tensors.tensorCount), the first \(one.name)"]
        func cells(_ stored: TensorComparison.Stored?) -> (String, String) {
            stored.map { ($0.encoding, grouped($0.byteCount)) } ?? ("none", "")
        }
        let widest = list.flatMap { [cells($0.first).0.count, cells($0.second).0.count] }.max() ?? 0
        lines.append("  " + padded("A", widest) + aligned("bytes", 13) + "   " + padded("B", widest) + aligned("bytes", 13) + "   name")
        for item in list {
            let a = cells(item.first), b = cells(item.second)
            lines.append("  " + padded(a.0, widest) + aligned(a.1, 13) + "   " + padded(b.0, widest) + aligned(b.1, 13) + "   " + item.name
                + (item.isOfNumbersOnly ? " (other numbers)" : ""))
        }
        return lines
    }

    private func counted(_ side: Side) -> String { grouped(side.count) + (side.writesBlocks ? " blocks" : " tokens") }
    private func percentage(_ change: Double) -> String { String(format: "%+.3f %%", change == 0 ? 0 : 100 * change) }
    private func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
    private func aligned(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }

    /// For scripts.
    public var json: String {
        func side(_ side: Side) -> [String: Any] {
            [
                "file": side.name, "bytes": side.fileByteCount, "context": side.context, "count": side.count, "unit": side.writesBlocks ? "blocks" : "tokens",
                "bits_per_byte": decimal(bitsPerByte(side), 8), "perplexity": side.perplexity.isFinite ? decimal(side.perplexity, 6) : NSNull(),
            ]
        }
        func stored(_ stored: TensorComparison.Stored?) -> Any {
            stored.map { ["encoding": $0.encoding, "bytes": $0.byteCount] as [String: Any] } ?? NSNull()
        }
        let object: [String: Any] = [
            "text": textName, "text_bytes": textByteCount, "a": side(first), "b": side(second),
            "bits_per_byte_change_percent": decimal(100 * costChange, 6),
            "perplexity_change_percent": perplexityChange.map { decimal(100 * $0, 6) } ?? NSNull(),
            "rows": divergence?.rowCount ?? NSNull(), "divergence_bits": meanDivergence.map { decimal($0, 9) } ?? NSNull(),
            "agreement_percent": agreement.map { decimal(100 * $0, 4) } ?? NSNull(), "obstacle": obstacle ?? NSNull(),
            "tensors": tensors.tensorCount,
            "differences": tensors.differences.map {
                ["name": $0.name, "a": stored($0.first), "b": stored($0.second)] as [String: Any]
            },
        ]
        return jsonText(object)
    }
}

/// A number of at most so many decimals, as JSON writes it; null where it is none.
func decimal(_ value: Double, _ places: Int) -> Any {
    guard value.isFinite else { return NSNull() }
    // Through text, so that 0.1 is not written as 0.1000000000000000055.
    return NSDecimalNumber(string: String(format: "%.\(places)f", value), locale: Locale(identifier: "en_US_POSIX"))
}

func jsonText(_ object: [String: Any]) -> String {
    let data = try! JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self) + "\n"
}
