import Foundation
import PackedSupport
import Testing

private let hasPackageTools = ["dpkg-deb", "help2man"].allSatisfy { (try? Program.shell("command -v \($0)", folder: "/").status) == 0 }

/// The Debian packages of a board, unpacked and used.
@Suite(.serialized, .enabled(if: Board.x86.isAvailable && hasPackageTools)) struct PackageTests {
    @Test func theirProgramsRunAndTheirPagesAreWhole() throws {
        let folder = try TemporaryFolder()
        let made = try Program.shell("'\(Package.path("Tools/package/debian"))' x86_64", folder: folder.path(""))
        try #require(made.status == 0, "\(made.errors)")
        let names = made.text.split(separator: "\n").compactMap { $0.split(separator: ":").first.map(String.init) }
        #expect(names.count == 2 && names.allSatisfy { $0.hasSuffix("_amd64.deb") })
        for name in names {
            let unpacked = try Program.shell("dpkg-deb -x '\(Package.path(name))' .", folder: folder.path(""))
            #expect(unpacked.status == 0, "\(unpacked.errors)")
        }
        let version = try Program.shell("usr/bin/stlm-run --version && usr/bin/stlm-budget --version", folder: folder.path(""))
        #expect(version.status == 0 && version.text.hasPrefix("stlm-run "))
        // Every flag of the help is in the page and in the completion.
        let page = try Program.shell("gzip -dc usr/share/man/man1/stlm-run.1.gz | tr -d '\\\\'", folder: folder.path("")).text
        let words = try Program.shell("cat usr/share/bash-completion/completions/stlm-run", folder: folder.path("")).text
        let help = try Board.x86.run(["--help"]).text
        let flags = Set(help.matches(of: /--[a-z-]+/).map { String($0.output) })
        #expect(flags.count > 20 && flags.allSatisfy { page.contains($0) && words.contains($0) })
        #expect(words.contains(" self-check ") && !words.contains("stories") && words.hasSuffix(" stlm-run\n"))
        try expectCompletions(folder, "stlm-run", flags)
        // Its help speaks of flags of stlm-run too.
        let budget = try Board.x86.run(["--help"], program: "stlm-budget").text.matches(of: /\n  (?:-[a-z], )?(--[a-z-]+)/).map { String($0.output.1) }
        #expect(budget.count > 6)
        try expectCompletions(folder, "stlm-budget", Set(budget))
        let found = try Program.shell("cat usr/lib/*/pkgconfig/stlm.pc; ls usr/lib/*/libstlm.a usr/include/stlm.h", folder: folder.path(""))
        #expect(found.status == 0 && found.text.contains("Libs: -L${libdir} -lstlm"))
    }

    /// Those for zsh and fish have each flag once, and the shells take them.
    private func expectCompletions(_ folder: TemporaryFolder, _ program: String, _ flags: Set<String>) throws {
        let zsh = "usr/share/zsh/vendor-completions/_\(program)", fish = "usr/share/fish/vendor_completions.d/\(program).fish"
        let zshText = try Program.shell("cat \(zsh)", folder: folder.path("")).text
        let fishText = try Program.shell("cat \(fish)", folder: folder.path("")).text
        #expect(zshText.hasPrefix("#compdef \(program)\n"))
        for flag in flags {
            #expect(zshText.matches(of: try Regex("'\\*\(flag)['\\[:]")).count == 1, "\(flag)")
            #expect(fishText.matches(of: try Regex(" -l \(flag.dropFirst(2))[ \n]")).count == 1, "\(flag)")
        }
        for (shell, file) in [("zsh", zsh), ("fish", fish)] where Package.find(shell) != nil {
            let read = try Program.shell("\(shell) -n \(file)", folder: folder.path(""))
            #expect(read.status == 0 && read.errors.isEmpty, "\(read.errors)")
        }
        if program == "stlm-run" {
            #expect(zshText.contains("'self-check:whether the file is whole, and this computer makes of it what the one did that packed it'"))
            #expect(fishText.contains("-a choose -d 'multiple choice by log-likelihood'"))
        }
        guard Package.find("fish") != nil else { return }
        // As at a prompt.
        let asked = try Program.shell("fish -N -c 'source \(fish); complete -C \"\(program) --ver\"'", folder: folder.path(""))
        #expect(asked.text.split(separator: "\n").contains { $0.hasPrefix("--version") }, "\(asked.text)\(asked.errors)")
    }

    /// No folder stays behind, and an emulator that is missing is named.
    @Test(.enabled(if: Board.aarch64.isAvailable)) func aMissingEmulatorIsNamedAndNothingIsLeft() throws {
        let folder = try TemporaryFolder()
        // All programs of this machine but emulators.
        let line = """
            mkdir bin tmp
            for folder in $(echo "$PATH" | tr : ' '); do for program in "$folder"/*; do
            case $program in */qemu-*) ;; *) [ -e "bin/${program##*/}" ] || ln -s "$program" bin/ ;; esac; done; done
            PATH=$PWD/bin TMPDIR=$PWD/tmp '\(Package.path("Tools/package/debian"))' aarch64; code=$?; ls tmp; exit $code
            """
        let refused = try Program.shell(line, folder: folder.path(""))
        #expect(refused.status == 1 && refused.errors.hasPrefix("package/debian: qemu-aarch64-static is missing"), "\(refused.errors)")
        #expect(refused.errors.split(separator: "\n").count == 1 && refused.text.isEmpty, "\(refused.text)")
    }

    @Test func aBoardThatIsNotThereIsRefused() throws {
        for words in ["", "pdp11"] {
            let refused = try Program.shell("'\(Package.path("Tools/package/debian"))' \(words)", folder: "/")
            #expect(refused.status == 1 && refused.errors.hasPrefix("package/debian: ") && refused.errors.split(separator: "\n").count == 1)
        }
    }
}
