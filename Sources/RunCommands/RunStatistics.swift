import CPlatform
import Console
import Kernels
import STLM

/// Times and counts of a run, for --stats.
struct RunStatistics {
    var openNanoseconds: UInt64 = 0
    var start: UInt64 = 0
    var promptNanoseconds: UInt64 = 0
    var firstTokenNanoseconds: UInt64 = 0
    var decodeNanoseconds: UInt64 = 0
    var promptCount = 0
    var generatedCount = 0
    /// Bytes of text generated, pads not counted.
    var byteCount = 0
    var ending: StaticString = ""
    var seed: UInt64 = 0
    /// Numbers are those of a session file, whatever the seed was.
    var isSeedOfSession = false
    /// Positions of a session file, and bytes of one that was written.
    var restoredCount: Int?
    var restoreNanoseconds: UInt64 = 0
    var savedByteCount: Int?
    var saveNanoseconds: UInt64 = 0
    /// Memory of a grammar, beside the arena.
    var constraintByteCount = 0
    /// Before these numbers are printed, which takes memory of its own.
    var residentByteCount: UInt64 = 0
    var mostResidentByteCount: UInt64 = 0

    mutating func readMemory() { stlm_resident_bytes(&residentByteCount, &mostResidentByteCount) }

    func print(_ session: borrowing Session, mappedByteCount: Int) {
        var err = Writer(2)
        let unit: StaticString = session.model.takesBlocks ? "blocks" : "tokens"
        if let restoredCount {
            err.text("\nrestored       ")
            err.number(restoredCount)
            err.text(session.model.takesBlocks ? " blocks in " : " tokens in ")
            err.ratio(restoreNanoseconds, 1_000_000, places: 2)
            err.text(" ms")
        }
        err.text("\nprompt         ")
        writeRate(&err, promptCount, unit, promptNanoseconds)
        err.text("decode         ")
        writeRate(&err, generatedCount, unit, decodeNanoseconds)
        if byteCount > 0 || session.model.takesBlocks {
            err.text("text           ")
            writeRate(&err, byteCount, "bytes", decodeNanoseconds)
        }
        err.text(session.model.takesBlocks ? "first block    " : "first token    ")
        err.ratio(firstTokenNanoseconds, 1_000_000, places: 2)
        err.text(" ms after the start, opening the file ")
        err.ratio(openNanoseconds, 1_000_000, places: 2)
        err.text(" ms\narena          ")
        err.grouped(session.plan.arenaByteCount)
        err.text(" bytes, context ")
        err.number(session.plan.contextTokenCount)
        if constraintByteCount > 0 {
            err.text("\ngrammar        ")
            err.grouped(constraintByteCount)
            err.text(" bytes")
        }
        err.text("\nmapped         ")
        err.grouped(mappedByteCount)
        err.text(" bytes\nresident       ")
        err.grouped(residentByteCount)
        err.text(" bytes, at most ")
        err.grouped(mostResidentByteCount)
        if let weights = session.plan.weights {
            err.text("\nweights        ")
            err.grouped(weights.keptByteCount)
            err.text(" bytes stay, ")
            err.grouped(session.passedByteCount)
            err.text(" bytes were read and dropped")
        }
        err.text("\nkernels        ")
        err.text(session.kernels.name)
        err.text(", threads ")
        err.number(session.plan.threadCount)
        let niceness = stlm_niceness()
        if niceness != 0 {
            err.text(", nice ")
            err.number(Int(niceness))
        }
        err.text("\nseed           ")
        if isSeedOfSession { err.text("that of the session") } else { err.number(seed) }
        err.text("\nended by       ")
        err.text(ending)
        if let savedByteCount {
            err.text("\nsaved          ")
            err.grouped(savedByteCount)
            err.text(" bytes in ")
            err.ratio(saveNanoseconds, 1_000_000, places: 2)
            err.text(" ms")
        }
        err.text("\n")
        err.flush()
    }

    private func writeRate(_ err: inout Writer, _ count: Int, _ unit: StaticString, _ nanoseconds: UInt64) {
        err.ratio(UInt64(count) * 1_000_000_000, max(1, nanoseconds), places: 1)
        err.text(" ")
        err.text(unit)
        err.text("/s (")
        err.number(count)
        err.text(" ")
        err.text(unit)
        err.text(" in ")
        err.ratio(nanoseconds, 1_000_000, places: 2)
        err.text(" ms)\n")
    }
}
