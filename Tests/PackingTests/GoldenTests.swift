import Foundation
import ModelFile
import PackedSupport
import Packing
import TestSupport
import Testing

/// Formats/vectors/tiny.stlm and its description. Where the packer chooses other bytes, STLM_UPDATE=1 in the environment writes both anew; the
/// old file then stays in vectors.json under another name.
@Suite struct GoldenTests {
    private static let formats = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Formats")
    private static let vector = formats.appendingPathComponent("vectors/tiny.stlm")
    private static let document = formats.appendingPathComponent("stlm-1.md")
    private static let isUpdate = ProcessInfo.processInfo.environment["STLM_UPDATE"] != nil

    /// The least model with attention, a rotation, a plain feed-forward and a tied head.
    private func packed() throws -> OpenedModelFile {
        try SyntheticSTLM {
            ($0.hiddenSize, $0.headCount, $0.groupSize, $0.feedForwardSize) = (4, 2, 2, 4)
            ($0.layerCount, $0.vocabularySize, $0.contextSize) = (1, 8, 4)
            ($0.feedForwardType, $0.activation, $0.hasOptimizer) = ("generic", "gelu", false)
        }.packed(.int8)
    }

    @Test func theTinyModelPacksToTheSameBytes() throws {
        let packed = try packed()
        if Self.isUpdate {
            try FileManager.default.createDirectory(at: Self.vector.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(packed.bytes).write(to: Self.vector)
        }
        #expect(try [UInt8](Data(contentsOf: Self.vector)) == packed.bytes)
        #expect(packed.bytes.count <= 4096)
        try packed.file.verifyWeights()
    }

    @Test func theDocumentShowsItsBytes() throws {
        let packed = try packed()
        let section = WorkedFile(file: packed.file, bytes: packed.bytes).text
        if Self.isUpdate {
            let text = try String(contentsOf: Self.document, encoding: .utf8)
            let heading = "## 13. A worked file\n"
            let start = try #require(text.range(of: heading)).upperBound
            try (text[..<start] + section).write(to: Self.document, atomically: true, encoding: .utf8)
        }
        let text = try String(contentsOf: Self.document, encoding: .utf8)
        #expect(text.hasSuffix("## 13. A worked file\n" + section))
    }
}
