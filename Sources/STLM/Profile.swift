import CPlatform

/// What a session spends its time on.
public enum Operation: Int, Sendable {
    /// Rows of tables into a stream.
    case embedding
    /// Norms, and the codes of what they give.
    case norm
    case linear
    /// Rotation, and queries, keys and values as codes.
    case heads
    case attention
    /// Activation and gate, and the codes of the product.
    case activation
    /// The layer that gives logits.
    case output
    /// Choosing a token from logits.
    case sampling

    public static let count = 8

    init(_ work: RowWork) {
        switch work {
        case .normalize: self = .norm
        case .heads: self = .heads
        case .attention: self = .attention
        case .activation: self = .activation
        case .correction: self = .linear
        }
    }

    public var name: StaticString {
        switch self {
        case .embedding: "embedding"
        case .norm: "norm"
        case .linear: "linear"
        case .heads: "heads"
        case .attention: "attention"
        case .activation: "activation"
        case .output: "output"
        case .sampling: "sampling"
        }
    }
}

/// Nanoseconds for each operation, measured only where the caller provides memory for them.
public struct Profile {
    /// (Operation.count)
    let nanoseconds: UnsafeMutablePointer<UInt64>?

    public init(_ nanoseconds: UnsafeMutablePointer<UInt64>?) { self.nanoseconds = nanoseconds }

    @inline(__always)
    func begin() -> UInt64 { nanoseconds == nil ? 0 : stlm_clock_nanoseconds() }

    @inline(__always)
    func end(_ operation: Operation, _ started: UInt64) {
        if let nanoseconds { nanoseconds[operation.rawValue] += stlm_clock_nanoseconds() - started }
    }
}
