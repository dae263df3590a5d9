import Foundation

/// What a model file is, judged by its content and never by its name.
public enum CheckpointKind: Sendable, Equatable {
    /// A zip file of `torch.save`.
    case torch
    /// A llama2.c file of version 0, 1 or 2.
    case llama2

    /// Recognises the content of a model file.
    ///
    /// - Throws: `CheckpointError.unrecognised` saying what the file is instead.
    public static func recognise(_ data: Data) throws(CheckpointError) -> CheckpointKind {
        let bytes = LittleEndianBytes(data)
        if bytes.count == 0 {
            throw .unrecognised("The file is empty; copy or download it again.")
        }
        if bytes.begins(with: "PK\u{3}\u{4}") || bytes.begins(with: "PK\u{5}\u{6}") { return .torch }
        if bytes.word32(0) == Llama2Header.magic { return .llama2 }
        if let other = foreignName(bytes) {
            throw .unrecognised("The file is \(other); give an STLM checkpoint (.pt or .ckpt) or a llama2.c model (.bin).")
        }
        // Version 0 has no magic. A header that makes sense is taken for one; the length is judged when it is opened.
        if (try? Llama2Header(bytes)) != nil { return .llama2 }
        let head = data.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        throw .unrecognised("The file is of an unknown kind (\(bytes.count) bytes, beginning \(head)); give an STLM checkpoint "
            + "(.pt or .ckpt) or a llama2.c model (.bin).")
    }

    private static func foreignName(_ bytes: LittleEndianBytes) -> String? {
        let prefixes: [([UInt8], String)] = [
            (Array("GGUF".utf8), "a GGUF model"),
            (Array("ggml".utf8), "a GGML model"), (Array("lmgg".utf8), "a GGML model"), (Array("tjgg".utf8), "a GGML model"),
            ([0x89, 0x53, 0x54, 0x4C, 0x4D], "an STLM model file, which is packed already"),
            ([0x1F, 0x8B], "compressed with gzip"), (Array("BZh".utf8), "compressed with bzip2"),
            ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "compressed with xz"), ([0x28, 0xB5, 0x2F, 0xFD], "compressed with zstd"),
            ([0x89, 0x48, 0x44, 0x46], "an HDF5 file"), ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59], "a numpy array"),
            (Array("version https://git-lfs".utf8), "a git-lfs pointer, not the file it points to (run 'git lfs pull')"),
            ([0x7F, 0x45, 0x4C, 0x46], "a program"),
        ]
        for (prefix, name) in prefixes where bytes.begins(with: prefix) { return name }
        // torch before 1.6 began with this number, pickled.
        if bytes.begins(with: [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]) {
            return "a checkpoint in the format of torch before 1.6 (load it and save it again with a current torch)"
        }
        if bytes.byte(0) == 0x80, let version = bytes.byte(1), version <= 5 { return "a bare Python pickle" }
        if let length = bytes.word64(0), length < 1 << 32, bytes.byte(8) == 0x7B,
            let next = bytes.byte(9), next == 0x22 || next == 0x20 || next == 0x7D {
            return "a safetensors file"
        }
        if bytes.holds(257, 5), bytes.data[257..<262].elementsEqual("ustar".utf8) { return "a tar archive" }
        let text = bytes.data.prefix(256).drop { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
        if text.first == 0x3C { return "an HTML or XML page, such as an error page saved by a browser" }
        if text.first == 0x7B || text.first == 0x5B { return "JSON text" }
        if bytes.data.prefix(256).allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }) {
            return "plain text"
        }
        return nil
    }
}
