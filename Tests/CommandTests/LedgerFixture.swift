import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport

/// Packed files with ledgers, and what the packer said of them.
enum LedgerFixture {
    static let source = SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize }
    /// A text and its name, which has what a name should not have.
    static let calibration = PackText(name: "train \"&<1>.txt", bytes: text(seed: 1, byteCount: 3_000))
    static let verification = PackText(name: "held-out.txt", bytes: text(seed: 2, byteCount: 1_500))

    /// Calibrated and verified, in groups of 4 bits.
    static let verified = packed(.int4, calibration, verification)
    static let calibrated = packed(.int8, calibration, nil)
    static let plain = packed(.int8, nil, nil)

    static func packed(_ width: WeightWidth, _ calibration: PackText?, _ verification: PackText?) -> PackedModel {
        var settings = PackSettings(.width(width))
        (settings.calibration, settings.verification, settings.words) = (calibration, verification, "stlm-pack --weights \(width.rawValue)")
        return try! PackedModel(checkpoint: source.checkpointBytes(), tokenizers: [SyntheticTokenizer.merges], settings: settings)
    }

    /// Words of a few letters.
    static func text(seed: UInt64, byteCount: Int) -> [UInt8] {
        let words = ["the", "hen", "ate", "bath", "tent", "in", "a", "thin", "other"]
        var numbers = SeededNumbers(seed: seed), text = ""
        while text.utf8.count < byteCount { text += words[min(words.count - 1, Int(abs(numbers.float(deviation: 3))))] + " " }
        return Array(text.utf8.prefix(byteCount))
    }

    /// A file whose regions of one kind are changed, with the right checksums.
    static func changed(_ bytes: [UInt8], _ kind: RegionKind, _ change: (inout RegionRecord, inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = bytes
        let count = bytes.withUnsafeBytes { Int($0.loadUnaligned(as: FileHeader.self).regionCount) }
        let table = Layout.headerByteCount..<Layout.headerByteCount + count * Layout.regionRecordByteCount
        for start in stride(from: table.lowerBound, to: table.upperBound, by: Layout.regionRecordByteCount) {
            var record = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: RegionRecord.self) }
            if record.kind != kind.rawValue { continue }
            let place = Int(record.offset)..<Int(record.offset + record.byteCount)
            var content = Array(bytes[place])
            change(&record, &content)
            record.checksum = checksum(content)
            bytes.replaceSubrange(place, with: content)
            withUnsafeBytes(of: record) { bytes.replaceSubrange(start..<start + Layout.regionRecordByteCount, with: $0) }
        }
        let field = Layout.headerChecksumOffset..<Layout.headerChecksumOffset + 4
        bytes.replaceSubrange(field, with: [0, 0, 0, 0])
        let sum = checksum(Array(bytes[..<table.upperBound]))
        withUnsafeBytes(of: sum.littleEndian) { bytes.replaceSubrange(field, with: $0) }
        return bytes
    }

    /// The file with its ledger as regions that readers skip.
    static func withoutLedger(_ bytes: [UInt8]) -> [UInt8] {
        let last = changed(bytes, .transcript) { record, _ in record.kind = RegionKind.optionalKind + 2 }
        let half = changed(last, .tensorErrors) { record, _ in record.kind = RegionKind.optionalKind + 1 }
        return changed(half, .ledger) { record, _ in record.kind = RegionKind.optionalKind }
    }

    private static func checksum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32.of($0.baseAddress!, byteCount: $0.count) } }
}

extension RegionKind {
    fileprivate static var optionalKind: UInt32 { optional.lowerBound }
}
