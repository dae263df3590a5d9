import Foundation
import PackedSupport
import TestSupport
import Testing

/// Tools/boards/check, with a board that is this machine behind an ssh that is none.
@Suite(.serialized, .enabled(if: Board.x86.isAvailable)) struct BoardCheckTests {
    private let place: TemporaryFolder
    private let model: String

    init() throws {
        place = try TemporaryFolder()
        model = try place.file("m.stlm", SyntheticSTLM {
            ($0.vocabularySize, $0.contextSize) = (SyntheticTokenizer.mergesVocabularySize, 128)
        }.packedBytes(.int8, tokenizer: SyntheticTokenizer.merges))
        for name in ["bin", "tmp", "own"] { try FileManager.default.createDirectory(atPath: place.path(name), withIntermediateDirectories: true) }
        // Options are left out; what the board would say of itself comes from files; $EMULATOR runs its programs.
        let ssh = """
            #!/bin/sh
            while :; do case $1 in -o) shift 2 ;; -O) exit 0 ;; *) break ;; esac; done
            [ "$1" = pi@board ] || { echo "ssh: Could not resolve hostname $1" >&2; exit 255; }
            shift
            line=$(printf '%s' "$*" | sed "s|/proc/cpuinfo|'$FAKE/cpuinfo'|; s|uname -m|cat '$FAKE/machine'|; s|\\./stlm-|$EMULATOR ./stlm-|g")
            TMPDIR=$FAKE/tmp exec sh -c "$LIMIT $line"
            """
        _ = try place.file("bin/ssh", Array(ssh.utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.path("bin/ssh"))
    }

    private func check(
        _ words: String, machine: String, cpu: String = "processor : 0\nprocessor : 1\n", emulator: String = "", limit: String = ""
    ) throws -> Program.Outcome {
        _ = try place.file("machine", Array((machine + "\n").utf8))
        _ = try place.file("cpuinfo", Array(cpu.utf8))
        let path = place.path("bin") + ":" + ProcessInfo.processInfo.environment["PATH"]!
        let outcome = try Program.shell(
            "'\(Package.path("Tools/boards/check"))' \(words)", folder: place.path(""),
            environment: ["PATH": path, "FAKE": place.path(""), "EMULATOR": emulator, "LIMIT": limit, "TMPDIR": place.path("own")])
        // Nothing is left, there and here.
        for name in ["tmp", "own"] { #expect(try FileManager.default.contentsOfDirectory(atPath: place.path(name)).isEmpty) }
        return outcome
    }

    private func expectRefusal(_ outcome: Program.Outcome, _ status: Int32, _ part: String, location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == status && outcome.errors.contains(part), "\(outcome.text)\(outcome.errors)", sourceLocation: location)
        #expect(outcome.errors.hasPrefix("boards/check: ") && outcome.errors.split(separator: "\n").count == 1, sourceLocation: location)
    }

    private func expectTable(_ outcome: Program.Outcome, _ parts: [String], location: SourceLocation = #_sourceLocation) throws {
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.text)\(outcome.errors)", sourceLocation: location)
        for part in parts { #expect(outcome.text.contains(part), "\(outcome.text)", sourceLocation: location) }
        let names = outcome.text.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
        #expect(names == ["host", "CPU", "programs", "kernels", "self-check", "prompt", "decode", "resident"], sourceLocation: location)
        #expect(outcome.text.contains(/decode +[0-9.]+ tokens\/s, threads [0-9]+\n/), sourceLocation: location)
        #expect(outcome.text.contains(/predicted at most [0-9,]{7,} bytes, measured [0-9,]{7,} \([0-9]+ %\) at a context of 128\n/), sourceLocation: location)
    }

    @Test func aTableIsPrintedAndNothingIsLeft() throws {
        let outcome = try check("pi@board '\(model)'", machine: "x86_64", cpu: "processor : 0\nmodel name : A CPU: of some kind\nprocessor : 1\n")
        try expectTable(outcome, ["host           pi@board\nCPU            x86_64, A CPU", ", 2 CPUs\nprograms       x86_64\nkernels        ", "right, "])
    }

    /// The programs of another board, under its emulator.
    @Test(.enabled(if: Board.aarch64.isAvailable)) func theRightProgramsAreTaken() throws {
        let emulator = try #require(Package.find(Board.aarch64.emulator!))
        let cpu = "processor : 0\nFeatures : fp asimd\nCPU part : 0xd08\n"
        let outcome = try check("pi@board '\(model)'", machine: "aarch64", cpu: cpu, emulator: emulator)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        #expect(outcome.text.contains("aarch64, part 0xd08, 1 CPUs\nprograms       aarch64\nkernels        "), "\(outcome.text)")
        #expect(outcome.text.contains("right, "))
    }

    /// By the words of the kernel: 32 bits on a CPU of 64, without floating point, and what has no programs.
    @Test(arguments: [
        ("armv8l", "Features : half thumb vfp vfpv3 neon asimd\n", "armv7"), ("armv7l", "Features : half thumb edsp vfpv3d16\n", "armv7"),
        ("armv7l", "Features : half thumb edsp\n", "armv6"), ("armv6l", "Features : half thumb vfp\n", "armv6"), ("riscv64", "isa : rv64imafdc\n", "riscv64"),
    ]) func eachCPUHasItsBoard(_ machine: String, _ cpu: String, _ board: String) throws {
        // Another CPU's programs do not run here: the table says so, or that they are not built.
        let outcome = try check("pi@board '\(model)'", machine: machine, cpu: "processor : 0\n" + cpu, emulator: "false")
        #expect(outcome.status == 1 && (outcome.text.contains("programs       \(board)\n") || outcome.errors.contains("programs for \(board),")),
            "\(outcome.text)\(outcome.errors)")
    }

    @Test func aFailureIsInTheTableAndInTheCode() throws {
        var bytes = try #require(place.bytes("m.stlm"))
        bytes[bytes.count - 1] ^= 1
        _ = try place.file("bad.stlm", bytes)
        let outcome = try check("pi@board bad.stlm", machine: "x86_64")
        #expect(outcome.status == 1 && outcome.text.contains("self-check     FAILED: stlm-run: model.stlm: region"), "\(outcome.text)")
    }

    @Test func whatCannotBeDoneIsOneSentence() throws {
        expectRefusal(try check("", machine: ""), 2, "give a host")
        expectRefusal(try check("-oProxyCommand=true '\(model)'", machine: ""), 2, "is no host")
        expectRefusal(try check("pi@nowhere '\(model)'", machine: ""), 1, "pi@nowhere cannot be reached with ssh (ssh: Could not resolve hostname pi@nowhere)")
        expectRefusal(try check("pi@board /nowhere.stlm", machine: "x86_64"), 1, "/nowhere.stlm cannot be read")
        expectRefusal(try check("pi@board '\(model)'", machine: "mips"), 1, "pi@board is a mips, for which there are no programs")
        // No more than 64 KB in a file: no room for the program.
        expectRefusal(try check("pi@board '\(model)'", machine: "x86_64", limit: "trap '' XFSZ; ulimit -f 128;"), 1, "bytes are needed in")
    }
}
