import Console
import ModelFile
import STLM
import Tokenizers

/// Cuts a text into positions: for each piece the token or block that goes into the model, and the one that should come out.
struct PositionReader {
    private var encoder: TextEncoder
    private let model: Model

    /// - Parameters:
    ///   - isContinued: the text goes on after another
    ///   - scratch: that of a session, used as long as the reader is
    init(
        _ model: Model, _ tokenizer: Tokenizer, text: UnsafeBufferPointer<UInt8>, isContinued: Bool = false,
        scratch: UnsafeMutableRawPointer
    ) {
        self.model = model
        encoder = TextEncoder(tokenizer, blockSize: model.blockSize, text: text, isContinued: isContinued, scratch: scratch)
    }

    /// Bytes of the text that were read.
    var offset: Int { encoder.offset }

    /// Reads on; how many pieces there are now, 0 at the end of the text, nil after a complaint.
    mutating func next() -> Int? {
        do {
            return try encoder.next()
        } catch {
            complain("the text has no place where it can be cut within %a bytes after byte %b; break the long run there",
                TextEncoder.partByteCount, encoder.offset)
            return nil
        }
    }

    /// Piece `k` of the last part as the model takes it: (inputSize).
    func writeInput(_ k: Int, into numbers: UnsafeMutablePointer<UInt32>) { write(k, asBlock: model.takesBlocks, numbers) }

    /// The same as the model should give it: (outputSize).
    func writeOutput(_ k: Int, into numbers: UnsafeMutablePointer<UInt32>) { write(k, asBlock: model.writesBlocks, numbers) }

    private func write(_ k: Int, asBlock: Bool, _ numbers: UnsafeMutablePointer<UInt32>) {
        if asBlock { encoder.writeBlock(k, into: numbers) } else { numbers[0] = UInt32(encoder.tokens[k]) }
    }
}
