// The constants of Formats/stlm-1.md. Records are in Records.swift, field by field.

/// Fixed numbers of the format: stlm-1, sections 2 and 10.
public enum Layout {
    public static let magic: UInt64 = 0x1A0A_0D4D_4C54_5389  // 89 53 54 4C 4D 0D 0A 1A, read little-endian
    public static let formatVersion: UInt16 = 1
    /// Other than in files from before the format was frozen.
    public static let draft: UInt16 = 0
    public static let headerByteCount = 64
    public static let regionCountOffset = 24
    public static let headerChecksumOffset = 28
    public static let regionRecordByteCount = 32
    public static let tableAlignment = 64
    public static let pageAlignment = 16_384
    public static let rowBlock = 16
    public static let adjacencyByteCount = 8_192
    public static let none: UInt32 = 0xFFFF_FFFF
    public static let aliasFlag: UInt32 = 0x8000_0000

    @inlinable @inline(__always)
    public static func align(_ n: Int, _ alignment: Int) -> Int {
        (n &+ alignment &- 1) / alignment &* alignment
    }

    /// The same of an offset in a file, which need not fit in an Int of 32 bits.
    @inlinable @inline(__always)
    public static func align(_ n: UInt64, _ alignment: UInt64) -> UInt64 {
        (n &+ alignment &- 1) / alignment &* alignment
    }
}

/// At most this much of everything: stlm-1, section 10.
public enum Limit {
    public static let fileByteCount: UInt64 = 1 << 40
    public static let regions = 65_535
    public static let width = 65_536
    public static let rows = 1_048_576
    public static let groupColumns = 8_192
    public static let pieces = 65_536
    public static let context = 65_536
    public static let parts = 4_096
    public static let headSize = 4_096
    public static let names = 262_144
    public static let textByteCount = 16 << 20
    public static let blockSize = 32
    public static let breakpoints = 64
    /// Columns of a matrix of groups, whose sums of 8-bit activations then fit in 32 bits.
    public static let level = 64
    /// Rank of a correction.
    public static let rank = 1_024
    public static let fractionBits: ClosedRange<Int32> = -32...62
    public static let matrixExponent: ClosedRange<Int32> = -64...127
    public static let repeatWindow = 65_536
    public static let pieceByteCount = 4_096
    /// 100.0 in Q16.
    public static let setting: UInt32 = 6_553_600
    /// 0.1 in Q16, rounded up.
    public static let leastRepeatPenalty: UInt32 = 6_554
}

/// What a region holds: stlm-1, section 2.2.
@frozen
public enum RegionKind: UInt32, Sendable {
    case model = 1, schedule, attentions, feedForwards, norms, tensors, names, text
    case tokenizer, pieceOffsets, pieceBytes, merges, characters, adjacency, ledger, tensorErrors
    case transcript = 32
    case weights = 64

    public static let tableKinds = 16
    /// Where a table is found; the first of the kinds is 1, so that place 0 is free.
    var place: Int { self == .transcript ? 0 : Int(rawValue) }
    /// Kinds that a reader skips if it does not know them.
    public static let optional: ClosedRange<UInt32> = 33...63

    /// Bytes of one record; 1 where the region is plain bytes.
    public var recordByteCount: Int {
        switch self {
        case .model: 384
        case .schedule, .norms, .tensors: 32
        case .attentions, .feedForwards, .transcript: 64
        case .names: 20
        case .tokenizer: 1024
        case .pieceOffsets: 4
        case .merges, .characters, .tensorErrors: 8
        case .ledger: 256
        case .adjacency: 8192
        case .text, .pieceBytes, .weights: 1
        }
    }

    public var name: StaticString {
        switch self {
        case .model: "model"
        case .schedule: "schedule"
        case .attentions: "attentions"
        case .feedForwards: "feed-forwards"
        case .norms: "norms"
        case .tensors: "tensors"
        case .names: "names"
        case .text: "text"
        case .tokenizer: "tokenizer"
        case .pieceOffsets: "piece offsets"
        case .pieceBytes: "piece bytes"
        case .merges: "merges"
        case .characters: "characters"
        case .adjacency: "adjacency"
        case .ledger: "ledger"
        case .tensorErrors: "tensor errors"
        case .transcript: "transcript"
        case .weights: "weights"
        }
    }
}

/// stlm-1, section 3: a symbol is a byte, the pad or the end.
public enum Symbol {
    public static let count = 258
    public static let pad: UInt32 = 256
    public static let end: UInt32 = 257
}

/// stlm-1, section 3.1.
public enum EmbedderKind: UInt32, Sendable {
    case tokens = 1, bytes
}

/// stlm-1, section 3.2.
public enum HeadKind: UInt32, Sendable {
    case linear = 1, byteSlots, byteDecoder
}

/// stlm-1, section 4: the part of a model that a step belongs to.
public enum ModelSection: UInt32, Sendable {
    case embedder = 1, core, head
}

/// stlm-1, section 5.4. A step without a norm has none rather than a norm of kind none.
public enum NormCode: UInt32, Sendable {
    case rms = 1, layer
}

/// stlm-1, section 5.3.
public enum FeedForwardKind: UInt32, Sendable {
    case plain = 1, gated
}

/// arithmetic-1, section 6.4.
@frozen
public enum Activation: UInt32, Sendable {
    case identity = 0, gelu, relu, leakyRelu, tanh, sigmoid, silu, piecewiseLinear

    public var name: StaticString {
        switch self {
        case .identity: "identity"
        case .gelu: "gelu"
        case .relu: "relu"
        case .leakyRelu: "leaky relu"
        case .tanh: "tanh"
        case .sigmoid: "sigmoid"
        case .silu: "silu"
        case .piecewiseLinear: "piecewise linear"
        }
    }
}

/// stlm-1, section 8.1.
public enum TokenizerKind: UInt32, Sendable {
    case bytes = 1, characters, words
}
