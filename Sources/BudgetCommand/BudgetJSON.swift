import Console
import Kernels
import ModelFile
import RunCommands
import STLM

/// For scripts: the same figures.
func writeJSON(_ out: inout Writer, _ answer: Answer) {
    let budget = answer.budget, plan = budget.plan
    out.text("{\"description\": \"")
    out.jsonEscaped(bytes(answer.model.file.text(answer.model.record.description)))
    out.text("\", \"context\": ")
    out.number(plan.contextTokenCount)
    out.text(", \"kv\": \"")
    out.text(plan.keyValueType.name)
    out.text("\"")
    field(&out, "threads", plan.threadCount)
    field(&out, "batch", plan.batchTokenCount)
    field(&out, "resident_at_most", budget.residentAtMost)
    field(&out, "cannot_run_under", budget.cannotRunUnder)
    out.text(",\n \"file\": {\"bytes\": ")
    out.number(budget.fileByteCount)
    for index in 0..<FilePart.count { field(&out, FilePart(rawValue: index)!.name, budget.file.byteCount(FilePart(rawValue: index)!)) }
    field(&out, "pages", budget.filePageCount)
    field(&out, "token_reads", budget.file.touchedByteCount)
    field(&out, "least", budget.leastWeightByteCount)
    out.text("},\n \"arena\": {\"bytes\": ")
    out.number(plan.arenaByteCount)
    for index in 0..<ArenaGroup.count { field(&out, ArenaGroup(rawValue: index)!.name, budget.byteCount(ArenaGroup(rawValue: index)!)) }
    field(&out, "pages", budget.arenaPageCount)
    out.text("}")
    field(&out, "prompt", budget.promptByteCount)
    field(&out, "grammar", budget.constraintByteCount)
    field(&out, "stacks", budget.stackByteCount)
    field(&out, "program", budget.program.imageByteCount)
    field(&out, "page_tables", budget.pageTableByteCount)
    if let limit = answer.limit { writeLimit(&out, answer, limit) } else { out.text(", \"limit\": null, \"fits\": null") }
    out.text("}\n")
}

private func writeLimit(_ out: inout Writer, _ answer: Answer, _ limit: Int) {
    field(&out, "limit", limit)
    out.text(answer.fits == true ? ", \"fits\": true" : ", \"fits\": false")
    out.text(",\n \"would_fit\": [")
    for index in 0..<answer.alternativeCount {
        guard let alternative = answer.alternatives[index] else { continue }
        out.text(index == 0 ? "{\"flags\": \"" : ", {\"flags\": \"")
        writeFlags(&out, answer, alternative)
        out.text("\"")
        field(&out, "context", alternative.contextTokenCount)
        out.text(", \"kv\": \"")
        out.text(alternative.keyValueType.name)
        out.text("\"")
        field(&out, "batch", alternative.batchTokenCount)
        field(&out, "resident_at_most", alternative.residentAtMost)
        out.text("}")
    }
    out.text("]")
    field(&out, "weights_exceed_by", answer.excessByteCount)
    out.text(", \"would_run\": [")
    if let (least, given) = answer.passing {
        writeRun(&out, least)
        if given.memoryLimit > least.memoryLimit {
            out.text(", ")
            writeRun(&out, given)
        }
    }
    out.text("]")
}

private func writeRun(_ out: inout Writer, _ run: PassingRun) {
    out.text("{\"flags\": \"")
    writeFlag(&out, run)
    out.text("\"")
    field(&out, "memory_limit", run.memoryLimit)
    field(&out, "weights_read", Int(clamping: run.readByteCount))
    out.text("}")
}

/// A name's spaces become underscores.
private func field(_ out: inout Writer, _ name: StaticString, _ value: Int) {
    out.text(", \"")
    for k in 0..<name.utf8CodeUnitCount { out.byte(name.utf8Start[k] == 0x20 ? UInt8(ascii: "_") : name.utf8Start[k]) }
    out.text("\": ")
    out.number(value)
}
