import Checkpoints
import FloatModel

/// Why a checkpoint cannot become a model file. Each description is one plain sentence that says what to do.
public enum PackError: Error, CustomStringConvertible {
    case checkpoint(CheckpointError)
    case model(FloatModelError)
    case overLimit(what: String, value: Int, limit: Int)
    case weightTooLarge(tensor: String, value: Float)
    case tokenizerMismatch(tokenizer: Int, model: Int)
    case tokenizerTooLarge(count: Int, limit: Int)
    case pieceTooLong(token: Int, byteCount: Int)
    case tokenizerForWords
    case wordsWithTokens
    case outputExists(path: String)
    case outputIsInput(path: String)
    case outputIsFolder(path: String)
    case system(path: String, reason: String)
    case ownOutput(sentence: String)

    public var description: String {
        switch self {
        case .checkpoint(let error): error.description
        case .model(let error): error.description
        case .overLimit(let what, let value, let limit):
            "The model has \(what) of \(value) and the format allows \(limit); it cannot be packed."
        case .weightTooLarge(let tensor, let value):
            "The tensor \(tensor) holds \(value) and the format allows up to 2^60; use a checkpoint from before training diverged."
        case .tokenizerMismatch(let tokenizer, let model):
            "The tokenizer has \(tokenizer) tokens and the model \(model); give the tokenizer that belongs to the model."
        case .tokenizerTooLarge(let count, let limit):
            "The tokenizer has \(count) tokens and the format allows \(limit); pack without --tokenizer and run on token ids."
        case .pieceTooLong(let token, let byteCount):
            "Token \(token) of the tokenizer is \(byteCount) bytes long and the format allows \(4096); use another tokenizer."
        case .tokenizerForWords:
            "The model was trained on words, which need no tokenizer file; pack it without --tokenizer."
        case .wordsWithTokens:
            "The config asks for the tokenizer words, which has no token ids, in a model with a token table; use a byte-level embedder and head."
        case .outputExists(let path): "The file \(path) exists; give --force to replace it, or -o for another name."
        case .outputIsInput(let path): "The output \(path) is the input itself; give another name with -o."
        case .outputIsFolder(let path): "The output \(path) is a folder; give the name of a file with -o."
        case .system(let path, let reason): "The file \(path) cannot be written (\(reason)); check the path and the space on the disk."
        case .ownOutput(let sentence): "The packed file does not open (\(sentence)); this is a defect of stlm-pack, please report it."
        }
    }
}
