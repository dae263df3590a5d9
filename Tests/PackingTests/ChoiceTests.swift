import Foundation
import FloatModel
import ModelFile
import PackedSupport
import Packing
import Quantization
import TestSupport
import Testing

/// Encodings chosen by a text: budgets, losses, exceptions, and what is refused.
@Suite struct ChoiceTests {
    static let source = SyntheticSTLM { ($0.vocabularySize, $0.layerCount) = (SyntheticTokenizer.mergesVocabularySize, 2) }
    static let text = PackText(name: "words.txt", bytes: Array(String(repeating: "the hen then there, a cat; he ate the heath. ", count: 60).utf8))

    private func settings(_ goal: PackSettings.Goal, _ change: (inout PackSettings) -> Void = { _ in }) -> PackSettings {
        var settings = PackSettings(goal)
        settings.calibration = Self.text
        settings.threadCount = 2
        change(&settings)
        return settings
    }

    private func packed(_ settings: PackSettings, tokenizer: Bool = true) throws -> PackedModel {
        try PackedModel(
            checkpoint: Self.source.checkpointBytes(), tokenizers: tokenizer ? [SyntheticTokenizer.merges] : [], settings: settings)
    }

    private func message(_ settings: PackSettings, tokenizer: Bool = true) -> String {
        do {
            _ = try packed(settings, tokenizer: tokenizer)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    private func encoding(_ name: String, in packed: PackedModel) throws -> Encoding {
        let file = try OpenedModelFile(packed.bytes).file
        let index = try #require((0..<file.nameCount).first { String(decoding: file.nameText($0), as: UTF8.self) == name })
        return try #require(Encoding(rawValue: file.tensor(Int(file.name(index).target)).encoding))
    }

    @Test func everyTypeCanBeAskedForAndRuns() throws {
        for width in WeightWidth.allCases {
            let packed = try packed(settings(.width(width)))
            // Random weights are not ternary, and are left in 8 bits then.
            let expected = width == .ternary || width == .ternary4 ? Encoding.int8Rows : width.encoding
            #expect(try encoding("core_model.transformer.h.1.ffn.linear_2.weight", in: packed) == expected)
            let logits = try OpenedModelFile(packed.bytes).logits([1, 2, 3])
            #expect(logits.count == 3 && logits.joined().contains { $0 != 0 })
        }
    }

    @Test func aBudgetIsKeptAndWhatItLosesGrowsAsItShrinks() throws {
        let widest = try packed(settings(.width(.int8))).bytes.count
        var losses: [Double] = []
        for share in [1.0, 0.9, 0.8] {
            let budget = Int(Double(widest) * share), packed = try packed(settings(.budget(byteCount: budget)))
            #expect(packed.bytes.count <= budget && packed.bytes.count > budget * 95 / 100)
            losses.append(packed.report.matrices.reduce(0) { $0 + $1.divergence })
        }
        #expect(losses[0] < losses[1] && losses[1] < losses[2])
    }

    @Test func aBudgetHasRoomForTheNameOfWhatItIsMeasuredOn() throws {
        let widest = try packed(settings(.width(.int6))).bytes.count
        for length in [1, 64, 4_000] {
            let packed = try packed(settings(.budget(byteCount: widest)) {
                $0.verification = PackText(name: String(repeating: "v", count: length), bytes: Self.text.bytes)
            })
            #expect(packed.bytes.count <= widest && packed.report.verification?.name.count == length)
        }
    }

    @Test func anImpossibleBudgetNamesTheLeastAndWhatTakesIt() throws {
        let text = message(settings(.budget(byteCount: 5_000)))
        let numbers = text.replacingOccurrences(of: ",", with: "").split { !$0.isNumber }.compactMap { Int($0) }
        try #require(numbers.count == 4 && numbers[0] == 5_000 && text.contains("too small"))
        #expect(numbers[1] == numbers[2] + numbers[3])
        // The least that it names is enough.
        #expect(try packed(settings(.budget(byteCount: numbers[1]))).bytes.count <= numbers[1])
        #expect(message(settings(.budget(byteCount: numbers[1] - 64))).contains("too small"))
    }

    @Test func aLossIsKeptOnTheTextItWasChosenWith() throws {
        var sizes: [Int] = []
        for most in [0.0005, 0.005, 0.05] {
            let packed = try packed(settings(.maximumLoss(most)) { $0.verification = Self.text })
            let measured = try #require(packed.report.verification)
            #expect(measured.loss <= most + 1e-6, "\(measured.loss)")
            sizes.append(packed.bytes.count)
        }
        #expect(sizes[0] > sizes[1] && sizes[1] >= sizes[2])
        // No file is so much better than the float model.
        #expect(message(settings(.maximumLoss(-0.5))).contains("cannot be had"))
    }

    @Test func exceptionsGoByNameAndTheLastWins() throws {
        let packed = try packed(settings(.width(.int4)) {
            $0.overrides = [("*.attn.*", .init(.int6)), ("*h.0.attn.c_proj*", .init(.int16)), ("*token_embedder*", .init(.int8))]
            $0.activationOverrides = [("*ffn*", 16)]
        })
        #expect(try encoding("core_model.transformer.h.1.attn.c_proj.weight", in: packed) == .int6Groups)
        #expect(try encoding("core_model.transformer.h.0.attn.c_proj.weight", in: packed) == .int16Rows)
        #expect(try encoding("embedding_model.token_embedder.weight", in: packed) == .int8Rows)
        #expect(try encoding("core_model.transformer.h.0.ffn.linear_1.weight", in: packed) == .int4Groups)
        let file = try OpenedModelFile(packed.bytes).file
        #expect(file.feedForward(0).up.activationBits == 16 && file.feedForward(1).down.activationBits == 16)
        #expect(message(settings(.width(.int4)) { $0.overrides = [("*no_such*", .init(.int8))] }).contains("No matrix has a name that fits '*no_such*'"))
    }

    @Test func aTiedHeadReadsWideActivationsWhereNarrowOnesCostTooMuch() throws {
        for isOutlier in [false, true] {
            // One input of the head far beyond the others takes their bits.
            var file = SyntheticSTLM { ($0.vocabularySize, $0.hasOptimizer) = (SyntheticTokenizer.mergesVocabularySize, false) }.file()
            let norm = try #require(file.storages.lastIndex { $0.content.count == 4 * 32 })
            file.storages[norm].content = TorchFile.content([isOutlier ? 20 : 1] + [Float](repeating: 1, count: 31))
            let packed = try PackedModel(checkpoint: file.bytes(), tokenizers: [SyntheticTokenizer.merges], settings: settings(.width(.int8)))
            let opened = try OpenedModelFile(packed.bytes).file
            #expect(opened.model.head.output.activationBits == (isOutlier ? 16 : 8))
            if !isOutlier { #expect(opened.attention(0).qkv.activationBits == 8 && opened.feedForward(1).up.activationBits == 8) }
        }
    }

    @Test func aCorrectionMakesUpForWhatItsBaseLoses() throws {
        func packed(_ type: String) throws -> (error: Double, divergence: Double, encoding: Encoding) {
            let packed = try self.packed(settings(.width(.int16)) {
                $0.overrides = [("*ffn.linear_2*", try! #require(WeightType(type)))]
                $0.verification = Self.text
            })
            let matrix = try #require(packed.report.matrices.first { $0.name.contains("linear_2") })
            #expect(matrix.width == type)
            return (matrix.relativeError, try #require(packed.report.verification).meanDivergence, try encoding(matrix.name, in: packed))
        }
        let plain = try packed("int2"), some = try packed("int2+r4"), more = try packed("int2+r16")
        #expect(plain.encoding == .int2Groups && some.encoding == .corrected)
        #expect(some.error < plain.error && more.error < 0.8 * some.error)
        #expect(some.divergence < plain.divergence && more.divergence < some.divergence)
        // As many directions as there are: all that is left are the roundings of 8 bits.
        #expect(try packed("int4+r32").error < 0.02)
        #expect(message(settings(.width(.int8)) { $0.overrides = [("*token_embedder*", .init(.int4, rank: 2))] }).contains("cannot have a correction"))
        for text in ["int4+r0", "int4+r", "int4+8", "int4+r1025", "r8", "int4+r8+r8", ""] { #expect(WeightType(text) == nil) }
    }

    @Test func patternsMatchAsShellsDo() {
        for (name, pattern, expected) in [
            ("a.b", "a.b", true), ("a.b", "a*", true), ("a.b", "*b", true), ("a.b", "?.?", true), ("a.b", "a", false), ("a.b", "", false),
            ("", "*", true), ("aXbXc", "a*X*c", true), ("aXbXd", "a*X*c", false), ("abab", "*ab", true), ("abac", "*ab", false),
        ] { #expect(matches(name, pattern) == expected, "\(name) \(pattern)") }
    }

    @Test func theSameBytesOnAnyNumberOfThreads() throws {
        let one = try packed(settings(.width(.int3)) { $0.threadCount = 1 }), two = try packed(settings(.width(.int3)))
        #expect(one.bytes == two.bytes)
    }

    @Test func aTextMakesTheFileBetterOnTextsOfItsKind() throws {
        func loss(_ calibrated: Bool) throws -> Double {
            let packed = try packed(settings(.width(.int2)) {
                if !calibrated { $0.calibration = nil }
                $0.verification = PackText(name: "other", bytes: Array(String(repeating: "he then ate the cat there, the hen. ", count: 40).utf8))
            })
            return try #require(packed.report.verification).meanDivergence
        }
        #expect(try loss(true) < loss(false))
    }

    @Test func trainedTernaryWeightsStayAsTheyAre() throws {
        let model = try Self.source.floatModel(), part = model.feedForwards[0].up.weight
        let scale: Float = 0.02
        let values = part.values.map { $0 > 0.02 ? scale : $0 < -0.02 ? -scale : 0 }
        let other = FloatMatrix(rows: part.rows, columns: part.columns, values: values, names: part.names)
        let trained = model.replacing([ObjectIdentifier(part): other])
        for goal in [PackSettings.Goal.width(.int4), .width(.int8)] {
            let packed = try PackedModel(trained, tokenizer: nil, settings: PackSettings(goal))
            #expect(try encoding(part.names[0].name, in: packed) == .ternary5)
            #expect(packed.report.matrices.first { $0.name == part.names[0].name }?.relativeError == 0)
        }
        let four = try PackedModel(trained, tokenizer: nil, settings: PackSettings(.width(.ternary4)))
        #expect(try encoding(part.names[0].name, in: four) == .ternary4)
    }

    // MARK: Texts

    @Test func poorTextsAreWarnedAbout() throws {
        #expect(try packed(settings(.width(.int8)) { $0.calibration!.bytes = Array("the hen".utf8) }).warnings.contains { $0.contains("positions long") })
        var numbers = SeededNumbers(seed: 4)
        let noise = (0..<6_000).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
        let warnings = try packed(settings(.width(.int8)) { $0.calibration!.bytes = noise }).warnings
        #expect(warnings.contains { $0.contains("binary") } && warnings.contains { $0.contains("bits for each byte") })
        #expect(try packed(settings(.width(.int8)) { $0.calibration!.bytes += Self.text.bytes }).warnings.allSatisfy { !$0.contains("binary") })
    }

    @Test func textsThatCannotServeAreRefused() {
        #expect(message(settings(.width(.int8)) { $0.calibration!.bytes = [] }).contains("nothing that can be scored"))
        #expect(message(settings(.width(.int8)) { $0.verification = PackText(name: "v", bytes: []) }).contains("The text v has nothing"))
        #expect(message(settings(.width(.int8)), tokenizer: false).contains("no tokenizer"))
        #expect(message(settings(.budget(byteCount: 100_000)) { $0.calibration = nil }).contains("--calibrate"))
    }
}
