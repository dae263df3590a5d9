/// stlm-1, section 11: what the packer measured. Costs are in units of 2^-24 bits.
public struct LedgerRecord {
    public var options: TextRange
    public var calibrationText = TextRange(offset: 0, byteCount: 0)
    public var calibrationByteCount: UInt64 = 0
    public var calibrationCount: UInt64 = 0
    public var verificationText = TextRange(offset: 0, byteCount: 0)
    public var verificationByteCount: UInt64 = 0
    public var verificationCount: UInt64 = 0
    public var verificationContext: UInt64 = 0
    public var floatCost: UInt64 = 0
    public var cost: UInt64 = 0
    public var costInt8KeysValues: UInt64 = 0
    public var costInt4Values: UInt64 = 0
    public var rowCount: UInt64 = 0
    public var divergence: UInt64 = 0
    public var agreementCount: UInt64 = 0
    // 136 bytes
    public var reserved: InlineArray<17, UInt64> = .init(repeating: 0)

    public init(options: TextRange) { self.options = options }

    public var isVerified: Bool { verificationCount > 0 }
}

/// stlm-1, section 11. Both in units of 2^-24.
public struct TensorErrorRecord {
    /// What encoding the tensor changes in its layer's results, relative to them.
    public var error: UInt32
    /// What that was estimated to add to each row's divergence, bits
    public var divergence: UInt32

    public init(error: UInt32, divergence: UInt32) {
        self.error = error
        self.divergence = divergence
    }
}

extension ModelFile {
    func validateLedger() throws(ModelFileError) {
        let errorCount = recordCount(.tensorErrors), needed = hasLedger ? tensorCount : 0
        if errorCount != needed { throw ModelFileError(.wrongErrorCount, region: "tensor errors", Int64(errorCount), Int64(needed)) }
        if !hasLedger { return }
        let ledger = self.ledger
        try requireText(ledger.options, isPresent: true)
        try requireText(ledger.calibrationText, isPresent: ledger.calibrationCount > 0)
        try requireText(ledger.verificationText, isPresent: ledger.isVerified)
        try requireSum(ledger.calibrationCount)
        try requireSum(ledger.calibrationByteCount, isPresent: ledger.calibrationCount > 0)
        try requireSum(ledger.verificationCount)
        try requireSum(ledger.verificationByteCount, isPresent: ledger.isVerified)
        try requireSum(ledger.verificationContext, isPresent: ledger.isVerified)
        try requireSum(ledger.floatCost, isPresent: ledger.isVerified)
        try requireSum(ledger.cost, isPresent: ledger.isVerified)
        try requireSum(ledger.costInt8KeysValues, isPresent: ledger.isVerified)
        try requireSum(ledger.costInt4Values, isPresent: ledger.isVerified)
        try requireSum(ledger.rowCount, isPresent: ledger.isVerified)
        try requireSum(ledger.divergence, isPresent: ledger.isVerified)
        try requireSum(ledger.agreementCount, isPresent: ledger.isVerified)
        if ledger.agreementCount > ledger.rowCount {
            throw ModelFileError(.valueOutOfRange, region: "ledger", Int64(ledger.agreementCount))
        }
        for index in 0..<tensorCount {
            let error = tensorError(index), encoding = Encoding(rawValue: tensor(index).encoding)!
            if error.error | error.divergence != 0, !encoding.isMatrix, encoding != .corrected {
                throw ModelFileError(.valueOutOfRange, region: "tensor errors", index: index, Int64(max(error.error, error.divergence)))
            }
        }
        for k in 0..<ledger.reserved.count where ledger.reserved[k] != 0 { throw ModelFileError(.reservedNotZero, region: "ledger") }
    }

    private func requireText(_ text: TextRange, isPresent: Bool) throws(ModelFileError) {
        let end = UInt64(text.offset) + UInt64(text.byteCount)
        if end > UInt64(tableByteCount(.text)) {
            throw ModelFileError(.textOutOfRange, region: "ledger", Int64(end), Int64(tableByteCount(.text)))
        }
        if isPresent != (text.byteCount > 0) || !isPresent && text.offset > 0 { throw ModelFileError(.unmeasuredLedger, region: "ledger") }
    }

    /// Below 2^62, and 0 where nothing was measured.
    private func requireSum(_ sum: UInt64, isPresent: Bool = true) throws(ModelFileError) {
        if sum >= 1 << 62 { throw ModelFileError(.valueOutOfRange, region: "ledger", Int64(clamping: sum)) }
        if !isPresent, sum > 0 { throw ModelFileError(.unmeasuredLedger, region: "ledger") }
    }
}
