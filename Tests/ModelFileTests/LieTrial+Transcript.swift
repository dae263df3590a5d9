import ModelFile

extension LieTrial {
    static let transcript: [LieTrial] = [
        LieTrial(.wrongRecordSize, "transcript", says: [128, 64]) { $0[.transcript] += $0[.transcript] },
        LieTrial(.valueOutOfRange, "transcript", says: [0]) { $0.set(.transcript, at: 0, UInt32(0)) },
        LieTrial(.valueOutOfRange, "transcript", says: [999_999]) { $0.set(.transcript, at: 0, UInt32(999_999)) },
        LieTrial(.reservedNotZero, "transcript") { $0.set(.transcript, at: 16, UInt32(1)) },
        LieTrial(.reservedNotZero, "transcript") { $0.set(.transcript, at: 60, UInt32(1) << 31) },
    ]
}
