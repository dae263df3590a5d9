/// What is wrong with a checkpoint or tokenizer file.
///
/// Each case carries one plain sentence, which names the entry, tensor or key, gives the numbers, and says what to do.
public enum CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The system refused to read the file.
    case unreadable(String)
    /// The content is of no kind that is read here.
    case unrecognised(String)
    /// The zip container contradicts itself.
    case zip(String)
    /// The pickle inside the container is malformed or too large.
    case pickle(String)
    /// One tensor cannot be what the file says it is.
    case tensor(name: String, String)
    /// The config inside the checkpoint cannot be read.
    case config(String)
    /// A llama2.c file contradicts its header.
    case llama2(String)
    /// A tokenizer file is malformed.
    case tokenizer(String)

    public var description: String {
        switch self {
        case .unreadable(let sentence), .unrecognised(let sentence), .zip(let sentence), .pickle(let sentence),
            .tensor(_, let sentence), .config(let sentence), .llama2(let sentence), .tokenizer(let sentence):
            return sentence
        }
    }
}

/// A name out of a file, made fit to stand in a sentence: control characters escaped, at most 100 characters.
package func quoted(_ name: String) -> String {
    var text = ""
    var count = 0
    for scalar in name.unicodeScalars {
        if count == 100 {
            text += "..."
            break
        }
        let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            || (0x200B...0x200F).contains(scalar.value) || (0x2028...0x202E).contains(scalar.value)
        text += isControl ? "\\u{" + String(scalar.value, radix: 16) + "}" : String(Character(scalar))
        count += 1
    }
    return "'" + text + "'"
}

/// A shape as it stands in a sentence: `(96, 64)`; a scalar is `()`.
package func shapeText(_ shape: [Int]) -> String {
    "(" + shape.prefix(16).map(String.init).joined(separator: ", ") + (shape.count > 16 ? ", ...)" : ")")
}
