import FloatModel
import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// The paper's three sizes, with the shapes of Tools/train/configs and seeded random weights.
@Suite(.serialized) struct PaperSizesTests {
    /// The numbers of a YAML file as `model.core_model.num_layers`: what these configs need of YAML, indentation by two.
    private static func numbers(_ name: String) throws -> [String: Int] {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: package.appendingPathComponent("Tools/train/configs/\(name).yaml"), encoding: .utf8)
        var result: [String: Int] = [:], path: [String] = []
        for line in text.split(separator: "\n") {
            let content = line.prefix { $0 != "#" }
            guard let colon = content.firstIndex(of: ":") else { continue }
            let depth = content.prefix { $0 == " " }.count / 2
            let key = content[..<colon].trimmingCharacters(in: .whitespaces)
            path = path.prefix(depth) + [key]
            let value = content[content.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            if let number = Int(value) { result[path.joined(separator: ".")] = number }
        }
        return result
    }

    private static func model(_ name: String) throws -> SyntheticSTLM {
        let numbers = try numbers(name)
        func number(_ key: String) throws -> Int { try #require(numbers["model." + key], "\(name): \(key)") }
        var model = SyntheticSTLM()
        (model.embedder, model.head, model.tokenizerType) = ("byte_level", "byte_decoder", "words")
        (model.isFeedForwardShared, model.isTied, model.hasOptimizer) = (true, false, false)
        model.hiddenSize = try number("hidden_dim")
        model.layerCount = try number("core_model.num_layers")
        model.headCount = try number("core_model.attn.num_heads")
        model.groupSize = try number("core_model.attn.group_size")
        model.feedForwardSize = try number("core_model.ffn.ffn_dim")
        model.contextSize = try number("context_window")
        model.vocabularySize = try number("vocab_size")
        model.blockSize = try number("byte_context_window")
        model.byteSize = try number("byte_embedding_dim")
        model.decoder.width = try number("lm_head.byte_decoder_dim")
        model.decoder.layerCount = try number("lm_head.num_layers")
        model.decoder.headCount = try number("lm_head.num_heads")
        model.decoder.groupSize = try number("lm_head.group_size")
        model.decoder.feedForwardSize = try number("lm_head.ffn_dim")
        return model
    }

    @Test(arguments: [("10m", 10), ("50m", 50), ("100m", 100)])
    func packsThePapersSizes(_ name: String, _ millions: Int) throws {
        let packed = try PackedModel(checkpoint: Self.model(name).checkpointBytes(), tokenizer: nil, width: .int8)
        let report = packed.report
        #expect(abs(report.uniqueParameterCount - millions * 1_000_000) <= millions * 50_000)
        #expect(report.embedderByteCount + report.coreByteCount + report.headByteCount + report.tablesByteCount == packed.bytes.count)
        // A byte a weight, and at most 4 % for scales, norms, the rotation's table and padding.
        #expect(packed.bytes.count <= report.uniqueParameterCount * 104 / 100)
        let opened = try OpenedModelFile(packed.bytes)
        #expect(opened.model.tokenizer != nil)
        let block = try opened.withSession(opened.options(context: 8)) { session in
            try session.feed((0..<12).map { UInt32(opened.model.record.endBlock[$0]) })
            let block = session.likeliestBlock(row: 0)
            return (0..<12).map { block[$0] }
        }
        #expect(block.allSatisfy { $0 < 258 })
    }
}
