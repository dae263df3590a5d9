import Foundation
import Testing

/// The house rules that a machine can check, over the tree as it stands.
struct TidyTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let boardModules = [
        "FixedPoint", "ModelFile", "Kernels", "Tokenizers", "Grammar", "STLM", "STLMC", "Console", "RunCommands", "BudgetCommand", "stlm-run", "stlm-budget",
    ]

    /// Every text file under some folders, as (path from the root, content).
    static func files(_ folders: [String], _ endings: [String]) -> [(path: String, text: String)] {
        folders.flatMap { folder -> [(String, String)] in
            let names = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)?.compactMap { $0 as? String } ?? []
            return names.sorted().filter { name in endings.contains(where: name.hasSuffix) && !name.contains("__pycache__") }.compactMap { name in
                let path = "\(folder)/\(name)"
                guard let text = try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8) else { return nil }
                return (path, text)
            }
        }
    }

    /// Lines that hold code, without comments.
    static func code(_ text: String) -> [Substring] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.range(of: "//").map { line[..<$0.lowerBound] } ?? line
        }
    }

    @Test func packageNamesNoDependency() throws {
        let text = try String(contentsOf: Self.root.appendingPathComponent("Package.swift"), encoding: .utf8)
        #expect(!text.contains(".package("))
        #expect(!text.contains("unsafeFlags"))
    }

    @Test(arguments: boardModules)
    func boardSideImportsNoFoundationAndHasNoFloatingPoint(_ module: String) {
        let files = Self.files(["Sources/\(module)"], [".swift"])
        #expect(!files.isEmpty)
        for (path, text) in files {
            for (number, line) in Self.code(text).enumerated() {
                #expect(line.firstMatch(of: /^\s*(@\w+ )?import (Foundation|FoundationEssentials|Dispatch|Synchronization)/) == nil, "\(path):\(number + 1)")
                #expect(line.firstMatch(of: /\b(Float|Double|Float16|CGFloat)\b/) == nil, "\(path):\(number + 1)")
            }
        }
    }

    @Test func boardSideNeverImportsTheHostSide() {
        for (path, text) in Self.files(Self.boardModules.map { "Sources/\($0)" }, [".swift"]) {
            for host in ["Checkpoints", "FloatModel", "Packing", "PackCommand"] {
                #expect(!text.contains("import \(host)\n"), "\(path)")
            }
        }
    }

    @Test func filesAreShort() {
        for (path, text) in Self.files(["Sources", "Tests"], [".swift", ".c", ".h"]) where !path.hasSuffix("Table.swift") {
            #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 400, "\(path)")
        }
    }

    @Test func linesFitAScreen() {
        for (path, text) in Self.files(["Sources", "Tests"], [".swift", ".c", ".h"]) {
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                #expect(line.count <= 160, "\(path):\(number + 1)")
                #expect(line.last != " " && !line.contains("\t"), "\(path):\(number + 1)")
            }
        }
    }

    @Test func nothingIsLeftToDo() {
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
        for (path, text) in Self.files(["Sources", "Tests", "Formats", "Tools", "Examples"], [".swift", ".c", ".h", ".md", ".py"]) {
            for mark in marks + ["PLACE" + "HOLDER"] where text.contains(mark) { Issue.record("\(path) has \(mark)") }
        }
    }

    @Test func noPathOfAMachine() {
        for (path, text) in Self.files(["Sources", "Tests", "Formats", "Tools", "Examples"], [".swift", ".c", ".h", ".md", ".py", ".yaml"]) {
            let found = text.firstMatch(of: /(^|[^A-Za-z0-9_.$])\/(work|home|root|Users)\//) != nil
            #expect(!found, "\(path)")
        }
    }
}
