import Foundation
import PackedSupport
import Testing
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

    /// Both programs write the same bytes of logits for `ids`, and say the same about them.
    static func expectSameLogits(_ model: String, ids: String, _ folder: TemporaryFolder, _ flags: [String] = []) throws {
        let own = try Program.run.call(["logits", model, "--ids", ids, "--out", folder.path("own.npy"), "--threads", "2"] + flags)
        #expect(own.status == 0, "\(own.errors)")
        let reference = try call(["logits", model, "--ids", ids, "--out", folder.path("reference.npy")] + flags)
        #expect(reference.status == 0, "\(reference.errors)")
        #expect(folder.bytes("own.npy") != nil && folder.bytes("own.npy") == folder.bytes("reference.npy"))
        let ownFacts = try JSONSerialization.jsonObject(with: Data(own.output)) as? NSDictionary
        #expect(try JSONSerialization.jsonObject(with: Data(reference.output)) as? NSDictionary == ownFacts)
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
