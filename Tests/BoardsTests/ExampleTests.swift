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
        let program = try built(sources, "service"), folder = Package.path("Examples/service-c")
        let outcome = try Program.call(
            Package.find("python3")!, ["-B", "\(folder)/test_service.py", program, Self.model, Program.run.path, Program.budget.path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("OK") && !outcome.errors.contains("skipped"))
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
