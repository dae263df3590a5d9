// Structs that mirror bytes, field for field: Formats/stlm-1.md. Their sizes are asserted by recordLayoutHolds().

/// stlm-1, section 2.1.
public struct FileHeader {
    public var magic: UInt64
    public var formatVersion: UInt16
    public var draft: UInt16
    public var requiredFeatures: UInt32
    public var fileByteCount: UInt64
    public var regionCount: UInt32
    public var checksum: UInt32
    public var reserved: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    public init(fileByteCount: UInt64, regionCount: UInt32) {
        magic = Layout.magic
        formatVersion = Layout.formatVersion
        draft = Layout.draft
        requiredFeatures = 0
        self.fileByteCount = fileByteCount
        self.regionCount = regionCount
        checksum = 0
    }
}

/// stlm-1, section 2.2.
public struct RegionRecord {
    public var kind: UInt32
    public var alignment: UInt32
    public var offset: UInt64
    public var byteCount: UInt64
    public var checksum: UInt32
    public var reserved: UInt32 = 0

    public init(kind: RegionKind, alignment: Int, offset: Int, byteCount: Int, checksum: UInt32) {
        self.kind = kind.rawValue
        self.alignment = UInt32(alignment)
        self.offset = UInt64(offset)
        self.byteCount = UInt64(byteCount)
        self.checksum = checksum
    }
}

/// A range of the text region.
public struct TextRange {
    public var offset: UInt32 = 0
    public var byteCount: UInt32 = 0

    public init(offset: UInt32 = 0, byteCount: UInt32 = 0) {
        self.offset = offset
        self.byteCount = byteCount
    }
}

/// stlm-1, section 5.1.
public struct LinearRecord: Equatable {
    public var tensor: UInt32
    public var bias: UInt32
    public var activationBits: UInt32

    public init(tensor: UInt32, bias: UInt32 = Layout.none, activationBits: UInt32) {
        self.tensor = tensor
        self.bias = bias
        self.activationBits = activationBits
    }

    /// Stands where a feed-forward has no gate.
    public static var absent: LinearRecord {
        LinearRecord(tensor: Layout.none, activationBits: 0)
    }
}

/// stlm-1, section 3.1.
public struct EmbedderRecord {
    public var kind: UInt32
    public var table: UInt32
    public var positionTensor: UInt32
    public var fractionBits: Int32
    public var reserved: (UInt64, UInt64) = (0, 0)

    public init(kind: EmbedderKind, table: UInt32, positionTensor: UInt32 = Layout.none, fractionBits: Int32) {
        self.kind = kind.rawValue
        self.table = table
        self.positionTensor = positionTensor
        self.fractionBits = fractionBits
    }
}

/// stlm-1, section 3.2.
public struct HeadRecord {
    public var kind: UInt32
    public var inputNorm = Layout.none
    public var projection = LinearRecord.absent
    public var byteTable = Layout.none
    public var positionTensor = Layout.none
    public var fractionBits: Int32 = 0
    public var outputNorm = Layout.none
    public var output: LinearRecord
    public var logitFractionBits: Int32
    public var reserved: InlineArray<7, UInt32> = .init(repeating: 0)

    public init(kind: HeadKind, output: LinearRecord, logitFractionBits: Int32) {
        self.kind = kind.rawValue
        self.output = output
        self.logitFractionBits = logitFractionBits
    }
}

/// stlm-1, section 3.
public struct ModelRecord {
    public var hiddenSize: UInt32 = 0
    public var vocabularySize: UInt32 = 0
    public var contextDefault: UInt32 = 0
    public var contextMaximum: UInt32 = 0
    public var kvSlotCount: UInt32 = 0
    public var blockSize: UInt32 = 0
    public var residualFractionBits: Int32 = 0
    public var flags: UInt32 = 0
    public var bosToken: UInt32 = Layout.none
    public var padToken: UInt32 = Layout.none
    public var endCount: UInt32 = 0
    public var endTokens: InlineArray<4, UInt32> = .init(repeating: Layout.none)
    public var temperature: UInt32 = 0
    public var topK: UInt32 = 0
    public var topP: UInt32 = 0
    public var minP: UInt32 = 0
    public var repeatPenalty: UInt32 = 0
    public var repeatWindow: UInt32 = 0
    public var stopCount: UInt32 = 0
    public var stops: InlineArray<4, TextRange> = .init(repeating: TextRange())
    public var description = TextRange()
    public var parameterCount: UInt64 = 0
    public var uniqueParameterCount: UInt64 = 0
    public var endBlock: InlineArray<32, UInt16> = .init(repeating: 0)
    public var embedder: EmbedderRecord
    public var head: HeadRecord
    public var reserved: InlineArray<8, UInt64> = .init(repeating: 0)

    public init(embedder: EmbedderRecord, head: HeadRecord) {
        self.embedder = embedder
        self.head = head
    }

    public var isCausal: Bool { flags & 1 != 0 }
    /// Blocks of bytes go in, not tokens.
    public var takesBlocks: Bool { embedder.kind == EmbedderKind.bytes.rawValue }
    /// Blocks of bytes come out, not tokens.
    public var writesBlocks: Bool { head.kind != HeadKind.linear.rawValue }
}

/// stlm-1, section 4.
public struct StepRecord {
    public var attention: UInt32
    public var feedForward: UInt32
    public var attentionNorm: UInt32
    public var feedForwardNorm: UInt32
    public var kvSlot: UInt32
    public var section: UInt32
    public var flags: UInt32 = 0
    public var fractionBits: Int32

    public init(
        attention: UInt32, feedForward: UInt32, attentionNorm: UInt32, feedForwardNorm: UInt32, kvSlot: UInt32,
        section: ModelSection, replaces: Bool = false, fractionBits: Int32
    ) {
        self.attention = attention
        self.feedForward = feedForward
        self.attentionNorm = attentionNorm
        self.feedForwardNorm = feedForwardNorm
        self.kvSlot = kvSlot
        self.section = section.rawValue
        flags = replaces ? 1 : 0
        self.fractionBits = fractionBits
    }

    /// The feed-forward's result replaces the stream.
    public var replaces: Bool { flags & 1 != 0 }
}

/// stlm-1, section 5.2.
public struct AttentionRecord {
    public var qkv: LinearRecord
    public var output: LinearRecord
    public var headCount: UInt32
    public var kvHeadCount: UInt32
    public var headSize: UInt32
    public var rotationTensor: UInt32
    public var rotationPairing: UInt32 = 0
    public var scoreScaleMantissa: UInt32
    public var scoreScaleExponent: Int32
    public var reserved: (UInt32, UInt32, UInt32) = (0, 0, 0)

    public init(
        qkv: LinearRecord, output: LinearRecord, headCount: UInt32, kvHeadCount: UInt32, headSize: UInt32,
        rotationTensor: UInt32, scoreScaleMantissa: UInt32, scoreScaleExponent: Int32
    ) {
        self.qkv = qkv
        self.output = output
        self.headCount = headCount
        self.kvHeadCount = kvHeadCount
        self.headSize = headSize
        self.rotationTensor = rotationTensor
        self.scoreScaleMantissa = scoreScaleMantissa
        self.scoreScaleExponent = scoreScaleExponent
    }
}

/// stlm-1, section 5.3.
public struct FeedForwardRecord {
    public var kind: UInt32
    public var activation: UInt32
    public var gate: LinearRecord
    public var up: LinearRecord
    public var down: LinearRecord
    public var activationTensor: UInt32
    public var reserved: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)

    public init(
        kind: FeedForwardKind, activation: Activation, gate: LinearRecord, up: LinearRecord, down: LinearRecord,
        activationTensor: UInt32
    ) {
        self.kind = kind.rawValue
        self.activation = activation.rawValue
        self.gate = gate
        self.up = up
        self.down = down
        self.activationTensor = activationTensor
    }
}

/// stlm-1, section 5.4.
public struct NormRecord {
    public var kind: UInt32
    public var weight: UInt32
    public var bias: UInt32
    public var outputFractionBits: Int32
    public var epsilon: UInt64
    public var reserved: UInt64 = 0

    public init(kind: NormCode, weight: UInt32, bias: UInt32, outputFractionBits: Int32, epsilon: UInt64) {
        self.kind = kind.rawValue
        self.weight = weight
        self.bias = bias
        self.outputFractionBits = outputFractionBits
        self.epsilon = epsilon
    }
}

/// stlm-1, section 6.
public struct TensorRecord {
    public var encoding: UInt32
    public var rows: UInt32
    public var columns: UInt32
    public var exponent: Int32
    public var reserved: (UInt64, UInt64) = (0, 0)

    public init(encoding: Encoding, rows: Int, columns: Int, exponent: Int32) {
        self.encoding = encoding.rawValue
        self.rows = UInt32(rows)
        self.columns = UInt32(columns)
        self.exponent = exponent
    }
}

/// stlm-1, section 7.
public struct NameRecord {
    public var text: TextRange
    public var target: UInt32
    public var firstRow: UInt32
    public var rowCount: UInt32

    public init(text: TextRange, target: UInt32, firstRow: UInt32, rowCount: UInt32) {
        self.text = text
        self.target = target
        self.firstRow = firstRow
        self.rowCount = rowCount
    }

    public var isAlias: Bool { firstRow & Layout.aliasFlag != 0 }
}

/// The bytes of a corrected matrix: stlm-1, section 6.
public struct CorrectedRecord {
    public var base: UInt32
    public var down: UInt32
    public var up: UInt32
    /// Those of up's input.
    public var activationBits: UInt32

    public init(base: UInt32, down: UInt32, up: UInt32, activationBits: UInt32) {
        self.base = base
        self.down = down
        self.up = up
        self.activationBits = activationBits
    }
}

/// The fixed part of stlm-1, section 8.1; 492 reserved bytes follow.
public struct TokenizerRecord {
    public var kind: UInt32
    public var flags: UInt32
    public var pieceCount: UInt32
    public var longestPiece: UInt32
    public var byteTokens: InlineArray<256, UInt16>
    /// 1: merges stay inside the pieces of GPT-2's rule; 0: they do not.
    public var preSplit: UInt32

    public init(kind: TokenizerKind, flags: UInt32, pieceCount: UInt32, longestPiece: UInt32, preSplit: UInt32 = 0) {
        self.kind = kind.rawValue
        self.flags = flags
        self.pieceCount = pieceCount
        self.longestPiece = longestPiece
        byteTokens = .init(repeating: 0)
        self.preSplit = preSplit
    }

    public var putsSpaceFirst: Bool { flags & 1 != 0 }
}

/// stlm-1, section 8.3.
public struct MergeRecord {
    public var left: UInt16
    public var right: UInt16
    public var result: UInt16
    public var rank: UInt16

    public init(left: UInt16, right: UInt16, result: UInt16, rank: UInt16) {
        self.left = left
        self.right = right
        self.result = result
        self.rank = rank
    }

    /// Merges are sorted by this.
    @inlinable public var key: UInt32 { UInt32(left) &<< 16 | UInt32(right) }
}

/// stlm-1, section 8.4.
public struct CharacterRecord {
    public var scalar: UInt32
    public var token: UInt32

    public init(scalar: UInt32, token: UInt32) {
        self.scalar = scalar
        self.token = token
    }
}

/// True if the structs above have the sizes that the format gives their records.
public func recordLayoutHolds() -> Bool {
    MemoryLayout<FileHeader>.size == 64 && MemoryLayout<RegionRecord>.size == 32
        && MemoryLayout<ModelRecord>.size == 384 && MemoryLayout<StepRecord>.size == 32
        && MemoryLayout<EmbedderRecord>.size == 32 && MemoryLayout<HeadRecord>.size == 80
        && MemoryLayout<AttentionRecord>.size == 64 && MemoryLayout<FeedForwardRecord>.size == 64
        && MemoryLayout<NormRecord>.size == 32 && MemoryLayout<TensorRecord>.size == 32
        && MemoryLayout<NameRecord>.size == 20 && MemoryLayout<TokenizerRecord>.size == 532
        && MemoryLayout<MergeRecord>.size == 8 && MemoryLayout<CharacterRecord>.size == 8
        && MemoryLayout<LinearRecord>.size == 12 && MemoryLayout<CorrectedRecord>.size == 16
}
