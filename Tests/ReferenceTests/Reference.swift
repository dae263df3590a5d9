import Foundation
import PackedSupport
import Tokenizers

/// Tools/reference/stlm_reference.py as a process.
enum Reference {
    static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Tools/reference/stlm_reference.py").path

    /// False without Python or NumPy.
    static let isThere: Bool = {
        guard FileManager.default.fileExists(atPath: script) else { return false }
        return (try? Program.call("/usr/bin/env", ["python3", "-c", "import numpy"]))?.status == 0
    }()

    static func call(_ words: String...) throws -> Program.Outcome { try call(words) }

    static func call(_ words: [String]) throws -> Program.Outcome {
        try Program.call("/usr/bin/env", ["python3", script] + words, environment: ["PYTHONDONTWRITEBYTECODE": "1"])
    }
}

/// The ids of a text as the programs feed them: after the begin token, where there is one.
enum TextIds {
    static func encode(_ text: String, _ model: OpenedModelFile) throws -> [Int] {
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: TextEncoder.scratchByteCount, alignment: 64)
        defer { scratch.deallocate() }
        var ids = model.model.bosToken.map { [Int($0)] } ?? []
        try Array(text.utf8).withUnsafeBufferPointer { bytes in
            var encoder = TextEncoder(model.model.tokenizer!, text: bytes, scratch: scratch)
            while !encoder.isAtEnd {
                let count = try encoder.next()
                ids += (0..<count).map { Int(encoder.tokens[$0]) }
            }
        }
        return ids
    }
}
