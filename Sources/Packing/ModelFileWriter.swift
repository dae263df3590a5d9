import Foundation
import ModelFile

/// Puts regions together into a file: stlm-1, section 2.
struct ModelFileWriter {
    private struct Pending {
        var kind: RegionKind
        var bytes: [UInt8]
        var startsBlock: Bool
    }

    private var regions: [Pending] = []

    /// Regions must be added in the order of the file. A weights region that starts a block may be put on a page of its own.
    mutating func add(_ kind: RegionKind, _ bytes: [UInt8], startsBlock: Bool = false) {
        regions.append(Pending(kind: kind, bytes: bytes, startsBlock: startsBlock))
    }

    /// The file's bytes. Blocks lie on pages of 16 KiB if that costs at most 2 % of the file, and keeps the limit.
    func bytes(limit: Int? = nil) -> [UInt8] {
        let plain = layout(onPages: false)
        let paged = layout(onPages: true)
        let isWorthIt = paged.end - plain.end <= plain.end / 50 && plain.end > 1_000_000 && paged.end <= limit ?? .max
        return write((isWorthIt ? paged : plain).records)
    }

    private func layout(onPages: Bool) -> (records: [RegionRecord], end: Int) {
        var end = Layout.headerByteCount + regions.count * Layout.regionRecordByteCount
        var records: [RegionRecord] = []
        for region in regions {
            let alignment = onPages && region.startsBlock ? Layout.pageAlignment : Layout.tableAlignment
            let offset = Layout.align(end, alignment)
            records.append(RegionRecord(
                kind: region.kind, alignment: alignment, offset: offset, byteCount: region.bytes.count,
                checksum: checksum(region.bytes)))
            end = offset + region.bytes.count
        }
        return (records, end)
    }

    private func write(_ records: [RegionRecord]) -> [UInt8] {
        let end = records.last.map { Int($0.offset + $0.byteCount) } ?? Layout.headerByteCount
        var header = FileHeader(fileByteCount: UInt64(end), regionCount: UInt32(records.count))
        header.checksum = checksum(rawBytes([header]) + rawBytes(records))
        var file = rawBytes([header]) + rawBytes(records)
        file.reserveCapacity(end)
        for (region, record) in zip(regions, records) {
            file += [UInt8](repeating: 0, count: Int(record.offset) - file.count)
            file += region.bytes
        }
        return file
    }

    private func checksum(_ bytes: [UInt8]) -> UInt32 { Self.checksum(bytes) }

    private static func checksum(_ bytes: some Collection<UInt8>) -> UInt32 {
        Array(bytes).withUnsafeBytes { CRC32.of($0.baseAddress!, byteCount: $0.count) }
    }

    /// Puts other bytes of the same number in the place of a table's.
    static func replace(_ kind: RegionKind, with bytes: [UInt8], in file: inout [UInt8]) {
        func number(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(file[offset + $1]) << (8 * $1) } }
        func put(_ number: UInt32, _ offset: Int) { for k in 0..<4 { file[offset + k] = UInt8(truncatingIfNeeded: number >> (8 * k)) } }
        let count = number(Layout.regionCountOffset), end = Layout.headerByteCount + count * Layout.regionRecordByteCount
        for record in stride(from: Layout.headerByteCount, to: end, by: Layout.regionRecordByteCount) where number(record) == kind.rawValue {
            let offset = number(record + 8)
            file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            put(checksum(bytes), record + 24)
        }
        put(0, Layout.headerChecksumOffset)
        put(checksum(file[..<end]), Layout.headerChecksumOffset)
    }
}
