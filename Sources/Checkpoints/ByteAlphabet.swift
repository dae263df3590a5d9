/// GPT-2's alphabet, in which each byte is one printable character: 33 to 126, 161 to 172 and 174 to 255 are the characters of these
/// code points, and the other bytes, in order, those from U+0100 on.
enum ByteAlphabet {
    static let characters: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (0...255 as ClosedRange<UInt32>).map { byte in
            if (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174 { return Unicode.Scalar(byte)! }
            defer { next += 1 }
            return Unicode.Scalar(next)!
        }
    }()

    private static let bytes = Dictionary(uniqueKeysWithValues: zip(characters, 0...255 as ClosedRange<UInt8>))

    /// The bytes that a text in the alphabet spells, or the first character that is none of it.
    static func bytes(_ text: [UInt8]) -> Result<[UInt8], Stranger> {
        var result: [UInt8] = []
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            guard let byte = bytes[scalar] else { return .failure(Stranger(scalar: scalar)) }
            result.append(byte)
        }
        return .success(result)
    }

    /// A character outside the alphabet.
    struct Stranger: Error {
        var scalar: Unicode.Scalar
        var name: String { "U+" + String(scalar.value, radix: 16, uppercase: true) }
    }
}
