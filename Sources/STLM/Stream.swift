import Kernels
import ModelFile

/// The vectors that a section of the model works on: arithmetic-1, section 6.1.
struct Stream {
    /// (count, width) Int32 with `fractionBits`: one row a position in the core, one a slot of a block elsewhere.
    let rows: UnsafeMutablePointer<Int32>
    let count: Int
    var width: Int
    var fractionBits: Int
}

/// Which keys and values the rows of a stream see, and where theirs go.
struct AttentionScope {
    /// What a cache keeps keys and values as.
    var keyValueType = KeyValueType.int16
    /// Positions that a cache has room for.
    let capacity: Int
    /// Position of the stream's first row.
    let firstPosition: Int
    /// A row sees those before it and itself; else all rows.
    let isCausal: Bool
}
