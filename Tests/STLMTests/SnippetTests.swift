import Foundation
import PackedSupport
import STLM
import TestSupport
import Testing

/// What the snippets print: of a model with random weights nothing to read.
private func print(_ text: String, terminator: String = "\n") {}

/// The snippets of the documentation, run; and each line of Swift in a comment or README is one of these.
@Suite struct SnippetTests {
    private let path = SmallModels.roomy

    @Test func aTextInThreeLines() throws {
        let model = try MappedModel(path)
        var generator = try Generator(model)
        try generator.write(after: "Once upon a time") { print($0, terminator: "") }
        #expect(generator.drawnCount > 0)
    }

    @Test func settingsAndSteps() throws {
        let model = try MappedModel(path)
        var generator = try Generator(model, GeneratorOptions(contextTokenCount: 128, slides: true))
        generator.setSeed(7)
        generator.tokenLimit = 50
        try generator.addStop("The end")
        let story = try generator.text(after: "Once upon a time")
        #expect(!story.isEmpty && generator.drawnCount > 0)

        try generator.begin(prompt: " And then")
        while true {
            let step = try generator.step()
            print(generator.text, terminator: "")
            if case .ended = step { break }
        }
        #expect(generator.isAtRest && generator.ending != nil)
    }

    @Test func costs() throws {
        let model = try MappedModel(path)
        var generator = try Generator(model)
        let cost = try generator.cost(of: "Once upon a time")
        print("\(cost.bits >> 24) bits for \(cost.count) tokens")
        #expect(cost.bits > 0 && cost.count > 0)
    }

    @Test func tasks() async throws {
        let model = try MappedModel(path)
        let writer = AsyncGenerator(try Generator(model))
        await writer.use { $0.tokenLimit = 100 }
        for try await piece in writer.text(after: "Once upon a time") { print(piece, terminator: "") }
        let isAtRest = await writer.use { $0.isAtRest }
        #expect(isAtRest)
    }

    /// Lines of Swift between ```swift and ``` in doc comments of STLM.
    @Test func everySnippetIsOneOfThese() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        func lines(_ path: String) throws -> [String] {
            try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        }
        let own = Set(try lines("Tests/STLMTests/SnippetTests.swift").map { $0.trimmingCharacters(in: .whitespaces) })
        var count = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("Sources/STLM").path) where name.hasSuffix(".swift") {
            var isSnippet = false
            for line in try lines("Sources/STLM/" + name) {
                let text = line.trimmingCharacters(in: .whitespaces)
                guard text.hasPrefix("///") else { continue }
                let words = text.dropFirst(3).trimmingCharacters(in: .whitespaces)
                if words.hasPrefix("```") {
                    isSnippet = words == "```swift"
                } else if isSnippet {
                    #expect(own.contains(words), "\(name): \(words)")
                    count += 1
                }
            }
        }
        #expect(count > 15)
        // README.md shows the ten lines whole.
        let ten = try lines("Examples/ten-lines-swift/Sources/ten-lines/main.swift").joined(separator: "\n")
        #expect(try lines("README.md").joined(separator: "\n").contains("```swift\n" + ten + "```"))
    }
}
