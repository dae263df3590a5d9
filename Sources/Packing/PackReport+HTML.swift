import Foundation

/// The report as one page that needs nothing beside it: no script, no other file.
extension PackReport {
    public var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(description))</title>
        <style>
        \(reportStyle)
        </style></head><body><main>
        <header><h1>\(escaped(description))</h1><p><code>\(escaped(options))</code></p></header>
        \(headlines)
        \(section("Where the bytes go", bytesPicture))
        \(picture("What smaller and larger files would lose", curvePicture, curveNote))
        \(picture("Bytes against error", errorPicture, errorNote))
        \(verificationSection)
        \(matricesSection)
        \(sharedSection)
        \(section("Memory to run", memoryTable))
        \(section("Made from", facts))
        </main></body></html>

        """
    }

    // MARK: Headlines

    private var headlines: String {
        var tiles = [
            tile("File", sizeText(fileByteCount), "\(grouped(fileByteCount)) bytes"),
            tile("Bits a weight", String(format: "%.2f", bitsPerWeight),
                String(format: "%@ weights, %.1f times smaller than float32", sizeLessCount(uniqueParameterCount),
                    Double(uniqueParameterCount) * 4 / Double(max(1, fileByteCount)))),
        ]
        if let verification {
            tiles.append(tile(
                "Loss against float", shortPercent(verification.loss, plus: true),
                String(format: "%.4f bits per byte, float %.4f", verification.bitsPerByte, verification.floatBitsPerByte), style: "key"))
            tiles.append(tile("Same first choice", shortPercent(verification.agreement), "of \(grouped(verification.rowCount)) predictions"))
        } else if let estimatedLoss {
            tiles.append(tile("Estimated loss", shortPercent(estimatedLoss), "in bits per byte; --verify measures it", style: "key"))
        } else {
            tiles.append(tile("Loss against float", "not measured", "--verify FILE measures it"))
        }
        tiles.append(tile("Resident at most", sizeText(memory.residentAtMost), "running, at a context of \(grouped(contextTokenCount))"))
        return "<div class=\"tiles\">\n" + tiles.joined(separator: "\n") + "\n</div>"
    }

    private func tile(_ title: String, _ value: String, _ note: String, style: String = "") -> String {
        "<div class=\"tile \(style)\"><h2>\(escaped(title))</h2><strong>\(escaped(value))</strong><p>\(escaped(note))</p></div>"
    }

    /// 260032 as 260 thousand.
    private func sizeLessCount(_ count: Int) -> String {
        count >= 999_500 ? String(format: "%.1f million", Double(count) / 1e6) : count >= 10_000 ? "\((count + 500) / 1000) thousand" : grouped(count)
    }

    // MARK: Sections

    private func section(_ title: String, _ content: String) -> String { "<section><h2>\(escaped(title))</h2>\n\(content)</section>" }

    private func picture(_ title: String, _ picture: String?, _ note: String) -> String {
        picture.map { section(title, $0 + "<p class=\"note\">\(note)</p>") } ?? ""
    }

    private var curveNote: String {
        var text = "The line is an estimate: divergences of single matrices from the float model, added up, for the best choice of encodings in each size."
        if verification != nil { text += " Measured is this file on the verification text." }
        return text
    }

    private var errorNote: String {
        let over = calibration == nil ? "over inputs of equal size in all directions" : "over the calibration text"
        var text = "Each dot is a matrix; its colour is that of its encoding above. "
            + "The error is what encoding changes in the results of its layer, relative to them, \(over)."
        if matrices.contains(where: { $0.divergence > 0 }) { text += " Larger dots are thought to cost more of the loss." }
        return text
    }

    private var verificationSection: String {
        guard let v = verification else { return "" }
        var rows = row(["bits per byte", String(format: "%.5f", v.floatBitsPerByte), String(format: "%.5f", v.bitsPerByte), change(v.loss)])
        rows += row([
            "perplexity", String(format: "%.4f", v.floatPerplexity), String(format: "%.4f", v.perplexity), change(v.perplexity / v.floatPerplexity - 1),
        ])
        for (name, cost) in [("with keys, values int8", v.costInt8), ("with values int4", v.costInt4)] {
            guard let cost else { continue }
            let perplexity = v.perplexity * (1 + v.perplexityIncrease(cost))
            rows += row([name, "", String(format: "%.4f", perplexity), change(perplexity / v.floatPerplexity - 1)])
        }
        let note = String(format: "Divergence (Kullback-Leibler) from the float model: %.6f bits a row of logits.", v.meanDivergence)
        return section("Measured", table(["", "float", "this file", "change"], rows, style: "narrow-table") + "<p class=\"note\">\(note)</p>")
    }

    private func change(_ fraction: Double) -> String { String(format: "%+.3f %%", fraction == 0 ? 0 : 100 * fraction) }

    private var matricesSection: String {
        if matrices.isEmpty { return "" }
        let hasLoss = matrices.contains { $0.divergence > 0 }, total = matrices.reduce(0) { $0 + $1.divergence }
        let styles = Dictionary(tensors.map { ($0.encoding.shortName, $0.encoding.colourClass) }, uniquingKeysWith: { a, _ in a })
        let rows = matrices.map { matrix in
            var cells = [
                named(matrix.name), "\(grouped(matrix.rows)) × \(grouped(matrix.columns))",
                "<i class=\"\(styles[matrix.width] ?? "w0")\"></i>\(escaped(matrix.width))", String(format: "%.2f", matrix.bitsPerWeight),
                grouped(matrix.byteCount), shortPercent(matrix.relativeError),
            ]
            if hasLoss { cells.append(shortPercent(total > 0 ? matrix.divergence / total : 0)) }
            return row(cells)
        }.joined()
        let titles = ["matrix", "shape", "encoding", "bits a weight", "bytes", "error"] + (hasLoss ? ["share of loss"] : [])
        let content = "<details\(matrices.count <= 60 ? " open" : "")><summary>\(matrices.count) matrices, in the order of the file</summary>"
            + table(titles, rows, style: "matrices") + "</details>"
        return section("Matrices", content)
    }

    private var sharedSection: String {
        if shared.isEmpty { return "" }
        let rows = shared.map { item in
            let rest = item.names.count - 1, others = item.names.dropFirst().map(named).joined(separator: "<br>")
            let first = named(item.names.first ?? "")
            let name = rest < 1 ? first : "<details><summary>\(first) and \(rest) more</summary>\(others)</details>"
            return row([name, grouped(item.byteCountBefore), grouped(item.byteCountAfter), grouped(item.byteCountBefore - item.byteCountAfter)])
        }.joined()
        return section("Stored once", table(["tensor", "bytes apart", "bytes stored", "saved"], rows, style: "shared"))
    }

    /// In the words of stlm-budget.
    private var memoryTable: String {
        let rows = [
            ("resident at most", memory.residentAtMost), ("cannot run under", memory.cannotRunUnder), ("arena", arenaByteCount),
            ("keys and values", memory.plan.keyValueByteCount),
        ].map { row([$0.0, grouped($0.1)]) }.joined()
        let note = "With stlm-run on a board, at a context of \(grouped(contextTokenCount)) and on one thread: file, arena, prompt, stack and program. "
            + "Under the second figure it cannot run even where weights are dropped and read again. "
            + "stlm-budget has other contexts, widths and limits."
        return table(["", "bytes"], rows, style: "narrow-table") + "<p class=\"note\">\(note)</p>"
    }

    private var facts: String {
        func text(_ name: String, _ byteCount: Int, _ count: Int, _ what: String) -> String {
            "\(escaped(name)): \(grouped(byteCount)) bytes, \(grouped(count)) \(what)"
        }
        var items = [
            ("Weights", "\(grouped(parameterCount)) parameters, \(grouped(uniqueParameterCount)) unique"),
            ("Tokenizer", hasTokenizer ? "in the file, \(grouped(tokenizerByteCount)) bytes" : "none; the model runs on ids"),
            ("Calibrated on", calibration.map { text($0.name, $0.byteCount, $0.count, "positions used") } ?? "nothing"),
        ]
        let verified = verification.map { text($0.name, $0.byteCount, $0.count, "positions scored, windows of \(grouped($0.context))") }
        items.append(("Verified on", verified ?? "nothing"))
        return "<dl>" + items.map { "<dt>\($0.0)</dt><dd>\($0.1)</dd>" }.joined() + "</dl>"
    }

    /// A name, and its end where the window is narrow.
    private func named(_ name: String) -> String {
        "<span class=\"wide\">\(escaped(name))</span><span class=\"narrow\">"
            + escaped(Self.shortened(name)).replacingOccurrences(of: ".", with: ".<wbr>") + "</span>"
    }

    // MARK: Tables of cells that are markup

    private func row(_ cells: [String]) -> String { "<tr>" + cells.map { "<td>\($0)</td>" }.joined() + "</tr>\n" }

    private func table(_ titles: [String], _ rows: String, style: String) -> String {
        "<div class=\"scroll\"><table class=\"\(style)\"><thead><tr>" + titles.map { "<th>\(escaped($0))</th>" }.joined()
            + "</tr></thead><tbody>\n\(rows)</tbody></table></div>"
    }
}
