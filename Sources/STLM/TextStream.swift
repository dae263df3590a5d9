import ModelFile
import Tokenizers

/// Generated text on its way out: holds back what may become a stop string, never splits a UTF-8 character, and replaces what is no
/// UTF-8 by U+FFFD.
public struct TextStream {
    public static let stopLimit = 8
    public static let stopByteLimit = 256

    static func byteCount(longestPiece: Int) -> Int { stopByteLimit + longestPiece + 8 }

    private let pending: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    private var count = 0
    private var stops = InlineArray<8, UnsafeBufferPointer<UInt8>>(repeating: UnsafeBufferPointer(start: nil, count: 0))
    private var stopCount = 0
    private var character = InlineArray<4, UInt8>(repeating: 0)
    private var characterCount = 0

    init(_ pending: UnsafeMutablePointer<UInt8>, capacity: Int) {
        self.pending = pending
        self.capacity = capacity
    }

    /// Adds a stop string, which must outlive the stream.
    /// - Returns: false if there are too many, or it is empty or too long.
    public mutating func addStop(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        if stopCount == Self.stopLimit || text.isEmpty || text.count > Self.stopByteLimit { return false }
        stops[stopCount] = text
        stopCount += 1
        return true
    }

    /// Takes the text of what was drawn and hands on what is certain; of a model without text nothing.
    /// - Parameters:
    ///   - drawn: (outputSize)
    ///   - isFirst: it begins a text, of which the space that a tokenizer puts before one is no part
    ///   - most: bytes that are taken at most
    /// - Returns: how many were taken, and true if a stop string is complete
    @export(interface)
    public mutating func append(
        _ drawn: UnsafePointer<UInt32>, of model: Model, isFirst: Bool, most: Int, _ emit: (UnsafeBufferPointer<UInt8>) -> Void
    ) -> (byteCount: Int, isComplete: Bool) {
        var bytes = InlineArray<32, UInt8>(repeating: 0)  // Limit.blockSize
        return withUnsafeMutableBytes(of: &bytes) { buffer in
            var piece: UnsafeBufferPointer<UInt8>
            if model.takesBlocks {
                let start = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
                var count = 0
                for t in 0..<model.blockSize where drawn[t] < Symbol.pad {
                    start[count] = UInt8(drawn[t])
                    count += 1
                }
                piece = UnsafeBufferPointer(start: start, count: count)
            } else if let tokenizer = model.tokenizer {
                piece = tokenizer.piece(drawn[0])
                if isFirst, tokenizer.putsSpaceFirst, piece.first == 0x20 { piece = UnsafeBufferPointer(rebasing: piece[1...]) }
            } else {
                return (0, false)
            }
            if piece.count > most { piece = UnsafeBufferPointer(rebasing: piece[..<most]) }
            return (piece.count, append(piece, emit))
        }
    }

    /// Takes the bytes of a token and hands on what is certain.
    /// - Returns: true if a stop string is complete; nothing more is handed on then.
    public mutating func append(_ piece: UnsafeBufferPointer<UInt8>, _ emit: (UnsafeBufferPointer<UInt8>) -> Void) -> Bool {
        for byte in piece where count < capacity {
            pending[count] = byte
            count += 1
        }
        // The first that is complete ends the text, of several the one that began first: the cut into tokens does not matter.
        for end in 0...count {
            var first = end
            for s in 0..<stopCount where stops[s].count <= end && matches(s, end - stops[s].count, stops[s].count) {
                first = min(first, end - stops[s].count)
            }
            if first < end {
                hand(first, emit)
                count = 0
                return true
            }
        }
        hand(count - heldCount(), emit)
        return false
    }

    /// Hands on what is left; an incomplete character becomes one U+FFFD.
    public mutating func finish(_ emit: (UnsafeBufferPointer<UInt8>) -> Void) {
        hand(count, emit)
        if characterCount > 0 { emitReplacement(emit) }
        characterCount = 0
    }

    /// Bytes at the end that could begin a stop string.
    private func heldCount() -> Int {
        for start in 0..<count {
            for s in 0..<stopCount where count - start < stops[s].count && matches(s, start, count - start) {
                return count - start
            }
        }
        return 0
    }

    private func matches(_ stop: Int, _ start: Int, _ length: Int) -> Bool {
        for k in 0..<length where stops[stop][k] != pending[start + k] { return false }
        return true
    }

    /// Passes the first bytes through the UTF-8 filter and moves the rest to the front.
    private mutating func hand(_ length: Int, _ emit: (UnsafeBufferPointer<UInt8>) -> Void) {
        for k in 0..<length { filter(pending[k], emit) }
        for k in length..<max(length, count) { pending[k - length] = pending[k] }
        count -= length
    }

    private mutating func filter(_ byte: UInt8, _ emit: (UnsafeBufferPointer<UInt8>) -> Void) {
        if characterCount > 0 {
            let fits = characterCount == 1 ? isUTF8Second(character[0], byte) : byte & 0xC0 == 0x80
            if fits {
                character[characterCount] = byte
                characterCount += 1
                if characterCount == utf8ByteCount(character[0]) {
                    emitCharacter(emit)
                    characterCount = 0
                }
                return
            }
            emitReplacement(emit)
            characterCount = 0
        }
        character[0] = byte
        characterCount = 1
        switch utf8ByteCount(byte) {
        case 0:
            emitReplacement(emit)
            characterCount = 0
        case 1:
            emitCharacter(emit)
            characterCount = 0
        default: break
        }
    }

    private func emitCharacter(_ emit: (UnsafeBufferPointer<UInt8>) -> Void) {
        var bytes = character
        let length = characterCount
        withUnsafeBytes(of: &bytes) {
            emit(UnsafeBufferPointer(start: $0.baseAddress!.assumingMemoryBound(to: UInt8.self), count: length))
        }
    }

    private func emitReplacement(_ emit: (UnsafeBufferPointer<UInt8>) -> Void) {
        var bytes: (UInt8, UInt8, UInt8) = (0xEF, 0xBF, 0xBD)
        withUnsafeBytes(of: &bytes) {
            emit(UnsafeBufferPointer(start: $0.baseAddress!.assumingMemoryBound(to: UInt8.self), count: 3))
        }
    }
}

extension Session {
    /// An empty stream in the session's arena; one at a time, and only with a tokenizer.
    public func textStream() -> TextStream {
        TextStream(pointer(plan.pending, as: UInt8.self), capacity: plan.pending.byteCount)
    }

    /// Scratch for one `TextEncoder` at a time.
    public var encoderScratch: UnsafeMutableRawPointer { arena + plan.encoder.offset }
}
