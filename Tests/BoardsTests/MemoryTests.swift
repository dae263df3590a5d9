import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What stlm-budget says before a run, against what the system says after it: the static build, on this machine.
@Suite(.serialized, .enabled(if: Board.x86.isAvailable)) struct MemoryTests {
    /// The example model of tokens as stlm-pack makes it.
    private static let example: [UInt8] = {
        func data(_ name: String) -> Data { try! Data(contentsOf: URL(fileURLWithPath: Package.path("Examples/models/tinystories-2m/\(name)"))) }
        return try! PackedModel(checkpoint: data("model.ckpt"), tokenizer: data("bpe_tinystories_2048.model"), width: .int8).bytes
    }()

    private let place: TemporaryFolder
    private let model: String

    init() throws {
        place = try TemporaryFolder()
        model = try place.file("example.stlm", Self.example)
    }

    /// "resident  3,796,992 bytes, at most 3,797,000"
    private func mostResident(_ words: [String]) throws -> Int {
        let outcome = try Board.x86.run(words + ["--stats"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let match = try #require(outcome.errors.firstMatch(of: /bytes, at most ([0-9,]+)/))
        return try #require(Int(match.1.replacing(",", with: "")))
    }

    /// A prompt that fills whole batches, and text until the context is full, and beyond: all that the arena has is used.
    @Test(arguments: [("256", "int16", "1"), ("256", "int16", "2"), ("512", "int8", "2"), ("100", "int4", "1"), ("512", "int16", "1")])
    func aFullContextTakesWhatWasSaid(_ context: String, _ type: String, _ threads: String) throws {
        let flags = ["--context", context, "--kv", type, "--threads", threads]
        let said = try Board.x86.run([model, "--json"] + flags, program: "stlm-budget")
        #expect(said.status == 0, "\(said.errors)")
        let json = try #require(JSONSerialization.jsonObject(with: Data(said.output)) as? [String: Any])
        let predicted = try #require(json["resident_at_most"] as? Int)
        let prompt = Array(repeating: "the hen saw a red ball and ran to the big tree", count: 6).joined(separator: ". ")
        let most = try mostResident([model, "-p", prompt, "--ignore-eos", "--slide", "-n", "700", "--seed", "1"] + flags)
        print("resident at most: predicted \(predicted), measured \(most) at \(flags.joined(separator: " "))")
        #expect(most <= predicted)
        #expect(predicted <= most + most / 20 + 256 << 10)
    }

    /// A grammar takes what the budget says, to the byte; with it a run is within the budget, and the least limit is the budget's.
    @Test(arguments: [[], ["--kv", "int8", "--context", "64"]]) func aGrammarTakesWhatWasSaid(_ more: [String]) throws {
        let grammar = try place.file("g", Array("root ::= [a-z ,.\"]{600,900}".utf8)), flags = ["--threads", "1"] + more
        func budget(_ words: [String]) throws -> [String: Any] {
            let said = try Board.x86.run([model, "--json"] + flags + words, program: "stlm-budget")
            #expect(said.status == 0, "\(said.errors)")
            return try #require(JSONSerialization.jsonObject(with: Data(said.output)) as? [String: Any])
        }
        let constrained = ["--grammar", grammar], plain = try budget([]), said = try budget(constrained)
        let own = try #require(said["grammar"] as? Int), most = try #require(said["resident_at_most"] as? Int)
        let words = [model, "-p", "the hen saw a red ball", "--slide", "-n", "400", "--seed", "1"] + flags + constrained
        let run = try Board.x86.run(words + ["--stats"]), number = own.formatted(.number.locale(Locale(identifier: "en_US")))
        #expect(own > 300_000 && plain["grammar"] as? Int == 0 && run.errors.contains("\ngrammar        \(number) bytes\n"), "\(run.errors)")
        let used = try #require(run.errors.firstMatch(of: /bytes, at most ([0-9,]+)/).flatMap { Int($0.1.replacing(",", with: "")) })
        print("resident at most with a grammar: predicted \(most), measured \(used)")
        #expect(used <= most && most - (plain["resident_at_most"] as! Int) == (own + 4095) / 4096 * 4096)
        let refusal = try Board.x86.run(words + ["--memory-limit", "1MB"])
        #expect(refusal.errors.contains(" \(said["cannot_run_under"] as! Int) bytes are needed at least"), "\(refusal.errors)")
    }

    /// Toy models, of which the program is most: with each kernel that may be forced a run is within its budget.
    @Test(arguments: ["", "baseline", "avx2", "avxvnni", "avx512"], ["tokens", "int8", "pieces", "corrected"])
    func aSmallModelIsWithinItsBudgetWithAnyKernels(_ kernels: String, _ name: String) throws {
        let small = Package.path("Formats/vectors/\(name).stlm"), flags = ["--threads", "1"]
        let said = try Board.x86.run([small, "--json"] + flags, program: "stlm-budget")
        let json = try #require(JSONSerialization.jsonObject(with: Data(said.output)) as? [String: Any])
        let words = [small, "--ids", "1 2 3 4 5 6", "-n", "300", "--slide", "--ignore-eos", "--temp", "1", "--top-k", "0", "--top-p", "0.9", "--stats"]
        let run = try Board.x86.run(words + flags, environment: kernels.isEmpty ? [:] : ["STLM_CPU": kernels])
        if run.errors.contains("does not have") { return }
        let used = try #require(run.errors.firstMatch(of: /bytes, at most ([0-9,]+)/).flatMap { Int($0.1.replacing(",", with: "")) })
        let most = try #require(json["resident_at_most"] as? Int)
        #expect(used <= most, "\(kernels), \(name): \(used) of \(most)")
        print("resident at most, \(name), \(kernels): predicted \(most), measured \(used)")
    }

    /// Models of 260,000 and 15 million weights in the context that they were made for, keys and values of 16 bits: what is resident beside file
    /// and arena is what the program runs for each token, and its stacks.
    @Test(arguments: [(64, 172, 5, 8, 4, 512, 512), (288, 768, 6, 6, 6, 32_000, 256)], ["1", "2"])
    func littleIsResidentBesideFileAndArena(_ sizes: (Int, Int, Int, Int, Int, Int, Int), _ threads: String) throws {
        let (hidden, feedForward, layers, heads, keyValueHeads, vocabulary, context) = sizes
        let shape = SyntheticLlama2 {
            ($0.hiddenSize, $0.feedForwardSize, $0.layerCount, $0.headCount, $0.kvHeadCount) = (hidden, feedForward, layers, heads, keyValueHeads)
            ($0.vocabularySize, $0.contextSize) = (vocabulary, context)
        }
        let path = try place.file("shape.stlm", shape.packed(.int8).bytes)
        // A program that was written just now may lie in memory in pieces so large that all of it is mapped at once; it is to be read anew.
        let program = open(Board.x86.folder + "/stlm-run", O_RDONLY)
        #expect(program >= 0 && fsync(program) == 0 && posix_fadvise(program, 0, 0, POSIX_FADV_DONTNEED) == 0)
        close(program)
        let prompt = (0..<130).map { "\($0 * 37 % 300 + 3)" }.joined(separator: " ")
        let words = [path, "--ids", prompt, "--ignore-eos", "-n", "600", "--seed", "1", "--threads", threads]
        let outcome = try Board.x86.run(words + ["--stats"])
        func number(_ key: String) throws -> Int {
            let line = try #require(outcome.errors.split(separator: "\n").first { $0.hasPrefix(key) })
            return try #require(Int(line.split(separator: " ")[1].replacing(",", with: "")))
        }
        let file = try number("mapped"), arena = try number("arena"), most = try mostResident(words)
        print("resident at most \(most), file \(file), arena \(arena): \(most - file - arena) more")
        #expect(most <= (hidden == 64 ? 1_200_000 : file + arena + 300_000))
    }

    /// What a budget counts for the program is what its file maps, and not much more; of the two boards of 32-bit ARM that of the larger.
    @Test(arguments: [("x86_64", 456), ("aarch64", 432), ("armv7", 372), ("armv6", 372), ("riscv64", 304)])
    func theProgramIsNoLargerThanABudgetSays(_ name: String, kilobytes: Int) throws {
        guard let board = Board.every.first(where: { $0.name == name }), board.isAvailable else { return }
        let image = try [UInt8](Data(contentsOf: URL(fileURLWithPath: board.folder + "/stlm-run")))
        func number<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> Int {
            Int(image.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) })
        }
        // ELF of 64 bits, or of 32: e_phoff, e_phentsize, e_phnum; of each program header p_type (1 is loaded), p_vaddr, p_memsz.
        let isWide = image[4] == 2
        let start = isWide ? number(32, UInt64.self) : number(28, UInt32.self)
        let (size, count) = (number(isWide ? 54 : 42, UInt16.self), number(isWide ? 56 : 44, UInt16.self))
        var pages = Set<Int>()
        for index in 0..<count where number(start + index * size, UInt32.self) == 1 {
            let header = start + index * size
            let address = isWide ? number(header + 16, UInt64.self) : number(header + 8, UInt32.self)
            let length = isWide ? number(header + 40, UInt64.self) : number(header + 20, UInt32.self)
            pages.formUnion(address / 4096...(address + length - 1) / 4096)
        }
        var mapped = pages.count
        if name == "x86_64" {
            // Kernels that are not taken leave: of the sets the one that leaves most behind counts. Sections: sh_name, sh_addr and sh_size.
            let sections = number(40, UInt64.self), names = number(sections + number(62, UInt16.self) * 64 + 24, UInt64.self)
            var wholePages: [String: Int] = [:]
            for section in 0..<number(60, UInt16.self) {
                let header = sections + section * 64
                let text = String(decoding: image[(names + number(header, UInt32.self))...].prefix { $0 != 0 }, as: UTF8.self)
                let start = number(header + 16, UInt64.self), end = start + number(header + 32, UInt64.self)
                wholePages[text] = max(0, end / 4096 - (start + 4095) / 4096)
            }
            let sets = [["avx2", "avx2"], ["avxvnni", "avx2"], ["avx512", "avx512"]].map { Set(["kernels_" + $0[0], "elementwise_" + $0[1]]) }
            let all = sets.reduce(Set()) { $0.union($1) }
            #expect(all.allSatisfy { wholePages[$0] ?? 0 > 0 })
            mapped -= sets.map { all.subtracting($0).reduce(0) { $0 + wholePages[$1]! } }.min()!
        }
        #expect(mapped * 4 <= kilobytes, "\(name) maps \(mapped * 4) KB")
        if name != "armv7" { #expect(kilobytes <= mapped * 4 + 48, "\(name) maps \(mapped * 4) KB") }
        #if arch(x86_64)
        if name == "x86_64" { #expect(ProgramFootprint.staticRun.imageByteCount == kilobytes << 10) }
        #elseif arch(arm64)
        if name == "aarch64" { #expect(ProgramFootprint.staticRun.imageByteCount == kilobytes << 10) }
        #elseif arch(arm)
        if name == "armv6" { #expect(ProgramFootprint.staticRun.imageByteCount == kilobytes << 10) }
        #elseif arch(riscv64)
        if name == "riscv64" { #expect(ProgramFootprint.staticRun.imageByteCount == kilobytes << 10) }
        #endif
    }

    @Test func theStaticProgramSaysTheSame() throws {
        for words in [[model, "--threads", "1"], [model, "--threads", "2", "--json", "--limit", "4MB"], [model, "--limit", "x"], ["--help"],
            [model + ".not"]] {
            let ordinary = try Program.budget.call(words), embedded = try Board.x86.run(words, program: "stlm-budget")
            #expect(ordinary.status == embedded.status && ordinary.output == embedded.output && ordinary.errors == embedded.errors, "\(words)")
        }
        let words = [model, "--threads", "1", "--limit", "4MB", "--report"]
        let ordinary = try Program.budget.call(words + [place.path("a.html")])
        let embedded = try Board.x86.run(words + [place.path("b.html")], program: "stlm-budget")
        #expect(ordinary.status == 1 && embedded.status == 1)
        #expect(place.bytes("a.html") == place.bytes("b.html") && place.bytes("a.html") != nil)
    }
}
