import ModelFile

extension LieTrial {
    /// A lie in the ledger of a file that was measured.
    private static func ledger(_ lie: Lie, at offset: Int, _ value: UInt64, says: [Int] = []) -> LieTrial {
        LieTrial(lie, "ledger", says: says) {
            $0.measure()
            $0.set(.ledger, at: offset, value)
        }
    }

    /// stlm-1, sections 2.2 and 11.
    static let ledger: [LieTrial] = [
        LieTrial(.wrongErrorCount, "tensor errors") { $0.remove(.ledger) },
        LieTrial(.wrongErrorCount, "tensor errors", says: [0]) { $0.remove(.tensorErrors) },
        LieTrial(.wrongErrorCount, "tensor errors") { $0[.tensorErrors] += [UInt8](repeating: 0, count: 8) },
        LieTrial(.wrongRecordSize, "tensor errors", says: [8]) { $0[.tensorErrors] += [0] },
        LieTrial(.wrongRecordSize, "ledger", says: [512, 256]) { $0[.ledger] += $0[.ledger] },
        LieTrial(.valueOutOfRange, "tensor errors", says: [7]) { $0.set(.tensorErrors, $0.tensor(encoding: 3), at: 4, UInt32(7)) },
        LieTrial(.textOutOfRange, "ledger", says: [999_999]) { $0.set(.ledger, at: 0, UInt32(999_998)); $0.set(.ledger, at: 4, UInt32(1)) },
        LieTrial(.textOutOfRange, "ledger") { $0.set(.ledger, at: 4, UInt32.max) },
        LieTrial(.unmeasuredLedger, "ledger") { $0.set(.ledger, at: 4, UInt32(0)) },
        LieTrial(.unmeasuredLedger, "ledger") { $0.set(.ledger, at: 12, UInt32(1)) },
        LieTrial(.unmeasuredLedger, "ledger") { $0.set(.ledger, at: 8, UInt32(1)) },
        LieTrial(.unmeasuredLedger, "ledger") { $0.set(.ledger, at: 16, UInt64(5)) },
        LieTrial(.unmeasuredLedger, "ledger") { $0.set(.ledger, at: 24, UInt64(5)) },
        LieTrial(.unmeasuredLedger, "ledger") { $0.set(.ledger, at: 36, UInt32(1)) },
    ] + stride(from: 40, through: 112, by: 8).filter { $0 != 48 }.map { offset in
        // Nothing was measured, and yet there is a result.
        LieTrial(.unmeasuredLedger, "ledger") { $0.set(.ledger, at: offset, UInt64(1)) }
    } + stride(from: 16, through: 104, by: 8).filter { $0 != 32 }.map { ledger(.valueOutOfRange, at: $0, 1 << 62, says: [1 << 62]) } + [
        ledger(.valueOutOfRange, at: 112, 101, says: [101]),
        ledger(.reservedNotZero, at: 120, 1),
        ledger(.reservedNotZero, at: 248, 1 << 63),
    ]
}

extension EvilFile {
    /// Makes the ledger that of a file that was calibrated and measured.
    mutating func measure() {
        set(.ledger, at: 12, UInt32(1))
        set(.ledger, at: 36, UInt32(1))
        for offset in [16, 24, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112] { set(.ledger, at: offset, UInt64(100)) }
    }
}
