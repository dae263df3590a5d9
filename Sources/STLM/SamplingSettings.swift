import ModelFile

/// How the next token is chosen: arithmetic-1, section 7. All in integers, so that a seed gives the same text everywhere.
public struct SamplingSettings: Equatable, Sendable {
    /// Q16; 0 takes the likeliest token.
    public var temperature: UInt32
    /// 0 is off.
    public var topK: UInt32
    /// Q16; 65,536 is off.
    public var topP: UInt32
    /// Q16; 0 is off.
    public var minP: UInt32
    /// Q16; 65,536 is off.
    public var repeatPenalty: UInt32
    /// Tokens that the penalty looks back at.
    public var repeatWindow: UInt32

    /// The defaults in the model file.
    public init(_ record: ModelRecord) {
        temperature = record.temperature
        topK = record.topK
        topP = record.topP
        minP = record.minP
        repeatPenalty = record.repeatPenalty
        repeatWindow = record.repeatWindow
    }

    var needsOrder: Bool { topK > 0 || topP < 65_536 }

    /// The order is found by sums over distances.
    var needsBins: Bool { temperature != 0 && topK == 0 && topP < 65_536 }

    /// Candidates that are kept in order.
    func candidateCapacity(_ vocabularySize: Int) -> Int {
        if temperature == 0 || !needsOrder { return 0 }
        return topK > 0 ? min(Int(clamping: topK), vocabularySize) : vocabularySize
    }
}
