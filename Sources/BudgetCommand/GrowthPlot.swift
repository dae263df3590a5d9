import Console
import Kernels
import ModelFile
import STLM

/// What a model takes at contexts from 1 to its maximum, for each width of keys and values.
struct Growth {
    static let stepCount = 32

    let contextMaximum: Int
    let contextTokenCount: Int
    let keyValueType: KeyValueType
    let residentAtMost: Int
    let fileByteCount: Int
    /// nil where there is none, or it lies far above all else.
    let limit: Int?
    /// (steps + 1) bytes, for each width
    private(set) var curves = InlineArray<3, InlineArray<33, Int>>(repeating: .init(repeating: 0))
    /// Of all that is drawn.
    private(set) var most: Int

    init(_ answer: Answer) {
        let plan = answer.budget.plan
        contextMaximum = Int(answer.model.record.contextMaximum)
        contextTokenCount = plan.contextTokenCount
        keyValueType = plan.keyValueType
        residentAtMost = answer.budget.residentAtMost
        fileByteCount = answer.budget.filePageCount * MemoryBudget.pageByteCount
        var most = residentAtMost
        for type in 0..<3 {
            var options = answer.options
            options.keyValueType = KeyValueType(rawValue: UInt8(type))!
            for step in 0...Self.stepCount {
                options.contextTokenCount = Self.context(step, contextMaximum)
                let byteCount = answer.alternative(options)?.residentAtMost ?? 0
                curves[type][step] = byteCount
                most = max(most, byteCount)
            }
        }
        limit = answer.limit.flatMap { $0 - most <= most ? $0 : nil }
        self.most = max(most, limit ?? 0)
    }

    func context(_ step: Int) -> Int { Self.context(step, contextMaximum) }

    private static func context(_ step: Int, _ maximum: Int) -> Int { max(1, maximum * step / stepCount) }
}

/// Its curves, drawn for one width so that letters stay legible. Coordinates are tenths of a pixel.
struct GrowthPlot {
    let width: Int
    let height: Int
    let growth: Growth
    private static let left = 620, right = 560, top = 340, bottom = 460

    /// What stands at the right end of a line.
    private struct EndLabel {
        var y: Int
        var name: StaticString
    }

    private func x(_ context: Int) -> Int { Self.left + context * (width * 10 - Self.left - Self.right) / growth.contextMaximum }
    private func y(_ byteCount: Int) -> Int {
        let span = height * 10 - Self.top - Self.bottom
        return height * 10 - Self.bottom - Int(UInt64(byteCount) * UInt64(span) / UInt64(growth.most))
    }

    func write(_ out: inout Writer, style: StaticString) {
        out.text("<svg class=\"plot ")
        out.text(style)
        out.text("\" viewBox=\"0 0 ")
        out.number(width)
        out.text(" ")
        out.number(height)
        out.text("\" role=\"img\" aria-label=\"Resident memory against the context\">\n")
        writeGrid(&out)
        writeFile(&out)
        for type in 0..<3 { writeCurve(&out, type) }
        if let limit = growth.limit { line(&out, "limit", x(0), y(limit), x(growth.contextMaximum), y(limit)) }
        writeHere(&out)
        writeEndLabels(&out)
        text(&out, "axis", (Self.left + width * 10 - Self.right) / 2, height * 10 - 60, "middle")
        out.text("context</text></svg>\n")
    }

    // MARK: Parts

    private func writeGrid(_ out: inout Writer) {
        out.text("<g class=\"grid\">")
        let byteStep = Self.roundStep(growth.most, count: 6)
        var byteCount = 0
        while true {
            line(&out, "", x(0), y(byteCount), x(growth.contextMaximum), y(byteCount))
            text(&out, "", Self.left - 80, y(byteCount) + 40, "end")
            writeTick(&out, byteCount)
            out.text("</text>")
            // A sum may be more than an Int of 32 bits holds.
            if growth.most - byteCount < byteStep { break }
            byteCount += byteStep
        }
        var contextStep = 1
        while growth.contextMaximum / contextStep > width / 90 { contextStep *= 2 }
        var context = 0
        while context <= growth.contextMaximum {
            text(&out, "", x(context), height * 10 - Self.bottom + 170, "middle")
            out.number(context)
            out.text("</text>")
            context += contextStep
        }
        out.text("</g>")
    }

    private func writeFile(_ out: inout Writer) {
        out.text("<rect class=\"mass\" x=\"")
        coordinate(&out, x(0))
        out.text("\" y=\"")
        coordinate(&out, y(growth.fileByteCount))
        out.text("\" width=\"")
        coordinate(&out, x(growth.contextMaximum) - x(0))
        out.text("\" height=\"")
        coordinate(&out, y(0) - y(growth.fileByteCount))
        out.text("\"/>")
    }

    private func writeCurve(_ out: inout Writer, _ type: Int) {
        out.text("<polyline class=\"curve ")
        out.text(KeyValueType(rawValue: UInt8(type))!.name)
        out.text("\" points=\"")
        for step in 0...Growth.stepCount {
            if step > 0 { out.text(" ") }
            coordinate(&out, x(growth.context(step)))
            out.text(",")
            coordinate(&out, y(growth.curves[type][step]))
        }
        out.text("\"/>")
    }

    /// The chosen context: a line up to its label above all curves, and a dot.
    private func writeHere(_ out: inout Writer) {
        let place = x(growth.contextTokenCount)
        line(&out, "here", place, y(0), place, 220)
        out.text("<circle class=\"own\" r=\"6\" cx=\"")
        coordinate(&out, place)
        out.text("\" cy=\"")
        coordinate(&out, y(growth.residentAtMost))
        out.text("\"><title>")
        out.grouped(growth.residentAtMost)
        out.text(" bytes at a context of ")
        out.number(growth.contextTokenCount)
        out.text("</title></circle>")
        // About 170 pixels of text.
        let half = 900
        let anchor: StaticString = place - half < 0 ? "start" : place + half > width * 10 ? "end" : "middle"
        text(&out, "", place, 150, anchor)
        out.number(growth.contextTokenCount)
        out.text(", ")
        out.text(growth.keyValueType.name)
        out.text(": ")
        out.size(growth.residentAtMost)
        out.text("</text>")
    }

    /// From the top, none nearer to another than a line of text.
    private func writeEndLabels(_ out: inout Writer) {
        let gap = 150
        var labels = InlineArray<5, EndLabel>(repeating: EndLabel(y: 0, name: ""))
        for type in 0..<3 {
            labels[type] = EndLabel(y: y(growth.curves[type][Growth.stepCount]), name: KeyValueType(rawValue: UInt8(type))!.name)
        }
        labels[3] = EndLabel(y: y(growth.fileByteCount), name: "file")
        var count = 4
        if let limit = growth.limit {
            labels[4] = EndLabel(y: y(limit), name: "limit")
            count = 5
        }
        for k in 1..<count {
            let label = labels[k]
            var place = k
            while place > 0, labels[place - 1].y > label.y {
                labels[place] = labels[place - 1]
                place -= 1
            }
            labels[place] = label
        }
        for k in 1..<count { labels[k].y = max(labels[k].y, labels[k - 1].y + gap) }
        // What was pushed below the axis comes up again.
        var lowest = height * 10 - Self.bottom
        for k in 0..<count {
            let place = count - 1 - k
            labels[place].y = min(labels[place].y, lowest)
            lowest = labels[place].y - gap
        }
        for k in 0..<count {
            text(&out, labels[k].name, width * 10 - Self.right + 100, labels[k].y + 40, "start")
            out.text(labels[k].name)
            out.text("</text>")
        }
    }

    // MARK: Signs

    /// 1, 2 or 5 times a power of ten, so that at most `count` steps make `most`.
    private static func roundStep(_ most: Int, count: Int) -> Int {
        var unit = 1
        while true {
            if most / unit <= count { return unit }
            if most / (2 * unit) <= count { return 2 * unit }
            if most / (5 * unit) <= count { return 5 * unit }
            unit *= 10
        }
    }

    /// A round number of bytes.
    private func writeTick(_ out: inout Writer, _ byteCount: Int) {
        let unit = byteCount < 1_000_000 ? 1000 : byteCount < 1_000_000_000 ? 1_000_000 : 1_000_000_000
        if byteCount == 0 {
            out.text("0")
        } else {
            let places = byteCount % unit == 0 ? 0 : byteCount % (unit / 10) == 0 ? 1 : 2
            out.ratio(UInt64(byteCount), UInt64(unit), places: places)
            out.text(unit == 1000 ? " KB" : unit == 1_000_000 ? " MB" : " GB")
        }
    }

    private func coordinate(_ out: inout Writer, _ tenths: Int) {
        if tenths < 0 { out.text("-") }
        out.ratio(UInt64(tenths.magnitude), 10, places: 1)
    }

    private func line(_ out: inout Writer, _ style: StaticString, _ x1: Int, _ y1: Int, _ x2: Int, _ y2: Int) {
        out.text("<line class=\"")
        out.text(style)
        out.text("\" x1=\"")
        coordinate(&out, x1)
        out.text("\" y1=\"")
        coordinate(&out, y1)
        out.text("\" x2=\"")
        coordinate(&out, x2)
        out.text("\" y2=\"")
        coordinate(&out, y2)
        out.text("\"/>")
    }

    /// The beginning of a text; its end is the caller's.
    private func text(_ out: inout Writer, _ style: StaticString, _ x: Int, _ y: Int, _ anchor: StaticString) {
        out.text("<text class=\"")
        out.text(style)
        out.text("\" x=\"")
        coordinate(&out, x)
        out.text("\" y=\"")
        coordinate(&out, y)
        out.text("\" text-anchor=\"")
        out.text(anchor)
        out.text("\">")
    }
}
