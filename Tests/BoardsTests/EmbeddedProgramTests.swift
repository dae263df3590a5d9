import Foundation
import PackedSupport
import TestSupport
import Testing

/// What a program in Embedded Swift gets of the product STLM: no allocator, no runtime, and the text of stlm-run.
@Suite(.enabled(if: CProgram.clang != nil && Board.x86.isAvailable)) struct EmbeddedProgramTests {
    private static let musl = ["/usr", Package.path(".build/boards/musl-amd64/usr")].map { $0 + "/lib/x86_64-linux-musl" }
        .first { FileManager.default.fileExists(atPath: $0 + "/crt1.o") }

    /// The parts that Tools/boards/build made for the board, and Tests/EmbeddedProgram.
    private func built(_ place: TemporaryFolder) throws -> String {
        let program = place.path("program"), object = place.path("program.o"), folder = Board.x86.folder
        let compiled = try Program.call(try #require(Package.find("swiftc")), [
            "-target", "x86_64-unknown-linux-gnu", "-swift-version", "6", "-parse-as-library", "-wmo", "-enable-experimental-feature", "Embedded",
            "-no-allocations", "-Xfrontend", "-function-sections", "-Xfrontend", "-disable-stack-protector", "-Osize",
            "-I", Package.path("Sources/CPlatform/include"), "-I", Package.path("Sources/CKernels/include"), "-I", folder,
            "-module-name", "embedded_program", "-c", Package.path("Tests/EmbeddedProgram/Main.swift"), "-o", object,
        ])
        try #require(compiled.status == 0, "\(compiled.errors)")
        let inC = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".o") && ($0.hasPrefix("CKernels-") || $0.hasPrefix("CPlatform-")) }
        let parts = ["FixedPoint.o", "ModelFile.o", "Kernels.o", "Tokenizers.o", "STLM.o"] + inC
        let musl = try #require(Self.musl)
        let linked = try Program.call(CProgram.tool("ld.lld"), [
            "-m", "elf_x86_64", "-static", "--gc-sections", "--strip-all", "-o", program, "\(musl)/crt1.o", "\(musl)/crti.o", object,
        ] + parts.map { "\(folder)/\($0)" } + ["\(musl)/libc.a", "\(musl)/crtn.o"])
        try #require(linked.status == 0, "\(linked.errors)")
        return program
    }

    @Test func aGeneratorInEmbeddedSwiftWritesAsStlmRun() throws {
        let place = try TemporaryFolder(), program = try built(place), model = ExampleTests.model
        let outcome = try Program.call(program, [model])
        let run = try Program.run.call([model, "-p", "Once upon a time", "--seed", "0", "-n", "40", "--context", "128", "--slide", "--no-echo"])
        #expect(outcome.status == 0 && outcome.output == run.output.dropLast(), "\(outcome.text)\(outcome.errors)")
        let refused = try Program.call(program, ["/nowhere.stlm"])
        #expect(refused.status == 1 && refused.errors == "the model file cannot be opened (No such file or directory); check the path")
    }
}
