import Foundation
import ModelFile
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What the packer says about its file.
@Suite struct ReportTests {
    static let sources: [SyntheticSTLM] = [
        SyntheticSTLM { $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize },
        SyntheticSTLM { ($0.vocabularySize, $0.isFeedForwardShared, $0.layerCount) = (SyntheticTokenizer.mergesVocabularySize, true, 4) },
        SyntheticSTLM {
            ($0.vocabularySize, $0.isTied, $0.positions) = (SyntheticTokenizer.mergesVocabularySize, false, "learned")
            ($0.feedForwardType, $0.activation, $0.hasHeadBias) = ("generic", "learned", true)
        },
    ]

    private func packed(_ source: SyntheticSTLM, hasTokenizer: Bool = true, _ width: WeightWidth = .int8) throws -> PackedModel {
        try PackedModel(checkpoint: source.checkpointBytes(), tokenizer: hasTokenizer ? SyntheticTokenizer.merges : nil, width: width)
    }

    @Test(arguments: sources, [false, true]) func itsNumbersAddUpToTheFile(_ source: SyntheticSTLM, hasTokenizer: Bool) throws {
        let packed = try packed(source, hasTokenizer: hasTokenizer), report = packed.report
        #expect(report.fileByteCount == packed.bytes.count)
        #expect(report.uniqueByteCount + report.tokenizerByteCount + report.tableByteCount + report.paddingByteCount == packed.bytes.count)
        #expect((report.tokenizerByteCount > 0) == hasTokenizer && report.hasTokenizer == hasTokenizer)
        let file = try OpenedModelFile(packed.bytes).file
        #expect(report.paddingByteCount == file.paddingByteCount)
        let weights = (0..<file.tensorCount).reduce(0) { $0 + Int(file.region(file.firstWeightsRegion + $1).byteCount) }
        #expect(report.uniqueByteCount == weights)
    }

    @Test func whatIsStoredOnceIsNamedWithItsBytes() throws {
        let report = try packed(Self.sources[1]).report
        let head = try #require(report.shared.first { $0.names.contains("model_head.linear.weight") })
        #expect(head.byteCountBefore == 2 * head.byteCountAfter)
        let parts = report.shared.filter { $0.names[0].contains(".ffn.") }
        #expect(parts.count == 3 && parts.allSatisfy { $0.names.count == 4 && $0.byteCountBefore == 4 * $0.byteCountAfter })
        #expect(report.text.contains("and 3 more names"))
        // Rows of one matrix under three names are no sharing.
        let llama2 = try PackedModel(checkpoint: SyntheticLlama2().bytes(version: 1), tokenizer: nil, width: .int8).report
        #expect(llama2.shared.count <= 1)
    }

    @Test(arguments: sources) func theJSONHoldsTheSameNumbers(_ source: SyntheticSTLM) throws {
        let report = try packed(source).report
        let object = try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        func number(_ key: String) -> Int { object[key] as? Int ?? -1 }
        #expect(number("file_bytes") == report.fileByteCount && number("arena_bytes") == report.arenaByteCount)
        let parts = try #require(object["parts"] as? [String: Int])
        #expect(parts.values.reduce(0, +) == number("unique_bytes"))
        #expect(number("unique_bytes") + number("tokenizer_bytes") + number("table_bytes") + number("padding_bytes") == report.fileByteCount)
        #expect(number("parameters") >= number("unique_parameters"))
        #expect(report.json.hasSuffix("}\n"))
    }

    /// In text, JSON and page, with the words and figures of a budget.
    @Test(arguments: sources) func memoryIsThatOfABudget(_ source: SyntheticSTLM) throws {
        let packed = try packed(source), report = packed.report, opened = try OpenedModelFile(packed.bytes)
        let budget = MemoryBudget(opened.model, try MemoryPlan(opened.model, SessionOptions(opened.model)))
        let object = try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        #expect(object["resident_at_most"] as? Int == budget.residentAtMost && object["cannot_run_under"] as? Int == budget.cannotRunUnder)
        #expect(object["arena_bytes"] as? Int == budget.plan.arenaByteCount && object["kv_bytes"] as? Int == budget.byteCount(.keysAndValues))
        func grouped(_ number: Int) -> String {
            String(String(number).reversed().enumerated().flatMap { $0 > 0 && $0 % 3 == 0 ? [",", $1] : [$1] }.reversed())
        }
        for (words, number) in [("resident at most", budget.residentAtMost), ("cannot run under", budget.cannotRunUnder),
            ("arena", budget.plan.arenaByteCount), ("keys and values", budget.byteCount(.keysAndValues))] {
            #expect(report.text.contains(words) && report.text.contains(" " + grouped(number) + " bytes"), "\(words)")
            #expect(report.html.contains("<td>\(words)</td><td>\(grouped(number))</td>"), "\(words)")
        }
        // The file's parts are those of the packer.
        #expect(budget.file.byteCount(.embedder) == report.embedderByteCount && budget.file.byteCount(.core) == report.coreByteCount)
        #expect(budget.file.byteCount(.head) == report.headByteCount && budget.file.byteCount(.tokenizer) == report.tokenizerByteCount)
    }

    @Test func theTextNamesEveryPart() throws {
        let report = try packed(Self.sources[2]).report
        for word in ["parameters", "embedding", "positions", "attention", "feed-forward", "norms", "head", "tokenizer", "padding", "arena"] {
            #expect(report.text.contains("  " + word), "\(word)")
        }
        #expect(report.text.hasSuffix("\n") && !report.text.contains("\n\n"))
    }

    @Test func theArenaOfTheReportIsThatOfTheRuntime() throws {
        let packed = try packed(Self.sources[0])
        let opened = try OpenedModelFile(packed.bytes)
        var options = opened.options()
        options.logitRowCount = 1
        options.batchTokenCount = SessionOptions(opened.model).batchTokenCount
        let count = try opened.withSession(options) { $0.plan.arenaByteCount }
        #expect(packed.report.arenaByteCount == count)
        #expect(packed.report.contextTokenCount == 16)
    }
}
