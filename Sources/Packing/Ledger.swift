import FloatModel
import Foundation
import ModelFile

/// What was measured of a packing, on its way into the file: stlm-1, section 11.
package struct Ledger {
    /// How it was asked for.
    var words: String
    var calibration: (name: String, byteCount: Int, count: Int)?
    var verification: Measurement?
    /// Estimated divergence that each matrix adds, bits a row.
    var divergences: [ObjectIdentifier: Double] = [:]

    init(words: String) { self.words = words.isEmpty ? "stlm-pack" : words }

    func record(text: inout [UInt8]) -> LedgerRecord {
        func place(_ string: String) -> TextRange {
            let bytes = Array(string.utf8.filter { $0 != 0 }.prefix(4_096))
            let range = TextRange(offset: UInt32(text.count), byteCount: UInt32(max(1, bytes.count)))
            text += bytes.isEmpty ? [0x3F] : bytes
            return range
        }
        var record = LedgerRecord(options: place(words))
        if let calibration {
            record.calibrationText = place(calibration.name)
            (record.calibrationByteCount, record.calibrationCount) = (UInt64(calibration.byteCount), UInt64(calibration.count))
        }
        guard let measured = verification, measured.count > 0 else { return record }
        record.verificationText = place(measured.name)
        (record.verificationByteCount, record.verificationCount) = (UInt64(measured.byteCount), UInt64(measured.count))
        record.verificationContext = UInt64(measured.context)
        record.floatCost = Self.fixed(measured.floatCost)
        record.cost = UInt64(max(0, measured.cost))
        record.costInt8KeysValues = UInt64(max(0, measured.costInt8 ?? 0))
        record.costInt4Values = UInt64(max(0, measured.costInt4 ?? 0))
        (record.rowCount, record.agreementCount) = (UInt64(measured.rowCount), UInt64(measured.agreementCount))
        record.divergence = Self.fixed(measured.divergence)
        return record
    }

    func error(of entry: TensorShelf.Entry) -> TensorErrorRecord {
        guard let matrix = entry.matrix else { return TensorErrorRecord(error: 0, divergence: 0) }
        return TensorErrorRecord(
            error: UInt32(clamping: Self.fixed(entry.relativeError)),
            divergence: UInt32(clamping: Self.fixed(divergences[ObjectIdentifier(matrix)] ?? 0)))
    }

    /// In units of 2^-24.
    private static func fixed(_ value: Double) -> UInt64 { value > 0 ? UInt64(min(value * 0x1p24, 0x1p61).rounded()) : 0 }
}
