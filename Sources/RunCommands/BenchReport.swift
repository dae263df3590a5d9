import Console
import Kernels
import STLM

/// What a bench prints.
extension Bench {
    private func rate(_ out: inout Writer, _ count: Int, _ nanoseconds: UInt64) {
        out.ratio(UInt64(count) * 1_000_000_000, max(1, nanoseconds), places: 1)
    }

    private func total(_ profile: OperationTimes) -> UInt64 {
        var sum: UInt64 = 0
        for k in 0..<Operation.count { sum += profile[k] }
        return max(1, sum)
    }

    private func bytesPerSecond(_ byteCount: Int64, _ nanoseconds: UInt64) -> UInt64 {
        // In units of 1,000 bytes the product stays below 2^64.
        UInt64(byteCount) * 1_000_000 / max(1, nanoseconds) * 1_000
    }

    private func weightRate(_ session: borrowing Session) -> UInt64 {
        bytesPerSecond(session.model.weightByteCountPerPosition * Int64(tokenCount), decode.median)
    }

    private var readRate: UInt64 { bytesPerSecond(Int64(readByteCount), read.median) }

    func writeText(_ out: inout Writer, _ session: borrowing Session, _ path: UnsafePointer<CChar>) {
        let unit: StaticString = session.model.takesBlocks ? "blocks" : "tokens"
        out.text("model          ")
        out.cString(path)
        out.text(", ")
        out.grouped(fileByteCount)
        out.text(" bytes\nkernels        ")
        out.text(session.kernels.name)
        out.text(", threads ")
        out.number(session.plan.threadCount)
        out.text(", context ")
        out.number(session.plan.contextTokenCount)
        out.text(", keys and values ")
        out.text(session.plan.keyValueType.name)
        out.text(", arena ")
        out.grouped(session.plan.arenaByteCount)
        out.text(" bytes\nprompt         ")
        writeRate(&out, prompt, promptCount, unit)
        out.text("decode         ")
        writeRate(&out, decode, tokenCount, unit)
        if session.model.writesBlocks {
            out.text("text           ")
            rate(&out, textByteCount, decode.median)
            out.text(" bytes/s\n")
        }
        out.text("first token    ")
        out.ratio(firstToken.median, 1_000_000, places: 3)
        out.text(" ms after a prompt of ")
        out.number(min(Self.shortPromptCount, promptCount))
        out.text("\nopening        ")
        out.ratio(openNanoseconds, 1_000_000, places: 3)
        out.text(" ms\nweights read   ")
        out.grouped(UInt64(session.model.weightByteCountPerPosition))
        out.text(session.model.takesBlocks ? " bytes a block, " : " bytes a token, ")
        out.ratio(weightRate(session), 1_000_000_000, places: 1)
        out.text(" GB/s: ")
        out.ratio(weightRate(session) * 100, readRate, places: 0)
        out.text(" % of the ")
        out.ratio(readRate, 1_000_000_000, places: 1)
        out.text(" GB/s at which the file can be read\n\nshare of time      prompt    decode\n")
        var k = 0
        while let operation = Operation(rawValue: k) {
            out.text(operation.name)
            for _ in operation.name.utf8CodeUnitCount..<16 { out.text(" ") }
            writeShare(&out, promptProfile[k], total(promptProfile))
            out.text("  ")
            writeShare(&out, decodeProfile[k], total(decodeProfile))
            out.text("\n")
            k += 1
        }
    }

    private func writeShare(_ out: inout Writer, _ part: UInt64, _ whole: UInt64) {
        let tenths = (part * 1_000 + whole / 2) / whole
        out.text(tenths < 100 ? "   " : tenths < 1_000 ? "  " : " ")
        out.ratio(tenths, 10, places: 1)
        out.text(" %")
    }

    private func writeRate(_ out: inout Writer, _ samples: Samples, _ count: Int, _ unit: StaticString) {
        rate(&out, count, samples.median)
        out.text(" ")
        out.text(unit)
        out.text("/s (")
        rate(&out, count, samples.most)
        out.text(" to ")
        rate(&out, count, samples.least)
        out.text("), ")
        out.number(count)
        out.text(" ")
        out.text(unit)
        out.text(", ")
        out.number(samples.count)
        out.text(" rounds\n")
    }

    func writeJSON(_ out: inout Writer, _ session: borrowing Session, _ path: UnsafePointer<CChar>) {
        out.text("{\"model\": \"")
        out.jsonEscaped(utf8(path))
        out.text("\", \"file_bytes\": ")
        out.number(fileByteCount)
        out.text(", \"kernels\": \"")
        out.text(session.kernels.name)
        out.text("\", \"threads\": ")
        out.number(session.plan.threadCount)
        out.text(", \"context\": ")
        out.number(session.plan.contextTokenCount)
        out.text(", \"kv\": \"")
        out.text(session.plan.keyValueType.name)
        out.text("\", \"arena_bytes\": ")
        out.number(session.plan.arenaByteCount)
        out.text(", \"unit\": \"")
        out.text(session.model.takesBlocks ? "blocks" : "tokens")
        out.text("\", \"rounds\": ")
        out.number(prompt.count)
        out.text(",\n \"prompt\": ")
        writeJSON(&out, prompt, promptCount, promptProfile)
        out.text(",\n \"decode\": ")
        writeJSON(&out, decode, tokenCount, decodeProfile)
        if session.model.writesBlocks {
            out.text(",\n \"text_bytes_per_second\": ")
            rate(&out, textByteCount, decode.median)
        }
        out.text(",\n \"first_token_ms\": ")
        out.ratio(firstToken.median, 1_000_000, places: 3)
        out.text(", \"open_ms\": ")
        out.ratio(openNanoseconds, 1_000_000, places: 3)
        out.text(",\n \"weight_bytes_per_position\": ")
        out.number(UInt64(session.model.weightByteCountPerPosition))
        out.text(", \"weight_bytes_per_second\": ")
        out.number(weightRate(session))
        out.text(", \"read_bytes_per_second\": ")
        out.number(readRate)
        out.text("}\n")
    }

    private func writeJSON(_ out: inout Writer, _ samples: Samples, _ count: Int, _ profile: OperationTimes) {
        out.text("{\"count\": ")
        out.number(count)
        out.text(", \"per_second\": {\"median\": ")
        rate(&out, count, samples.median)
        out.text(", \"least\": ")
        rate(&out, count, samples.most)
        out.text(", \"most\": ")
        rate(&out, count, samples.least)
        out.text("}, \"share\": {")
        var k = 0
        while let operation = Operation(rawValue: k) {
            if k > 0 { out.text(", ") }
            out.text("\"")
            out.text(operation.name)
            out.text("\": ")
            out.ratio(profile[k], total(profile), places: 4)
            k += 1
        }
        out.text("}}")
    }
}
