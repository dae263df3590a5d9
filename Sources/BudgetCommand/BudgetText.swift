import Console
import Kernels
import ModelFile
import STLM

/// For people: the sums, then what they are made of.
func writeText(_ out: inout Writer, _ answer: Answer) {
    let budget = answer.budget, plan = budget.plan
    headline(&out, "resident at most", budget.residentAtMost)
    out.text("context ")
    out.number(plan.contextTokenCount)
    out.text(", keys and values ")
    out.text(plan.keyValueType.name)
    out.text(plan.threadCount == 1 ? ", 1 thread" : ", threads ")
    if plan.threadCount > 1 { out.number(plan.threadCount) }
    headline(&out, "\ncannot run under", budget.cannotRunUnder)
    out.text("where weights are dropped and read again\n")
    if let limit = answer.limit { writeLimit(&out, answer, limit) }

    row(&out, "\nfile", budget.fileByteCount)
    for index in 0..<FilePart.count {
        let part = FilePart(rawValue: index)!
        if budget.file.byteCount(part) > 0 { row(&out, part.name, budget.file.byteCount(part), inset: true) }
    }
    row(&out, "arena", plan.arenaByteCount)
    for index in 0..<ArenaGroup.count {
        let group = ArenaGroup(rawValue: index)!
        if budget.byteCount(group) > 0 { row(&out, group.name, budget.byteCount(group), inset: true) }
    }
    row(&out, "prompt", budget.promptByteCount)
    if answer.isConstrained { row(&out, "grammar", budget.constraintByteCount) }
    row(&out, "stacks", budget.stackByteCount)
    row(&out, "program", budget.program.imageByteCount)
    out.text("\n")
    row(&out, "pages of the file", budget.filePageCount)
    row(&out, "a token reads", budget.file.touchedByteCount)
    row(&out, "page tables", budget.pageTableByteCount)
}

private func writeLimit(_ out: inout Writer, _ answer: Answer, _ limit: Int) {
    let budget = answer.budget
    headline(&out, "limit", limit)
    if answer.fits == true {
        out.text("fits, ")
        out.grouped(limit - budget.residentAtMost)
        out.text(" bytes to spare\n")
        return
    }
    out.text("does not fit, ")
    out.grouped(budget.residentAtMost - limit)
    out.text(" bytes too many\n")
    for index in 0..<answer.alternativeCount {
        guard let alternative = answer.alternatives[index] else { continue }
        headline(&out, index == 0 ? "would fit" : "or", alternative.residentAtMost)
        writeFlags(&out, answer, alternative)
        out.text("\n")
    }
    if answer.alternativeCount == 0 {
        row(&out, "weights exceed by", answer.excessByteCount, ends: false)
        writeExcess(&out, answer)
        out.text("\n")
    }
    guard let (least, given) = answer.passing else { return }
    func write(_ out: inout Writer, _ name: StaticString, _ run: PassingRun) {
        headline(&out, name, run.memoryLimit)
        writeFlag(&out, run)
        out.text(", ")
        writeCost(&out, answer, run)
        out.text("\n")
    }
    write(&out, "would run", least)
    if given.memoryLimit > least.memoryLimit { write(&out, "or", given) }
}

func writeFlag(_ out: inout Writer, _ run: PassingRun) {
    out.text("--memory-limit ")
    out.number(run.memoryLimit)
}

/// What a run costs whose weights pass through memory.
func writeCost(_ out: inout Writer, _ answer: Answer, _ run: PassingRun) {
    out.grouped(run.readByteCount)
    out.text(answer.model.takesBlocks ? " bytes of weights read for each block" : " bytes of weights read for each token")
}

/// What is to be done where no flag helps.
func writeExcess(_ out: inout Writer, _ answer: Answer) {
    if answer.roomForFile > 0 {
        out.text("no context is short enough: pack the model with fewer bits, in a file of at most ")
        out.grouped(answer.roomForFile)
        out.text(" bytes")
    } else {
        out.text("no encoding is small enough: the program and the arena alone take more")
    }
}

/// The flags that make an alternative out of what was asked for.
func writeFlags(_ out: inout Writer, _ answer: Answer, _ alternative: MemoryAlternative) {
    let plan = answer.budget.plan
    var written = false
    func separate(_ out: inout Writer) {
        if written { out.text(" ") }
        written = true
    }
    if alternative.contextTokenCount != plan.contextTokenCount {
        separate(&out)
        out.text("--context ")
        out.number(alternative.contextTokenCount)
    }
    if alternative.keyValueType != plan.keyValueType {
        separate(&out)
        out.text("--kv ")
        out.text(alternative.keyValueType.name)
    }
    // A context shorter than a batch shortens it by itself.
    if alternative.batchTokenCount != min(plan.batchTokenCount, alternative.contextTokenCount) {
        separate(&out)
        out.text("--batch ")
        out.number(alternative.batchTokenCount)
    }
}

/// A name, its bytes, and what is said about them.
private func headline(_ out: inout Writer, _ name: StaticString, _ byteCount: Int) {
    row(&out, name, byteCount, ends: false)
    out.text("(")
    out.size(byteCount)
    out.text(")  ")
}

private func row(_ out: inout Writer, _ name: StaticString, _ number: Int, inset: Bool = false, ends: Bool = true) {
    if inset { out.text("  ") }
    out.text(name)
    var width = inset ? 2 : 0
    for k in 0..<name.utf8CodeUnitCount where name.utf8Start[k] != 0x0A { width += 1 }
    // Digits and commas.
    var digits = 1, rest = number
    while rest >= 10 {
        rest /= 10
        digits += 1
    }
    digits += (digits - 1) / 3
    for _ in 0..<max(1, 36 - width - digits) { out.byte(0x20) }
    out.grouped(number)
    out.text(ends ? "\n" : "  ")
}
