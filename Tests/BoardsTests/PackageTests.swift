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
        #expect(words.contains(" self-check\"") && !words.contains("stories") && words.hasSuffix(" stlm-run\n"))
        let found = try Program.shell("cat usr/lib/*/pkgconfig/stlm.pc; ls usr/lib/*/libstlm.a usr/include/stlm.h", folder: folder.path(""))
        #expect(found.status == 0 && found.text.contains("Libs: -L${libdir} -lstlm"))
    }

    @Test func aBoardThatIsNotThereIsRefused() throws {
        for words in ["", "pdp11"] {
            let refused = try Program.shell("'\(Package.path("Tools/package/debian"))' \(words)", folder: "/")
            #expect(refused.status == 1 && refused.errors.hasPrefix("package/debian: ") && refused.errors.split(separator: "\n").count == 1)
        }
    }
}
