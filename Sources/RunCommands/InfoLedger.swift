import Console
import ModelFile
import STLM

/// What `info` says about how a file was packed and what it loses: stlm-1, section 11.
struct LedgerView {
    let file: ModelFile
    let ledger: LedgerRecord

    /// nil where the packer left none.
    init?(_ file: ModelFile) {
        if !file.hasLedger { return nil }
        (self.file, ledger) = (file, file.ledger)
    }

    // MARK: For people

    func writeText(_ out: inout Writer, _ model: Model) {
        out.text("packed with    ")
        out.bytes(bytes(file.text(ledger.options)))
        out.text("\ncalibrated on  ")
        if ledger.calibrationCount == 0 {
            out.text("nothing\n")
        } else {
            source(&out, ledger.calibrationText, ledger.calibrationByteCount, ledger.calibrationCount, model)
            out.text(" used\n")
        }
        out.text("verified on    ")
        if !ledger.isVerified {
            out.text("nothing; stlm-pack --verify FILE measures a file\n")
            return
        }
        source(&out, ledger.verificationText, ledger.verificationByteCount, ledger.verificationCount, model)
        out.text(" scored, windows of ")
        out.grouped(ledger.verificationContext)
        out.text("\nbits per byte  ")
        bits(&out, ledger.cost, ledger.verificationByteCount, places: 5)
        out.text(", float ")
        bits(&out, ledger.floatCost, ledger.verificationByteCount, places: 5)
        if ledger.floatCost > 0 {
            out.text(": ")
            loss(&out, plus: true)
            out.text(" %")
        }
        out.text("\nperplexity     ")
        perplexityText(&out, ledger.cost)
        out.text(", float ")
        perplexityText(&out, ledger.floatCost)
        out.text(": ")
        change(&out, from: ledger.floatCost, to: ledger.cost, plus: true)
        out.text(" %\ndivergence     ")
        bits(&out, ledger.divergence, ledger.rowCount, places: 6)
        out.text(" bits a row; same greatest logit in ")
        percent(&out, ledger.agreementCount, ledger.rowCount, places: 2)
        out.text(" %\n")
        if ledger.costInt8KeysValues > 0 { keysValues(&out, "keys, values   int8: ", ledger.costInt8KeysValues) }
        if ledger.costInt4Values > 0 { keysValues(&out, "               int4: ", ledger.costInt4Values) }
    }

    private func source(_ out: inout Writer, _ text: TextRange, _ byteCount: UInt64, _ count: UInt64, _ model: Model) {
        out.bytes(bytes(file.text(text)))
        out.text(", ")
        out.grouped(byteCount)
        out.text(" bytes, ")
        out.grouped(count)
        out.text(model.writesBlocks ? " blocks" : " tokens")
    }

    private func keysValues(_ out: inout Writer, _ label: StaticString, _ cost: UInt64) {
        out.text(label)
        change(&out, from: ledger.cost, to: cost, plus: true)
        out.text(" % perplexity\n")
    }

    private func perplexityText(_ out: inout Writer, _ cost: UInt64) {
        let value = perplexity(meanCost: Int64(cost / ledger.verificationCount))
        if value == .max { out.text("more than 8,589,934,592") } else { out.ratio(value, 1 << 30, places: 4) }
    }

    // MARK: For scripts

    func writeJSON(_ out: inout Writer) {
        out.text("{\"options\": \"")
        out.jsonEscaped(bytes(file.text(ledger.options)))
        out.text("\", \"calibration\": ")
        if ledger.calibrationCount == 0 {
            out.text("null")
        } else {
            sourceJSON(&out, ledger.calibrationText, ledger.calibrationByteCount, ledger.calibrationCount)
            out.text("}")
        }
        out.text(", \"verification\": ")
        if ledger.isVerified { verificationJSON(&out) } else { out.text("null") }
        out.text("}")
    }

    private func sourceJSON(_ out: inout Writer, _ text: TextRange, _ byteCount: UInt64, _ count: UInt64) {
        out.text("{\"text\": \"")
        out.jsonEscaped(bytes(file.text(text)))
        out.text("\", \"bytes\": ")
        out.number(byteCount)
        out.text(", \"count\": ")
        out.number(count)
    }

    private func verificationJSON(_ out: inout Writer) {
        sourceJSON(&out, ledger.verificationText, ledger.verificationByteCount, ledger.verificationCount)
        out.text(", \"context\": ")
        out.number(ledger.verificationContext)
        out.text(", \"float_bits_per_byte\": ")
        bits(&out, ledger.floatCost, ledger.verificationByteCount, places: 6)
        out.text(", \"bits_per_byte\": ")
        bits(&out, ledger.cost, ledger.verificationByteCount, places: 6)
        out.text(", \"loss_percent\": ")
        if ledger.floatCost > 0 { loss(&out) } else { out.text("null") }
        out.text(", \"float_perplexity\": ")
        perplexityJSON(&out, ledger.floatCost)
        out.text(", \"perplexity\": ")
        perplexityJSON(&out, ledger.cost)
        out.text(", \"perplexity_change_percent\": ")
        change(&out, from: ledger.floatCost, to: ledger.cost)
        out.text(", \"rows\": ")
        out.number(ledger.rowCount)
        out.text(", \"divergence_bits\": ")
        bits(&out, ledger.divergence, ledger.rowCount, places: 6)
        out.text(", \"agreement_percent\": ")
        percent(&out, ledger.agreementCount, ledger.rowCount, places: 2)
        out.text(", \"int8_keys_values_change_percent\": ")
        if ledger.costInt8KeysValues > 0 { change(&out, from: ledger.cost, to: ledger.costInt8KeysValues) } else { out.text("null") }
        out.text(", \"int4_values_change_percent\": ")
        if ledger.costInt4Values > 0 { change(&out, from: ledger.cost, to: ledger.costInt4Values) } else { out.text("null") }
        out.text("}")
    }

    private func perplexityJSON(_ out: inout Writer, _ cost: UInt64) {
        let value = perplexity(meanCost: Int64(cost / ledger.verificationCount))
        if value == .max { out.text("null") } else { out.ratio(value, 1 << 30, places: 4) }
    }

    // MARK: Numbers. Sums of a ledger are below 2^62, whatever the file says.

    /// A sum of 2^-24 bits over a count.
    private func bits(_ out: inout Writer, _ sum: UInt64, _ count: UInt64, places: Int) {
        var (sum, count) = (sum, count)
        while count >= 1 << 39 { (sum, count) = (sum >> 1, count >> 1) }
        out.ratio(sum, count << 24, places: places)
    }

    /// What the file's cost is above that of the float model, %.
    private func loss(_ out: inout Writer, plus: Bool = false) {
        let isLess = ledger.cost < ledger.floatCost
        out.sign(isLess, plus: plus)
        percent(&out, isLess ? ledger.floatCost - ledger.cost : ledger.cost - ledger.floatCost, ledger.floatCost, places: 3)
    }

    /// What a perplexity changes by from one cost of the verification text to another, %.
    private func change(_ out: inout Writer, from: UInt64, to: UInt64, plus: Bool = false) {
        let one: UInt64 = 1 << 30
        let quotient = perplexity(meanCost: (Int64(to) - Int64(from)) / Int64(ledger.verificationCount))
        if quotient == .max {
            out.text(plus ? "more than 858,993,459,200" : "null")
            return
        }
        out.sign(quotient < one, plus: plus)
        percent(&out, quotient < one ? one - quotient : quotient - one, one, places: 3)
    }
}

/// `part / whole` in %.
func percent(_ out: inout Writer, _ part: UInt64, _ whole: UInt64, places: Int) {
    var (part, whole) = (part, whole)
    while part >= 1 << 57 { (part, whole) = (part >> 1, whole >> 1) }
    out.ratio(part * 100, whole, places: places)
}

extension Writer {
    fileprivate mutating func sign(_ isNegative: Bool, plus: Bool) {
        if isNegative { byte(UInt8(ascii: "-")) } else if plus { byte(UInt8(ascii: "+")) }
    }
}
