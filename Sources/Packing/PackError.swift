import Checkpoints
import FloatModel
import Foundation

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
    case textWithoutTokenizer
    case textCannotBeCut(name: String)
    case textTooShort(name: String)
    case goalWithoutText
    case correctedTable(name: String)
    case patternWithoutTensor(pattern: String, example: String)
    case budgetTooSmall(budget: Int, least: Int, tables: Int, matrices: Int)
    case lossOutOfReach(wanted: Double, least: Double)
    case unusableFile(file: String, sentence: String)
    case fileWithoutTokenizer(file: String)
    case contextOutOfRange(file: String, context: Int, most: Int)
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
        case .textWithoutTokenizer: "A text is given, but the model has no tokenizer to read it with; give --tokenizer too."
        case .textCannotBeCut(let name):
            "The text \(name) has no place where it can be cut within 4,096 bytes; break its long runs of characters."
        case .textTooShort(let name): "The text \(name) has nothing that can be scored; give a longer one."
        case .goalWithoutText: "Encodings can only be chosen with a text to try them on; give --calibrate FILE, or --weights int4 or another type."
        case .correctedTable(let name):
            "Rows of the matrix '\(name)' are looked up one by one, so that it cannot have a correction; give it a type without +r."
        case .patternWithoutTensor(let pattern, let example):
            "No matrix has a name that fits '\(pattern)'; names look like '\(example)', and * stands for any characters."
        case .budgetTooSmall(let budget, let least, let tables, let matrices):
            "The budget of \(grouped(budget)) bytes is too small: the least this model can be packed into is \(grouped(least)) bytes "
                + "(\(grouped(matrices)) of matrices in their smallest encodings, \(grouped(tables)) of tables, vectors and records)."
        case .lossOutOfReach(let wanted, let least):
            "A loss of at most \(percentText(wanted)) cannot be had: "
                + (least.isNaN ? "no choice was found" : "with the largest encodings it is \(percentText(least))")
                + "; allow more, or give --activations int16."
        case .unusableFile(let file, let sentence): "\(file): \(sentence)"
        case .fileWithoutTokenizer(let file):
            "\(file) has no tokenizer to read a text with; pack it with --tokenizer."
        case .contextOutOfRange(let file, let context, let most):
            "A context of \(context) is not to be had; \(file) has positions for 1 to \(most)."
        case .ownOutput(let sentence): "The packed file does not open (\(sentence)); this is a defect of stlm-pack, please report it."
        }
    }
}

private func percentText(_ fraction: Double) -> String {
    // Two digits that count, no more.
    let percent = fraction * 100
    let digits = max(0, min(6, 1 - Int(log10(max(abs(percent), 1e-6)).rounded(.down))))
    let unit = pow(10.0, Double(digits))
    return "\((percent * unit).rounded() / unit) %"
}
