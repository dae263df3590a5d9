import ModelFile

private let bigNumber = 0x4000_0000

extension LieTrial {
    /// stlm-1, section 2. Region 0 is the model, 1 the schedule.
    static let layout: [LieTrial] = [
        LieTrial(bytes: .notAModelFile, "header") { $0[0] = 0x88 },
        LieTrial(bytes: .notAModelFile, "header") { $0[5] = 0x0A },
        LieTrial(bytes: .truncated, "header", says: [40, 64]) { $0.removeLast($0.count - 40) },
        LieTrial(bytes: .truncated, "region table", says: [100]) { $0.removeLast($0.count - 100) },
        LieTrial(bytes: .unknownVersion, "header", says: [2, 1]) { $0.set(UInt16(2), at: 8); $0.repairHeader() },
        LieTrial(bytes: .unknownDraft, "header", says: [9]) { $0.set(UInt16(9), at: 10); $0.repairHeader() },
        LieTrial(bytes: .unknownFeature, "header", says: [4]) { $0.set(UInt32(4), at: 12); $0.repairHeader() },
        LieTrial(bytes: .wrongFileSize, "header", says: [12_345, Samples.rich.count]) {
            $0.set(UInt64(12_345), at: 16)
            $0.repairHeader(size: false)
        },
        LieTrial(bytes: .wrongFileSize, "header", says: [Int.max]) {
            $0.set(UInt64.max, at: 16)
            $0.repairHeader(size: false)
        },
        LieTrial(bytes: .headerChecksum, "header", says: [77]) { $0.set(UInt32(77), at: 28) },
        LieTrial(bytes: .headerChecksum, "header") { $0[64 + 8] ^= 1 },
        LieTrial(bytes: .reservedNotZero, "header") { $0[63] = 1; $0.repairHeader() },
        LieTrial(bytes: .reservedNotZero, "model") { $0[$0.regionField(0, 28)] = 1; $0.repairHeader() },
        LieTrial(bytes: .tooManyRegions, "header", says: [65_536, 65_535]) {
            $0.set(UInt32(65_536), at: 24)
            $0.repairHeader()
        },
        LieTrial(.unknownRegionKind, "header", says: [1, 17]) { $0.regions[1].kind = 17 },
        LieTrial(.unknownRegionKind, "header", says: [0, 31]) { $0.regions[0].kind = 31 },
        LieTrial(.wrongRegionOrder, "schedule") { $0.regions[0].kind = 63 },
        LieTrial(.wrongRegionOrder, "model", says: [1]) { $0.regions.swapAt(0, 1) },
        LieTrial(.wrongRegionOrder, "schedule", says: [2]) { $0.regions.insert($0.regions[1], at: 1) },
        LieTrial(.wrongRegionOrder, "text") { $0.regions.append($0.regions[7]) },
        LieTrial(.missingRegion, "model") { $0.remove(.model) },
        LieTrial(.missingRegion, "schedule") { $0.remove(.schedule) },
        LieTrial(.missingRegion, "tensors") { $0.remove(.tensors) },
        LieTrial(.missingRegion, "names") { $0.remove(.names) },
        LieTrial(.missingRegion, "text") { $0.remove(.text) },
        LieTrial(.missingRegion, "tokenizer") { $0.remove(.tokenizer) },
        LieTrial(.missingRegion, "piece offsets") { $0.remove(.pieceOffsets) },
        LieTrial(.missingRegion, "piece bytes") { $0.remove(.pieceBytes) },
        LieTrial(.missingRegion, "adjacency") { $0.remove(.adjacency) },
        LieTrial(.missingRegion, "tokenizer") { file in
            for kind in [.tokenizer, .pieceOffsets, .pieceBytes, .adjacency] as [RegionKind] { file.remove(kind) }
        },
        LieTrial(.wrongAlignment, "model", says: [0, 128]) { $0.regions[0].alignment = 128 },
        LieTrial(.wrongAlignment, "schedule", says: [1, 16_384]) { $0.regions[1].alignment = 16_384 },
        LieTrial(.wrongAlignment, "weights", says: [32]) { $0.regions[$0.regions.count - 1].alignment = 32 },
        LieTrial(.emptyRegion, "names", says: [6]) { $0[.names] = [] },
        LieTrial(.emptyRegion, "weights") { $0.regions[$0.regions.count - 1].bytes = [] },
        LieTrial(bytes: .regionOutOfRange, "schedule", says: [1, bigNumber]) {
            $0.set(UInt64(bigNumber), at: $0.regionField(1, 8))
            $0.repairHeader()
        },
        LieTrial(bytes: .regionOutOfRange, "schedule", says: [1, Int.max]) {
            $0.set(UInt64.max, at: $0.regionField(1, 16))
            $0.repairHeader()
        },
        LieTrial(bytes: .regionOutOfRange, "weights") {
            let last = $0.regionField(Int($0.number(at: 24, as: UInt32.self)) - 1, 16)
            $0.set($0.number(at: last, as: UInt64.self) + 1, at: last)
            $0.repairHeader()
        },
        LieTrial(bytes: .regionOverlap, "schedule") {
            let field = $0.regionField(1, 8)
            $0.set($0.number(at: field, as: UInt64.self) - 64, at: field)
            $0.repairHeader()
        },
        LieTrial(bytes: .regionOverlap, "model", says: [0]) { $0.set(UInt64(0), at: $0.regionField(0, 8)); $0.repairHeader() },
        LieTrial(bytes: .regionHole, "model") {
            let field = $0.regionField(0, 8)
            $0.set($0.number(at: field, as: UInt64.self) + 64, at: field)
            $0.repairHeader()
        },
        LieTrial(bytes: .regionHole, "attentions") {
            let field = $0.regionField(2, 8)
            $0.set($0.number(at: field, as: UInt64.self) + 1, at: field)
            $0.repairHeader()
        },
        LieTrial(bytes: .trailingBytes, "header", says: [Samples.rich.count, Samples.rich.count + 64]) {
            $0 += [UInt8](repeating: 0, count: 64)
            $0.repairHeader()
        },
        LieTrial(bytes: .paddingNotZero, "tensors") { $0[Int($0.number(at: $0.regionField(5, 8), as: UInt64.self)) - 1] = 1 },
        LieTrial(.wrongRecordSize, "schedule", says: [65, 32]) { $0[.schedule].append(0) },
        LieTrial(.wrongRecordSize, "model", says: [768, 384]) { $0[.model] += $0[.model] },
        LieTrial(.wrongRecordSize, "tokenizer", says: [2_048, 1_024]) { $0[.tokenizer] += $0[.tokenizer] },
        LieTrial(.wrongRecordSize, "adjacency", says: [8_191, 8_192]) { $0[.adjacency].removeLast() },
        LieTrial(.wrongRecordSize, "names", says: [20]) { $0[.names].removeLast() },
        LieTrial(bytes: .wrongChecksum, "text", says: [7, 99]) { $0.set(UInt32(99), at: $0.regionField(7, 24)); $0.repairHeader() },
    ]
}
