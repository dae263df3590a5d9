import ModelFile

// Blocks, which byte-level models take in place of tokens: stlm-1, section 8.11.

extension Tokenizer {
    /// Writes the block of a token: its piece decoded by itself, what is no UTF-8 replaced, cut to the block, then pads.
    /// - Parameters:
    ///   - token: any id; one beyond the pieces gives a block of pads.
    ///   - symbols: (blockSize)
    public func writeBlock(_ token: UInt32, blockSize: Int, into symbols: UnsafeMutablePointer<UInt32>) {
        let piece = self.piece(token)
        var count = 0
        var at = 0
        while at < piece.count, count < blockSize {
            let rest = piece.baseAddress! + at
            if let character = UTF8Character(rest, count: piece.count &- at) {
                for k in 0..<character.byteCount where count < blockSize {
                    symbols[count] = UInt32(rest[k])
                    count &+= 1
                }
                at &+= character.byteCount
            } else {
                for k in 0..<3 where count < blockSize {
                    // U+FFFD: EF BF BD.
                    symbols[count] = 0xEFBFBD &>> UInt32(16 &- 8 &* k) & 0xFF
                    count &+= 1
                }
                at &+= illFormedByteCount(rest, count: piece.count &- at)
            }
        }
        while count < blockSize {
            symbols[count] = Symbol.pad
            count &+= 1
        }
    }
}

/// Writes the block of a word: its bytes as they are, then pads. (stlm-1, section 8.11)
public func writeBlock(_ bytes: UnsafeBufferPointer<UInt8>, blockSize: Int, into symbols: UnsafeMutablePointer<UInt32>) {
    for k in 0..<blockSize { symbols[k] = k < bytes.count ? UInt32(bytes[k]) : Symbol.pad }
}
