import Console
import Kernels
import ModelFile
import RunCommands
import STLM

/// The answer as one page that needs nothing beside it: no script, no other file.
func writePage(_ out: inout Writer, _ answer: Answer) {
    let budget = answer.budget, plan = budget.plan
    let description = bytes(answer.model.file.text(answer.model.record.description))
    out.text(
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>
        """)
    out.escaped(description)
    out.text(": memory</title>\n<style>\n")
    out.text(pageStyle)
    out.text("\n</style></head><body><main>\n<header><h1>")
    out.escaped(description)
    out.text("</h1><p>Memory at a context of ")
    out.number(plan.contextTokenCount)
    out.text(", keys and values ")
    out.text(plan.keyValueType.name)
    out.text(", batches of ")
    out.number(plan.batchTokenCount)
    out.text(plan.threadCount == 1 ? ", one thread" : ", threads: ")
    if plan.threadCount > 1 { out.number(plan.threadCount) }
    out.text("</p></header>\n<div class=\"tiles\">\n")
    writeTiles(&out, answer)
    out.text("</div>\n<section><h2>What memory holds</h2>\n")
    writeStrip(&out, answer)
    writeBars(&out, answer)
    out.text("</section>\n")
    if answer.fits == false { writeAdvice(&out, answer) }
    out.text("<section><h2>How it grows with the context</h2>\n")
    let growth = Growth(answer)
    GrowthPlot(width: 960, height: 360, growth: growth).write(&out, style: "wide")
    GrowthPlot(width: 350, height: 320, growth: growth).write(&out, style: "narrow")
    out.text("<p class=\"note\">Resident at most, by the width of keys and values; below the shaded edge is the file.")
    if let limit = answer.limit, limit > growth.most {
        out.text(" The limit, ")
        out.size(limit)
        out.text(", lies above all of it.")
    }
    out.text("</p></section>\n<section><h2>To the byte</h2>\n")
    writeTable(&out, budget)
    out.text("</section>\n</main></body></html>\n")
}

// MARK: Tiles

private func writeTiles(_ out: inout Writer, _ answer: Answer) {
    let budget = answer.budget, plan = budget.plan
    func tile(_ title: StaticString, _ byteCount: Int, style: StaticString = "tile") {
        out.text("<div class=\"")
        out.text(style)
        out.text("\"><h2>")
        out.text(title)
        out.text("</h2><strong>")
        out.size(byteCount)
        out.text("</strong><p>")
        out.grouped(byteCount)
        out.text(" bytes")
    }
    let end: StaticString = "</p></div>\n"
    tile("Resident at most", budget.residentAtMost, style: "tile key")
    out.text(end)
    tile("Cannot run under", budget.cannotRunUnder)
    out.text(", weights read again</p></div>\n")
    tile("Arena", plan.arenaByteCount)
    out.text(end)
    tile("Keys and values", plan.keyValueByteCount)
    out.text(end)
    guard let limit = answer.limit else { return }
    let fits = answer.fits == true
    tile(fits ? "Fits; to spare" : "Does not fit; over by", abs(limit - budget.residentAtMost), style: fits ? "tile" : "tile over")
    out.text(" of ")
    out.size(limit)
    out.text(end)
}

// MARK: What memory holds

private func writeStrip(_ out: inout Writer, _ answer: Answer) {
    let budget = answer.budget
    let total = max(budget.residentAtMost, answer.limit ?? 0)
    out.text("<svg class=\"strip\" viewBox=\"0 0 1000 40\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"What memory holds\">")
    out.text("<rect class=\"wp\" x=\"0\" width=\"1000\" height=\"40\"/>")
    var start = 0
    for index in 0..<Piece.count {
        let piece = Piece(index), byteCount = piece.byteCount(budget)
        if byteCount > 0 { rectangle(&out, piece, start, byteCount, total: total, height: 40) }
        start += byteCount
    }
    if let limit = answer.limit, limit < total {
        out.text("<line class=\"stop\" y1=\"0\" y2=\"40\" x1=\"")
        out.ratio(UInt64(limit) * 1000, UInt64(total), places: 2)
        out.text("\" x2=\"")
        out.ratio(UInt64(limit) * 1000, UInt64(total), places: 2)
        out.text("\"/>")
    }
    out.text("</svg><p class=\"ends\"><span>")
    if let limit = answer.limit, limit < total {
        out.text("the line is the limit, ")
        out.size(limit)
    } else {
        out.text("0")
    }
    out.text("</span><span>")
    out.text(answer.limit == total ? "limit, " : "resident at most, ")
    out.size(total)
    out.text("</span></p>\n")
}

private func writeBars(_ out: inout Writer, _ answer: Answer) {
    let budget = answer.budget
    var most = 1
    for index in 0..<Piece.count { most = max(most, Piece(index).byteCount(budget)) }
    out.text("<div class=\"bars\">\n")
    for index in 0..<Piece.count {
        let piece = Piece(index), byteCount = piece.byteCount(budget)
        if byteCount == 0 { continue }
        out.text("<span>")
        out.text(piece.name)
        out.text("</span><svg class=\"bar\" viewBox=\"0 0 1000 16\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"")
        out.text(piece.name)
        out.text("\">")
        rectangle(&out, piece, 0, byteCount, total: most, height: 16)
        out.text("</svg><span class=\"n\">")
        out.size(byteCount)
        out.text(" <small>")
        out.percent(byteCount, of: budget.residentAtMost)
        out.text("</small></span>\n")
    }
    out.text("</div>")
}

private func rectangle(_ out: inout Writer, _ piece: Piece, _ start: Int, _ byteCount: Int, total: Int, height: Int) {
    out.text("<rect class=\"")
    out.text(piece.style)
    // An edge around a sliver would cover it.
    if byteCount * 125 > total { out.text(" edge") }
    out.text("\" x=\"")
    out.ratio(UInt64(start) * 1000, UInt64(total), places: 2)
    out.text("\" width=\"")
    out.ratio(UInt64(byteCount) * 1000, UInt64(total), places: 2)
    out.text("\" height=\"")
    out.number(height)
    out.text("\"><title>")
    out.text(piece.name)
    out.text(", ")
    out.grouped(byteCount)
    out.text(" bytes</title></rect>")
}

// MARK: What would fit

private func writeAdvice(_ out: inout Writer, _ answer: Answer) {
    out.text("<section><h2>What would fit</h2>\n")
    if answer.alternativeCount == 0 {
        out.text("<p>The weights exceed the limit by ")
        out.grouped(answer.excessByteCount)
        out.text(" bytes: ")
        writeExcess(&out, answer)
        out.text(".</p>\n")
    } else {
        writeAlternatives(&out, answer)
    }
    if let (least, given) = answer.passing {
        out.text("<div class=\"scroll\"><table><thead><tr><th>would run with</th><th>bytes of weights read for each ")
        out.text(answer.model.takesBlocks ? "block" : "token")
        out.text("</th></tr></thead><tbody>\n")
        row(&out, least)
        if given.memoryLimit > least.memoryLimit { row(&out, given) }
        out.text("</tbody></table></div>\n")
    }
    out.text("</section>\n")
}

private func row(_ out: inout Writer, _ run: PassingRun) {
    out.text("<tr><td><code>")
    writeFlag(&out, run)
    out.text("</code></td><td>")
    out.grouped(run.readByteCount)
    out.text("</td></tr>\n")
}

private func writeAlternatives(_ out: inout Writer, _ answer: Answer) {
    out.text("<div class=\"scroll\"><table><thead><tr><th>with</th><th>resident at most</th></tr></thead><tbody>\n")
    for index in 0..<answer.alternativeCount {
        guard let alternative = answer.alternatives[index] else { continue }
        out.text("<tr><td><code>")
        writeFlags(&out, answer, alternative)
        out.text("</code></td><td>")
        out.grouped(alternative.residentAtMost)
        out.text("</td></tr>\n")
    }
    out.text("</tbody></table></div>\n")
}

// MARK: To the byte

private func writeTable(_ out: inout Writer, _ budget: MemoryBudget) {
    func row(_ name: StaticString, _ number: Int, isPart: Bool = false) {
        if isPart && number == 0 { return }
        out.text(isPart ? "<tr><td class=\"part\">" : "<tr><td>")
        out.text(name)
        out.text("</td><td>")
        out.grouped(number)
        out.text("</td></tr>\n")
    }
    out.text("<div class=\"scroll\"><table><thead><tr><th>what</th><th>bytes</th></tr></thead><tbody>\n")
    row("file", budget.fileByteCount)
    for index in 0..<FilePart.count {
        let part = FilePart(rawValue: index)!
        row(part.name, budget.file.byteCount(part), isPart: true)
    }
    row("arena", budget.plan.arenaByteCount)
    for index in 0..<ArenaGroup.count {
        let group = ArenaGroup(rawValue: index)!
        row(group.name, budget.byteCount(group), isPart: true)
    }
    row("prompt", budget.promptByteCount)
    if budget.constraintByteCount > 0 { row("grammar", budget.constraintByteCount) }
    row("stacks", budget.stackByteCount)
    row("program", budget.program.imageByteCount)
    row("rounding to pages", budget.roundingByteCount)
    row("resident at most", budget.residentAtMost)
    row("cannot run under", budget.cannotRunUnder)
    row("of the file, a token reads", budget.file.touchedByteCount)
    row("beside it, page tables of the kernel", budget.pageTableByteCount)
    out.text("</tbody></table></div>")
}
