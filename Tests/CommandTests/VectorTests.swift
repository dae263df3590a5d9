import Foundation
import PackedSupport
import STLM
import Testing
import Tokenizers

/// Formats/vectors: files that every version of stlm-1 must open, with what they compute. Written by the second implementation, Tools/reference.
@Suite(.enabled(if: Program.run.exists)) struct VectorTests {
    struct Vector: Codable, Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: Int
        let inputs: String
        let logits: [String: String]
        let drawn: String?
        let encoded: String?

        enum CodingKeys: String, CodingKey { case name, bytes, inputs, logits = "logits_crc32", drawn, encoded }
        var testDescription: String { name }
        var path: String { VectorTests.folder.appendingPathComponent(name + ".stlm").path }
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Formats/vectors")
    static let vectors = try! JSONDecoder().decode([Vector].self, from: Data(contentsOf: folder.appendingPathComponent("vectors.json")))

    /// CRC-32 as zip has it, bit by bit.
    private func checksum(_ bytes: some Sequence<UInt8>) -> String {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        let digits = String(~crc, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    @Test func allFilesAreListed() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter { $0.hasSuffix(".stlm") }
        #expect(Set(files) == Set(Self.vectors.map { $0.name + ".stlm" }) && Self.vectors.count >= 9)
    }

    @Test(arguments: vectors) func theLogitsAreThoseOfTheList(_ vector: Vector) throws {
        let folder = try TemporaryFolder()
        #expect(try Data(contentsOf: URL(fileURLWithPath: vector.path)).count == vector.bytes)
        #expect(vector.logits["int16"] != nil)
        for (type, expected) in vector.logits {
            let run = try Program.run("logits", vector.path, "--ids", vector.inputs, "--out", folder.path("x.npy"), "--kv", type)
            #expect(run.status == 0, "\(run.errors)")
            // The header of a .npy file is a multiple of 64 bytes and ends with a line feed.
            let file = try #require(folder.bytes("x.npy")), start = 10 + Int(file[8]) + 256 * Int(file[9])
            #expect(checksum(file[start...]) == expected, "\(type)")
        }
    }

    @Test(arguments: vectors.filter { $0.drawn != nil }) func whatIsDrawnIsThatOfTheList(_ vector: Vector) throws {
        let run = try Program.run(vector.path, "--ids", vector.inputs, "-n", "12", "--seed", "1", "--ignore-eos")
        #expect(run.status == 0 && run.text.split(whereSeparator: \.isWhitespace).joined(separator: " ") == vector.drawn, "\(run.errors)")
    }

    @Test(arguments: vectors.filter { $0.encoded != nil && $0.name != "slots" && $0.name != "decoder" })
    func tokenizersCutTheTextOfTheList(_ vector: Vector) throws {
        let model = try OpenedModelFile([UInt8](Data(contentsOf: URL(fileURLWithPath: vector.path))))
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: TextEncoder.scratchByteCount, alignment: 64)
        defer { scratch.deallocate() }
        var ids: [String] = []
        try Array("The thé, there:\n a€ aaaa\u{1F600} the".utf8).withUnsafeBufferPointer { bytes in
            var encoder = TextEncoder(model.model.tokenizer!, text: bytes, scratch: scratch)
            while !encoder.isAtEnd { let count = try encoder.next(); ids += (0..<count).map { String(encoder.tokens[$0]) } }
        }
        let bos = model.model.bosToken.map { [String($0)] } ?? []
        #expect((bos + ids).joined(separator: " ") == vector.encoded)
    }
}
