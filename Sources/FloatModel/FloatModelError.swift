import Checkpoints

/// Why a checkpoint makes no model, or ids no logits. Each case carries one plain sentence.
public enum FloatModelError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A key of the config is missing, of the wrong type, or asks for something unsupported.
    case config(key: String, String)
    /// A tensor is missing, surplus, or of another shape than the config says.
    case tensor(name: String, String)
    /// The checkpoint itself is at fault.
    case checkpoint(CheckpointError)
    /// The ids cannot be fed to this model.
    case ids(String)

    public var description: String {
        switch self {
        case .config(_, let sentence), .tensor(_, let sentence), .ids(let sentence): return sentence
        case .checkpoint(let error): return error.description
        }
    }
}
