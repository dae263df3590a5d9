import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport
import Testing

/// What `info` says of how a file was packed, against what the packer says.
@Suite(.enabled(if: Program.run.exists)) struct InfoLedgerTests {
    private let folder = try! TemporaryFolder()

    private func text(_ bytes: [UInt8]) throws -> String {
        let outcome = try Program.run("info", folder.file("m.stlm", bytes))
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        return outcome.text
    }

    private func json(_ bytes: [UInt8]) throws -> [String: Any] {
        let outcome = try Program.run("info", folder.file("m.stlm", bytes), "--json")
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        return try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
    }

    @Test func theTextHasTheNumbersOfThePacker() throws {
        let packed = LedgerFixture.verified, text = try text(packed.bytes)
        // A perplexity has more digits than integers of 2^-24 bits give; theJSONHasTheNumbersOfThePacker has its tolerance.
        for label in ["bits per byte", "divergence"] {
            let line = try #require(packed.report.text.split(separator: "\n").first { $0.hasPrefix("  " + label) })
            let value = line.dropFirst(2 + label.count).drop { $0 == " " }
            #expect(text.contains(label.padding(toLength: 15, withPad: " ", startingAt: 0) + value + "\n"), "\(value)")
        }
        let measured = packed.report.verification!, increase = 100 * (measured.perplexity / measured.floatPerplexity - 1)
        #expect(text.contains("perplexity     " + String(format: "%.2f", measured.perplexity).dropLast(1)))
        #expect(text.contains(String(format: ": %+.3f %%\ndivergence", increase)))
        #expect(text.contains("packed with    stlm-pack --weights int4\n"))
        #expect(text.contains("calibrated on  train \"&<1>.txt, 3,000 bytes, "))
        #expect(text.contains("verified on    held-out.txt, 1,500 bytes, \(grouped(measured.count)) tokens scored, windows of 16\n"))
        #expect(text.contains("keys, values   int8: ") && text.contains("               int4: "))
    }

    @Test func theJSONHasTheNumbersOfThePacker() throws {
        let report = LedgerFixture.verified.report, measured = try #require(report.verification)
        let object = try json(LedgerFixture.verified.bytes)
        let ledger = try #require(object["ledger"] as? [String: Any])
        #expect(ledger["options"] as? String == report.options)
        let calibration = try #require(ledger["calibration"] as? [String: Any]), known = try #require(report.calibration)
        #expect(calibration["text"] as? String == known.name)
        #expect(calibration["bytes"] as? Int == known.byteCount && calibration["count"] as? Int == known.count)
        let verification = try #require(ledger["verification"] as? [String: Any])
        #expect(verification["text"] as? String == measured.name && verification["context"] as? Int == measured.context)
        #expect(verification["bytes"] as? Int == measured.byteCount && verification["count"] as? Int == measured.count)
        #expect(verification["rows"] as? Int == measured.rowCount)
        func equal(_ key: String, _ expected: Double, _ tolerance: Double) throws {
            let value = try #require(verification[key] as? Double, "\(key)")
            #expect(abs(value - expected) <= tolerance, "\(key): \(value), \(expected)")
        }
        try equal("bits_per_byte", measured.bitsPerByte, 0.6e-6)
        try equal("float_bits_per_byte", measured.floatBitsPerByte, 0.6e-6)
        try equal("loss_percent", 100 * measured.loss, 0.6e-3)
        try equal("perplexity", measured.perplexity, 0.6e-4 + measured.perplexity * 3e-7)
        try equal("float_perplexity", measured.floatPerplexity, 0.6e-4 + measured.floatPerplexity * 3e-7)
        try equal("perplexity_change_percent", 100 * (measured.perplexity / measured.floatPerplexity - 1), 0.6e-3)
        try equal("divergence_bits", measured.meanDivergence, 0.6e-6)
        try equal("agreement_percent", 100 * measured.agreement, 0.6e-2)
        func change(_ cost: Int64) -> Double { 100 * (exp2(Double(cost - measured.cost) * 0x1p-24 / Double(measured.count)) - 1) }
        try equal("int8_keys_values_change_percent", change(#require(measured.costInt8)), 0.6e-3)
        try equal("int4_values_change_percent", change(#require(measured.costInt4)), 0.6e-3)
    }

    @Test func theTableHasWhatEachTensorBecameAndLost() throws {
        let report = LedgerFixture.verified.report, object = try json(LedgerFixture.verified.bytes)
        let tensors = try #require(object["tensor_list"] as? [[String: Any]])
        #expect(tensors.count == object["tensors"] as? Int)
        #expect(tensors.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) } == report.uniqueByteCount)
        var found = 0
        for tensor in tensors {
            let names = try #require(tensor["names"] as? [String])
            guard let matrix = report.matrices.first(where: { names.contains($0.name) }) else {
                #expect(tensor["error_percent"] is NSNull)
                continue
            }
            found += 1
            let error = try #require(tensor["error_percent"] as? Double), bits = try #require(tensor["bits_per_weight"] as? Double)
            #expect(tensor["encoding"] as? String == "int4 groups" && matrix.width == "int4")
            #expect(error > 0 && abs(error - 100 * matrix.relativeError) < 0.6e-4 && abs(bits - matrix.bitsPerWeight) < 0.6e-2)
            #expect(tensor["rows"] as? Int == matrix.rows && tensor["columns"] as? Int == matrix.columns)
        }
        #expect(found == report.matrices.count && found > 5)
        let lines = try text(LedgerFixture.verified.bytes).split(separator: "\n")
        let matrix = report.matrices[1]
        let line = try #require(lines.first { $0.contains(matrix.name) })
        let columns = line.split(separator: " ")
        #expect(columns.contains(Substring(String(format: "%.2f", matrix.bitsPerWeight))))
        #expect(columns.contains(Substring(String(format: "%.3f", 100 * matrix.relativeError))), "\(line)")
    }

    @Test func whatWasNotMeasuredIsSaid() throws {
        #expect(try text(LedgerFixture.calibrated.bytes).contains("verified on    nothing;"))
        let plain = try text(LedgerFixture.plain.bytes)
        #expect(plain.contains("calibrated on  nothing\n") && plain.contains("packed with    stlm-pack --weights int8\n"))
        let ledger = try #require(json(LedgerFixture.plain.bytes)["ledger"] as? [String: Any])
        #expect(ledger["calibration"] is NSNull && ledger["verification"] is NSNull)
    }

    @Test func aFileWithoutALedgerHasNone() throws {
        let bytes = LedgerFixture.withoutLedger(LedgerFixture.verified.bytes)
        let object = try json(bytes)
        #expect(object["ledger"] is NSNull)
        let tensors = try #require(object["tensor_list"] as? [[String: Any]])
        #expect(tensors.allSatisfy { $0["error_percent"] == nil && $0["encoding"] is String })
        let text = try text(bytes)
        #expect(!text.contains("packed with") && !text.contains("error %") && text.contains("    bits  name\n"))
    }

    @Test(arguments: [0, 1, 1 << 40, 1 << 62 - 1] as [UInt64], [1, 1 << 62 - 1] as [UInt64])
    func sumsOfAnySizeArePrinted(_ sum: UInt64, _ count: UInt64) throws {
        let bytes = LedgerFixture.changed(LedgerFixture.verified.bytes, .ledger) { _, content in
            content.withUnsafeMutableBytes { bytes in
                var ledger = bytes.loadUnaligned(as: LedgerRecord.self)
                (ledger.verificationByteCount, ledger.verificationCount, ledger.rowCount) = (count, count, count)
                (ledger.floatCost, ledger.cost, ledger.divergence) = (sum, 1 << 62 - 1 - sum, sum)
                (ledger.costInt8KeysValues, ledger.costInt4Values, ledger.agreementCount) = (1, 1 << 62 - 1, min(sum, count))
                bytes.storeBytes(of: ledger, as: LedgerRecord.self)
            }
        }
        let ledger = try #require(json(bytes)["ledger"] as? [String: Any])
        #expect(ledger["verification"] is [String: Any])
        #expect(try text(bytes).contains("same greatest logit in"))
    }
}

private func grouped(_ number: Int) -> String {
    let formatter = NumberFormatter()
    (formatter.numberStyle, formatter.groupingSeparator, formatter.usesGroupingSeparator) = (.decimal, ",", true)
    return formatter.string(from: NSNumber(value: number))!
}
