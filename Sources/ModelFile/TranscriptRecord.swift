/// stlm-1, section 12: what the packer's computer made of the file.
public struct TranscriptRecord {
    public var positionCount: UInt32
    /// CRC-32 of the logits with each type of keys and values
    public var logitsChecksum: InlineArray<3, UInt32> = .init(repeating: 0)
    // 48 bytes
    public var reserved: InlineArray<12, UInt32> = .init(repeating: 0)

    public init(positionCount: Int) { self.positionCount = UInt32(positionCount) }

    public static let positionLimit = 64
    /// Positions that a packer feeds.
    public static func positionCount(_ model: ModelRecord) -> Int { min(8, Int(model.contextMaximum)) }
}

extension ModelFile {
    func validateTranscript() throws(ModelFileError) {
        guard let transcript else { return }
        let most = min(UInt32(TranscriptRecord.positionLimit), model.contextMaximum)
        if transcript.positionCount < 1 || transcript.positionCount > most {
            throw ModelFileError(.valueOutOfRange, region: "transcript", Int64(transcript.positionCount))
        }
        for k in transcript.reserved.indices where transcript.reserved[k] != 0 { throw ModelFileError(.reservedNotZero, region: "transcript") }
    }
}
