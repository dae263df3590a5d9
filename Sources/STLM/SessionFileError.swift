import Kernels

/// Why a session cannot be saved, or a session file not be gone on from: Formats/session-1.md, section 6.
public enum SessionFileError: Error, Equatable, Sendable {
    /// A model that is not causal keeps nothing that a session could go on from.
    case notCausal
    /// Whoever takes the bytes took no more of them.
    case notWritten
    /// The bytes end early.
    case truncated
    /// The file has `have` bytes and says that it has `need`.
    case wrongByteCount(have: Int, need: UInt64)
    /// Something else than a session file.
    case notASession
    case unknownVersion(UInt16)
    /// A checksum is wrong.
    case damaged
    /// The checksums are right, yet no session can have written this.
    case impossible
    /// Saved with another model file.
    case otherModel
    /// Saved with keys and values of another type than this session's.
    case otherKeyValueType(saved: KeyValueType, own: KeyValueType)
    /// The file's `needed` positions do not fit in the `context` of the session.
    case contextFull(needed: Int, context: Int)
}
