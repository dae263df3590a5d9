import Foundation
import PackedSupport
import TestSupport
import Testing

/// libstlm.a with clang alone: what a program in C gets.
@Suite(.serialized, .enabled(if: CProgram.clang != nil && Board.x86.isAvailable)) struct CProgramTests {
    private let place = try! TemporaryFolder()

    private static let model = Package.path("Formats/vectors/pieces.stlm")

    /// Every wrong use is an error and never a crash: under AddressSanitizer.
    @Test(.enabled(if: CProgram.links(["-fsanitize=address"]))) func misuseIsSafeUnderAddressSanitizer() throws {
        let program = place.path("misuse")
        try CProgram.compile([Package.path("Tests/CProgram/misuse.c"), Board.x86.folder + "/libstlm.a", "-fsanitize=address"], program)
        let outcome = try Program.call(program, [Self.model])
        #expect(outcome.status == 0 && outcome.text == "as it should be\n", "\(outcome.text)\(outcome.errors)")
    }

    /// The same under ThreadSanitizer, with the parts in C that threads share built for it: nothing is touched by two threads at once.
    @Test(.enabled(if: CProgram.links(CProgram.threadSanitizer))) func misuseIsSafeUnderThreadSanitizer() throws {
        let program = place.path("misuse"), folder = Board.x86.folder
        let platform = try FileManager.default.contentsOfDirectory(atPath: Package.path("Sources/CPlatform"))
            .filter { $0.hasSuffix(".c") }.map { Package.path("Sources/CPlatform/" + $0) }
        let objects = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("CKernels-") && $0.hasSuffix(".o") }
            + ["FixedPoint.o", "ModelFile.o", "Kernels.o", "Tokenizers.o", "Grammar.o", "STLM.o", "c/STLMC.o"]
        let sources = [Package.path("Tests/CProgram/misuse.c"), Package.path("Sources/CSTLM/object.c")] + platform
        try CProgram.compile(
            sources + objects.map { "\(folder)/\($0)" } + ["-I", Package.path("Sources/CPlatform/include")] + CProgram.threadSanitizer, program)
        let outcome = try Program.call(program, [Self.model])
        #expect(outcome.status == 0 && outcome.text == "as it should be\n", "\(outcome.text)\(outcome.errors)")
    }

    /// The archive shows the names of stlm.h and no other, and asks for nothing but the C library.
    @Test(arguments: Board.all.filter(\.isAvailable)) func onlyTheNamesOfTheHeaderAreSeen(_ board: Board) throws {
        let names = try Program.call(CProgram.tool("llvm-nm"), ["-g", "\(board.folder)/libstlm.a"]).text.split(separator: "\n")
        let defined = names.filter { $0.contains(" T ") || $0.contains(" D ") || $0.contains(" W ") }.map { String($0.split(separator: " ").last!) }
        let header = try String(contentsOfFile: Package.path("Sources/CSTLM/include/stlm.h"), encoding: .utf8)
        #expect(defined.count > 30 && Set(defined).count == defined.count)
        for name in defined { #expect(header.contains("\(name)("), "\(name)") }
        for name in header.matches(of: /\n[a-z][a-z_0-9 ]*[ *](stlm_[a-z_0-9]+)\(/).map({ String($0.output.1) }) {
            #expect(defined.contains(name), "\(name)")
        }
        let undefined = names.filter { $0.contains(" U ") }.map { String($0.split(separator: " ").last!) }
        #expect(undefined.allSatisfy { !$0.hasPrefix("swift_") && !["malloc", "free", "posix_memalign", "printf", "exit", "signal"].contains($0) })
        #expect(undefined.contains("mmap"))
    }

    /// The header is one of C11 and of C++, without a warning.
    @Test func theHeaderCompilesInCAndInCPlusPlus() throws {
        for (language, standard) in [("c", "c99"), ("c", "c17"), ("c++", "c++17")] {
            let outcome = try Program.call(CProgram.clang!, [
                "-x", language, "-std=\(standard)", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                Package.path("Sources/CSTLM/include/stlm.h"),
            ])
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    /// What the library adds to a program that uses it as the ten lines do.
    @Test func theLibraryAddsLittle() throws {
        let empty = try place.file("empty.c", Array("int main(void) { return 0; }\n".utf8))
        try CProgram.compile([empty, "-s"], place.path("empty"))
        try CProgram.compile(
            [Package.path("Examples/ten-lines-c/main.c"), Board.x86.folder + "/libstlm.a", "-s", "-Wl,--gc-sections"], place.path("ten"))
        let sizes = try ["empty", "ten"].map { try Data(contentsOf: URL(fileURLWithPath: place.path($0))).count }
        print("libstlm.a adds \(sizes[1] - sizes[0]) bytes to an empty program of \(sizes[0])")
        #expect(sizes[1] - sizes[0] < 440 << 10)
    }
}

/// Programs in C, by the clang of the Swift toolchain.
enum CProgram {
    static let folder: String? = Package.find("swiftc").map {
        URL(fileURLWithPath: $0).resolvingSymlinksInPath().deletingLastPathComponent().path
    }
    static let clang: String? = folder.map { $0 + "/clang" }.flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }

    static func tool(_ name: String) -> String { folder! + "/" + name }

    /// Swift's runtime of the sanitizer asks for Swift's libraries of queues and blocks.
    static let threadSanitizer: [String] = {
        let libraries = (folder ?? "") + "/../lib/swift/linux"
        return ["-fsanitize=thread", "-L", libraries, "-ldispatch", "-lBlocksRuntime", "-Wl,-rpath,\(libraries)"]
    }()

    /// True if a program can be made so here.
    static func links(_ flags: [String]) -> Bool {
        guard let place = try? TemporaryFolder(), let file = try? place.file("m.c", Array("int main(void) { return 0; }\n".utf8)) else { return false }
        return (try? compile([file] + flags, place.path("m"))) != nil && (try? Program.call(place.path("m"), []))?.status == 0
    }

    static func compile(_ words: [String], _ program: String) throws {
        let flags = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fuse-ld=lld", "-pthread"]
        let outcome = try Program.call(clang!, flags + ["-I", Package.path("Sources/CSTLM/include")] + words + ["-o", program])
        if outcome.status != 0 { throw CompileError(description: outcome.errors) }
    }

    /// A static program for a board, with musl as Tools/boards/build finds it.
    static func link(_ source: String, for board: Board, _ program: String) throws {
        let debian: String, musl: String, flags: [String]
        switch board.name {
        case "aarch64": (debian, musl, flags) = ("arm64", "aarch64-linux-musl", [])
        case "armv7":
            (debian, musl, flags) = ("armhf", "arm-linux-musleabihf", ["-march=armv7-a", "-mthumb", "-mfloat-abi=hard", "-mfpu=vfpv3-d16"])
        case "armv6": (debian, musl, flags) = ("armel", "arm-linux-musleabi", ["-mcpu=arm1176jzf-s", "-mfloat-abi=soft"])
        default: (debian, musl, flags) = ("amd64", "x86_64-linux-musl", [])
        }
        let fetched = Package.path(".build/boards/musl-\(debian)/usr")
        let root = ["/usr", fetched].first { FileManager.default.fileExists(atPath: "\($0)/lib/\(musl)/crt1.o") }
        guard let root else { throw CompileError(description: "there is no musl for \(board)") }
        // libgcc's functions, which 32-bit ARM calls.
        let builtins = FileManager.default.enumerator(atPath: fetched + "/lib/gcc")?.compactMap { $0 as? String }.filter { $0.hasSuffix("/libgcc.a") } ?? []
        let library = "\(root)/lib/\(musl)", object = program + ".o"
        for words in [
            ["clang", "--target=\(musl)", "-nostdlibinc", "-isystem", "\(root)/include/\(musl)", "-O2"] + flags
                + ["-I", board.folder, "-c", source, "-o", object],
            ["ld.lld", "-static", "--gc-sections", "--strip-all", "-o", program, "\(library)/crt1.o", "\(library)/crti.o", object,
                "\(board.folder)/libstlm.a", "\(library)/libc.a"] + builtins.map { "\(fetched)/lib/gcc/\($0)" } + ["\(library)/crtn.o"],
        ] {
            let outcome = try Program.call(tool(words[0]), Array(words.dropFirst()))
            if outcome.status != 0 { throw CompileError(description: outcome.errors) }
        }
    }

    struct CompileError: Error, CustomStringConvertible { let description: String }
}
