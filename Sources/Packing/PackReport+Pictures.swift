import Foundation

extension PackReport {
    // MARK: Where the bytes go

    /// A stretch of the file that is drawn in one colour.
    struct Piece {
        var group: String
        var style: String
        var label: String
        var byteCount: Int
    }

    /// All of the file, in its order: tables first, padding, which lies everywhere, last.
    var pieces: [Piece] {
        var result = [Piece(group: "header and records", style: "wt", label: "header and records", byteCount: tableByteCount)]
        if tokenizerByteCount > 0 { result.append(Piece(group: "tokenizer", style: "wk", label: "tokenizer", byteCount: tokenizerByteCount)) }
        for tensor in tensors {
            result.append(Piece(
                group: tensor.part.rawValue, style: tensor.encoding.colourClass,
                label: (tensor.name.isEmpty ? "a table of the packer's" : tensor.name) + ", " + tensor.encoding.shortName, byteCount: tensor.byteCount))
        }
        if paddingByteCount > 0 { result.append(Piece(group: "padding", style: "wp", label: "padding", byteCount: paddingByteCount)) }
        return result
    }

    /// Pieces as one bar as wide as the page; 1000 units are `total` bytes.
    static func bar(_ pieces: [Piece], total: Int, height: Int, style: String, name: String) -> String {
        var rects = "", at = 0
        for piece in pieces where piece.byteCount > 0 {
            let start = Double(at) * 1000 / Double(max(1, total)), long = Double(piece.byteCount) * 1000 / Double(max(1, total))
            // An edge around a sliver would cover it.
            let style = piece.style + (long > 8 ? " edge" : "")
            rects += "<rect class=\"\(style)\" x=\"\(String(format: "%.2f", start))\" width=\"\(String(format: "%.2f", long))\" height=\"\(height)\">"
                + "<title>\(escaped(piece.label)), \(grouped(piece.byteCount)) bytes</title></rect>"
            at += piece.byteCount
        }
        return "<svg class=\"\(style)\" viewBox=\"0 0 1000 \(height)\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"\(escaped(name))\">\(rects)</svg>"
    }

    /// The whole file, then a bar for each of its parts, then what the colours mean.
    var bytesPicture: String {
        let pieces = pieces
        var groups: [(name: String, pieces: [Piece])] = []
        for piece in pieces {
            let index = groups.firstIndex { $0.name == piece.group } ?? groups.count
            if index == groups.count { groups.append((piece.group, [])) }
            groups[index].pieces.append(piece)
        }
        func sum(_ pieces: [Piece]) -> Int { pieces.reduce(0) { $0 + $1.byteCount } }
        let most = groups.map { sum($0.pieces) }.max() ?? 1
        var text = Self.bar(pieces, total: fileByteCount, height: 40, style: "strip", name: "The file from its first byte to its last")
        text += "<p class=\"ends\"><span>first byte</span><span>last byte</span></p><div class=\"bars\">"
        for group in groups {
            let byteCount = sum(group.pieces)
            text += "<span>\(escaped(group.name))</span>" + Self.bar(group.pieces, total: most, height: 16, style: "bar", name: group.name)
                + "<span class=\"n\">\(sizeText(byteCount)) <small>\(shortPercent(Double(byteCount) / Double(fileByteCount)))</small></span>"
        }
        return text + "</div><p class=\"legend\">" + legend(pieces) + "</p>"
    }

    private func legend(_ pieces: [Piece]) -> String {
        let names: [(style: String, name: String)] = [
            ("w1", "ternary"), ("w2", "int2"), ("w3", "int3"), ("w4", "int4"), ("w5", "int5"), ("w6", "int6"), ("w8", "int8"), ("w16", "int16"),
            ("w0", "vectors, rotations"), ("wk", "tokenizer"), ("wt", "header, records"), ("wp", "padding"),
        ]
        return names.compactMap { item in
            let byteCount = pieces.filter { $0.style == item.style }.reduce(0) { $0 + $1.byteCount }
            return byteCount == 0 ? nil : "<span><i class=\"\(item.style)\"></i>\(item.name) <small>\(sizeText(byteCount))</small></span>"
        }.joined(separator: "\n")
    }

    // MARK: Bytes against error

    /// Each matrix as a dot, larger where it is thought to lose more; nil where nothing is lost or there is nothing to compare.
    var errorPicture: String? {
        let shown = matrices.filter { $0.relativeError > 0 }
        if shown.count < 2 { return nil }
        let total = shown.reduce(0) { $0 + $1.divergence }
        let widest = 26 * min(1, 6 / Double(shown.count).squareRoot())
        func radius(_ matrix: Matrix) -> Double { total > 0 ? 3.5 + widest * (matrix.divergence / total).squareRoot() : 5 }
        let styles = Dictionary(tensors.map { ($0.encoding.shortName, $0.encoding.colourClass) }, uniquingKeysWith: { a, _ in a })
        let byWeight = shown.sorted { ($0.divergence, $0.relativeError) > ($1.divergence, $1.relativeError) }
        func plot(_ width: Double, _ height: Double, _ style: String, labels: Int) -> String {
            var plot = Plot(
                width: width, height: height, x: Axis(shown.map { Double($0.byteCount) }, isLogarithmic: true),
                y: Axis(shown.map { 100 * $0.relativeError }, isLogarithmic: true))
            for matrix in byWeight {
                var title = "\(matrix.name), \(matrix.width): \(grouped(matrix.byteCount)) bytes, error \(shortPercent(matrix.relativeError))"
                if total > 0 { title += ", \(shortPercent(matrix.divergence / total)) of the loss" }
                plot.dot(
                    Double(matrix.byteCount), 100 * matrix.relativeError, radius: radius(matrix), style: "dot \(styles[matrix.width] ?? "w0")",
                    title: title)
            }
            for matrix in byWeight.prefix(labels) {
                plot.label(Double(matrix.byteCount), 100 * matrix.relativeError, Self.shortened(matrix.name), radius: radius(matrix))
            }
            return plot.svg(
                style: style, name: "Bytes and error of each matrix", xTitle: "bytes of the matrix", yTitle: "error of its layer",
                xText: axisSize, yText: Self.axisPercent)
        }
        return plot(960, 360, "wide", labels: 6) + plot(350, 320, "narrow", labels: 3)
    }

    /// The end of a name, without what all have.
    static func shortened(_ name: String) -> String {
        var parts = (name.hasSuffix(".weight") ? name.dropLast(7) : name[...]).split(separator: ".")
        while parts.count > 4 || parts.count > 1 && parts.reduce(parts.count - 1, { $0 + $1.count }) > 28 { parts.removeFirst() }
        let short = parts.joined(separator: ".")
        return short.count <= 28 ? short : "…" + short.suffix(27)
    }

    private func axisSize(_ byteCount: Double) -> String {
        let (unit, name) = byteCount < 1e3 ? (1, "bytes") : byteCount < 1e6 ? (1e3, "KB") : byteCount < 1e9 ? (1e6, "MB") : (1e9, "GB")
        return String(format: "%g ", (byteCount / unit * 1000).rounded() / 1000) + name
    }

    private static func axisPercent(_ percent: Double) -> String { String(format: "%g", (percent * 1e6).rounded() / 1e6) + " %" }

    // MARK: Loss against size

    var curvePicture: String? {
        let points = curve.filter { $0.loss > 0 }
        guard points.count > 2, let estimatedLoss, estimatedLoss > 0 else { return nil }
        let measured = verification.map(\.loss).flatMap { $0 > 0 ? $0 : nil }
        let size = Double(fileByteCount)
        func plot(_ width: Double, _ height: Double, _ style: String) -> String {
            var plot = Plot(
                width: width, height: height, x: Axis(points.map { Double($0.fileByteCount) } + [size], isLogarithmic: false),
                y: Axis(points.map { 100 * $0.loss } + [100 * estimatedLoss] + (measured.map { [100 * $0] } ?? []), isLogarithmic: true))
            plot.line(points.map { (Double($0.fileByteCount), 100 * $0.loss) })
            let title = "this file: \(grouped(fileByteCount)) bytes"
            plot.dot(size, 100 * estimatedLoss, radius: 6, style: "own", title: "\(title), estimated \(shortPercent(estimatedLoss))")
            if let measured { plot.dot(size, 100 * measured, radius: 5, style: "measured", title: "\(title), measured \(shortPercent(measured))") }
            let estimate = "estimated \(shortPercent(estimatedLoss))", result = measured.map { "measured \(shortPercent($0))" }
            // Where the two are one dot, they have one label.
            if let measured, let result, (0.8...1.25).contains(measured / estimatedLoss) {
                plot.label(size, 100 * measured, style == "wide" ? "\(result), \(estimate)" : result, radius: 6, above: true)
            } else {
                if let measured, let result { plot.label(size, 100 * measured, result, radius: 6, above: measured > estimatedLoss) }
                plot.label(size, 100 * estimatedLoss, estimate, radius: 6, above: estimatedLoss > measured ?? 0)
            }
            return plot.svg(
                style: style, name: "Estimated loss against file size", xTitle: "size of the file", yTitle: "loss in bits per byte",
                xText: axisSize, yText: Self.axisPercent)
        }
        return plot(960, 340, "wide") + plot(350, 300, "narrow")
    }
}
