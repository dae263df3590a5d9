import Foundation
import PackedSupport
import TestSupport
import Testing

/// The programs in Examples do what their folders say.
@Suite(.serialized, .enabled(if: CProgram.clang != nil && Board.x86.isAvailable)) struct ExampleTests {
    static let place = try! TemporaryFolder()
    /// The example model, packed as its folder says.
    static let model: String = {
        let source = Package.path("Examples/models/tinystories-2m"), path = place.path("stories.stlm")
        _ = try! Program.pack.call(["\(source)/model.ckpt", "--tokenizer", "\(source)/bpe_tinystories_2048.model", "-o", path])
        return path
    }()

    private func built(_ sources: [String], _ name: String) throws -> String {
        let program = Self.place.path(name)
        try CProgram.compile(sources.map(Package.path) + [Board.x86.folder + "/libstlm.a", "-O2", "-Wl,--gc-sections"], program)
        return program
    }

    private func expected(_ folder: String) throws -> String {
        try String(contentsOfFile: Package.path("Examples/\(folder)/expected-output.txt"), encoding: .utf8)
    }

    /// A package of its own, built as its README says but for the folder, which both share.
    private func packaged(_ folder: String, _ name: String) throws -> String {
        let build = Package.path(".build/examples")
        let words = ["build", "-c", "release", "--package-path", Package.path("Examples/\(folder)"), "--scratch-path", build]
        let outcome = try Program.call(try #require(Package.find("swift")), words)
        try #require(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
        #expect(!outcome.text.contains("warning:"), "\(outcome.text)")
        return "\(build)/release/\(name)"
    }

    private func keepsItsPromises(_ service: String, _ more: String...) throws {
        let script = Package.path("Examples/service-c/test_service.py")
        let words = ["-B", script, service, Self.model, Program.run.path, Program.budget.path] + more
        let outcome = try Program.call(Package.find("python3")!, words)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("OK") && !outcome.errors.contains("skipped"))
    }

    @Test func tenLinesOfC() throws {
        let program = try built(["Examples/ten-lines-c/main.c"], "ten-lines")
        let outcome = try Program.call(program, [Self.model, "Once upon a time"])
        let expected = try expected("ten-lines-c")
        #expect(outcome.status == 0 && outcome.text == expected, "\(outcome.text)\(outcome.errors)")
        let run = try Program.run.call([Self.model, "-p", "Once upon a time", "--seed", "0", "--no-echo"])
        #expect(outcome.text == run.text)
        #expect(try Program.call(program, []).status == 2)
        let refused = try Program.call(program, ["/nowhere.stlm", "Once"])
        #expect(refused.status == 1 && refused.errors.contains("/nowhere.stlm cannot be opened"))
    }

    @Test func aClassifierInC() throws {
        let program = try built(["Examples/classifier-c/main.c"], "classifier")
        let words = [Self.model, "Tom's dog ran away and did not come back. Tom was very", " happy", " sad", " hungry"]
        let outcome = try Program.call(program, words), expected = try expected("classifier-c")
        #expect(outcome.status == 0 && outcome.text == expected, "\(outcome.text)\(outcome.errors)")
        // The order of the labels makes no difference, and the shares make up the whole, but for rounding.
        let turned = try Program.call(program, [words[0], words[1]] + words[2...].reversed())
        #expect(turned.text.split(separator: "\n").sorted() == outcome.text.split(separator: "\n").sorted())
        let shares = outcome.text.split(separator: "\n").compactMap { Int($0.drop { $0 == " " }.prefix { $0.isNumber }) }
        #expect(shares.count == 3 && (998...1_002).contains(shares.reduce(0, +)))
        #expect(try Program.call(program, [Self.model, "Tom"]).status == 2)
        let refused = try Program.call(program, ["/nowhere.stlm", "Tom", "a", "b"])
        #expect(refused.status == 1 && refused.errors.contains("/nowhere.stlm cannot be opened"))
    }

    @Test func commandsOfAGrammarInC() throws {
        let program = try built(["Examples/command-json-c/main.c"], "command-json"), folder = Package.path("Examples/command-json-c")
        let lines = [
            ["rules", "\(folder)/command.gbnf", "It was dark and Lily was scared. Mom said, "],
            ["choices", "\(folder)/choices.txt", "Tom was hot. He wanted the "],
        ]
        let texts = try lines.map { try Program.call(program, [Self.model] + $0).text }, expected = try expected("command-json-c")
        #expect(texts.joined() == expected, "\(texts)")
        let command = try JSONSerialization.jsonObject(with: Data(texts[0].utf8)) as? [String: Any]
        #expect(command?["device"] is String && command?.count == 2)
        let choices = try String(contentsOfFile: "\(folder)/choices.txt", encoding: .utf8)
        #expect(choices.split(separator: "\n").contains(texts[1].dropLast()))
        let run = try Program.run.call([Self.model, "-p", lines[0][2], "--grammar", lines[0][1], "--seed", "0", "--no-echo"])
        #expect(run.text == texts[0])
        #expect(try Program.call(program, [Self.model, "rules"]).status == 2)
        let refused = try Program.call(program, [Self.model, "rules", "\(folder)/choices.txt", "Tom"])
        #expect(refused.status == 1 && refused.errors.contains("line 1, column 6: ::= is expected"))
    }

    /// The same static program for a board of another CPU.
    @Test(.enabled(if: Board.aarch64.isAvailable && Package.find("qemu-aarch64-static") != nil)) func tenLinesOfCOnABoard() throws {
        let program = Self.place.path("ten-lines-aarch64")
        try CProgram.link(Package.path("Examples/ten-lines-c/main.c"), for: Board.aarch64, program)
        let outcome = try Program.call(Package.find("qemu-aarch64-static")!, [program, Self.model, "Once upon a time"])
        let expected = try expected("ten-lines-c")
        #expect(outcome.text == expected, "\(outcome.errors)")
    }

    /// Examples/service-c/test_service.py: several clients at once, garbage, clients that leave or do not read, signals, a supervisor.
    @Test(.enabled(if: Package.find("python3") != nil)) func theServiceKeepsItsPromises() throws {
        let sources = ["service.c", "request.c", "supervisor.c"].map { "Examples/service-c/" + $0 }
        try keepsItsPromises(built(sources, "service"))
    }

    /// The programs in Swift, after each other: the second finds what the first built.
    @Test func tenLinesOfSwift() throws {
        let program = try packaged("ten-lines-swift", "ten-lines")
        let outcome = try Program.call(program, [Self.model, "Once upon a time"])
        let expected = try expected("ten-lines-swift")
        #expect(outcome.status == 0 && outcome.text == expected, "\(outcome.text)\(outcome.errors)")
        #expect(try expected == self.expected("ten-lines-c"))
        #expect(try Program.call(program, []).status == 2)
        let refused = try Program.call(program, ["/nowhere.stlm", "Once"])
        #expect(refused.status == 1 && refused.errors.contains("/nowhere.stlm: the model file cannot be opened (No such file"))
    }

    /// The same tests as of the service in C; 12 MiB are for Swift's libraries.
    @Test(.enabled(if: Package.find("python3") != nil)) func theServiceInSwiftKeepsItsPromises() throws {
        try keepsItsPromises(packaged("service-swift", "stlm-service"), Package.path("Examples/service-swift/stlm.service"), "\(12 << 20)")
        // A use that is wrong is a sentence and a status.
        let program = Package.path(".build/examples/release/stlm-service")
        for words in [[], [Self.model], [Self.model, "s", "0"], [Self.model, "s", "65"], [Self.model, "s", "1", "x"]] {
            let refused = try Program.call(program, words)
            #expect(refused.status == 2 && refused.errors.hasPrefix("usage: "))
        }
        for (words, part) in [
            (["/nowhere.stlm", Self.place.path("s")], "No such file"), ([Self.model, Self.place.path("s"), "1", "100000"], "context of 100000"),
            ([Self.model, "/nowhere/at/all"], "/nowhere/at/all: No such file"), ([Self.model, String(repeating: "x", count: 200)], "too long"),
        ] {
            let refused = try Program.call(program, words)
            #expect(refused.status == 1 && refused.errors.contains(part) && refused.errors.split(separator: "\n").count == 1, "\(refused.errors)")
        }
    }

    /// Examples/model-update/test_update.py: the power is cut everywhere.
    @Test(.enabled(if: Package.find("python3") != nil)) func aModelUpdateSurvivesAPowerCut() throws {
        let program = try built(["update.c", "store.c", "check.c"].map { "Examples/model-update/" + $0 }, "update")
        let library = Self.place.path("power_cut.so")
        try CProgram.compile(["-shared", "-fPIC", Package.path("Tests/CProgram/power_cut.c")], library)
        let source = Package.path("Examples/models"), bytes = Self.place.path("bytes.stlm"), small = Self.place.path("small.stlm")
        for words in [
            ["\(source)/tinystories-bytes-3m/model.ckpt", "-o", bytes],
            ["\(source)/tinystories-2m/model.ckpt", "--tokenizer", "\(source)/tinystories-2m/bpe_tinystories_2048.model", "--weights", "int4", "-o", small],
        ] { #expect(try Program.pack.call(words).status == 0) }
        let outcome = try Program.call(
            Package.find("python3")!,
            ["-B", Package.path("Examples/model-update/test_update.py"), program, library, Program.run.path, bytes, small, Self.model])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let tried = try #require(outcome.errors.firstMatch(of: /tried: (\d+) ends .* (\d+) states .* (\d+) fsyncs left out/))
        print(tried.output.0)
        #expect(try #require(Int(tried.output.2)) > 100 && tried.output.3 != "0")
    }
}
