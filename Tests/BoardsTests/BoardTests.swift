import Foundation
import PackedSupport
import Packing
import TestSupport
import Testing

/// One source tree, built twice: the Embedded build of each board gives the bits of the ordinary build.
@Suite(.serialized)
struct BoardTests {
    /// Packed models of every kind of part, by name.
    static let models: [(name: String, bytes: [UInt8])] = {
        func pack(_ model: SyntheticSTLM, _ width: WeightWidth, tokenizer: Data? = nil) -> [UInt8] {
            try! model.packedBytes(width, tokenizer: tokenizer)
        }
        return [
            ("shared-swiglu-rope-int8", pack(SyntheticSTLM {
                $0.isFeedForwardShared = true
                $0.vocabularySize = SyntheticTokenizer.mergesVocabularySize
            }, .int8, tokenizer: SyntheticTokenizer.merges)),
            ("gelu-layer-norm-bias-int8", pack(SyntheticSTLM {
                $0.feedForwardType = "generic"
                ($0.attentionNorm, $0.feedForwardNorm, $0.headNorm) = ("layer_norm", "layer_norm", "layer_norm")
                ($0.hasAttentionBias, $0.hasFeedForwardBias, $0.hasHeadBias) = (true, true, true)
                $0.positions = "learned"
            }, .int8)),
            ("learned-activation-int16", pack(SyntheticSTLM {
                $0.feedForwardType = "generic"
                $0.activation = "learned"
                $0.positions = "sincos"
                $0.isTied = false
            }, .int16)),
            ("not-causal-int16", pack(SyntheticSTLM { $0.isCausal = false }, .int16)),
        ]
    }()

    private let place: TemporaryFolder

    init() throws { place = try TemporaryFolder() }

    @Test(arguments: Board.every)
    func builds(_ board: Board) {
        if case .failed(let reason) = board.state { Issue.record("\(board) does not build: \(reason)") }
    }

    @Test(.enabled(if: Board.all.contains(where: \.isAvailable)), arguments: Board.all.filter(\.isAvailable), models.map(\.name))
    func sameLogitsAsTheOrdinaryBuild(_ board: Board, _ name: String) throws {
        let bytes = Self.models.first { $0.name == name }!.bytes
        let model = try place.file("model.stlm", bytes)
        let ids = ["logits", model, "--ids", "1 17 5 60 33 2 90 41 8 8 70", "--out"]
        let ordinary = try Program.run.call(ids + [place.path("ordinary.npy")])
        let embedded = try board.run(ids + [place.path("embedded.npy")])
        #expect(ordinary.status == 0 && embedded.status == 0, "\(embedded.errors)")
        #expect(ordinary.output == embedded.output)
        let first = try #require(place.bytes("ordinary.npy"))
        #expect(first == place.bytes("embedded.npy"))
        #expect(first.count > 11 * 96 * 4)
    }

    @Test(arguments: Board.all.filter(\.isAvailable), ["--temp 0", "--temp 1.3 --seed 7", "--top-k 5 --seed 3",
        "--top-p 0.8 --min-p 0.02 --repeat-penalty 1.3 --seed 11", "--temp 1 --seed 4 --slide --context 12"])
    func sameTokensAsTheOrdinaryBuild(_ board: Board, _ flags: String) throws {
        let model = try place.file("model.stlm", Self.models[1].bytes)
        let words = [model, "--ids", "3 1 4 1 5", "-n", flags.contains("slide") ? "40" : "11"] + flags.split(separator: " ").map(String.init)
        let ordinary = try Program.run.call(words)
        let embedded = try board.run(words)
        #expect(ordinary.status == 0 && embedded.status == 0, "\(embedded.errors)")
        #expect(ordinary.text == embedded.text)
        #expect(ordinary.text.split(separator: " ").count >= 11)
    }

    @Test(arguments: Board.all.filter(\.isAvailable))
    func sameTextScoreAndErrorsAsTheOrdinaryBuild(_ board: Board) throws {
        let model = try place.file("model.stlm", Self.models[0].bytes)
        let text = try place.file("text.txt", Array("the theme of the thesis is that they then thaw the teeth".utf8))
        for words in [[model, "-p", "the the", "--temp", "0.9", "--seed", "5", "-n", "9"], ["score", model, "--file", text],
            ["score", model, "--file", text, "--json", "--context", "9"], ["info", model, "--json"], ["info", model, "--verify"],
            [model, "--temp", "x"], [model + ".not", "-p", "the"], ["--help"]] {
            let ordinary = try Program.run.call(words)
            let embedded = try board.run(words)
            #expect(ordinary.status == embedded.status, "\(words)")
            #expect(ordinary.output == embedded.output, "\(words)")
            #expect(ordinary.errors == embedded.errors, "\(words)")
        }
    }

    /// Every model here on a CPU with certain kernels forced, or the best it has: the bits of the ordinary build's reference.
    private func expectSameBits(threads: String, kernels: String, _ run: ([String], [String: String]) throws -> Program.Outcome) throws {
        for (name, bytes) in Self.models {
            let model = try place.file("model.stlm", bytes)
            let words = ["logits", model, "--ids", "1 17 5 60 33 2 90 41 8", "--out"]
            let plain = try Program.run.call(words + [place.path("plain.npy"), "--threads", "1"], environment: ["STLM_CPU": "baseline"])
            let forced = try run(words + [place.path("forced.npy"), "--threads", threads], kernels.isEmpty ? [:] : ["STLM_CPU": kernels])
            if forced.errors.contains("does not have") { return }
            #expect(plain.status == 0 && forced.status == 0, "\(forced.errors)")
            #expect(place.bytes("plain.npy") == place.bytes("forced.npy"), "\(name), \(kernels), \(threads) threads")
        }
    }

    @Test(.enabled(if: Board.x86.isAvailable), arguments: ["baseline", "avx2", "avxvnni", "avx512"], ["1", "2"])
    func sameBitsForEveryKernelAndThreadCount(_ kernels: String, _ threads: String) throws {
        try expectSameBits(threads: threads, kernels: kernels) { try Board.x86.run($0, environment: $1) }
    }

    /// Boards of the Raspberry Pi 3, 4 and 5, and a CPU with all that there is: each with the best it has, and the last with each.
    @Test(.enabled(if: Board.aarch64.isAvailable), arguments: [
        ("cortex-a53", ""), ("cortex-a72", ""), ("cortex-a76", ""), ("max", ""), ("max", "baseline"), ("max", "neon"), ("max", "dotprod"),
    ])
    func sameBitsOnEveryARM(_ cpu: String, _ kernels: String) throws {
        try expectSameBits(threads: "1", kernels: kernels) { try Board.aarch64.run($0, cpu: cpu, environment: $1) }
    }

    /// The best that each CPU has is what is taken.
    @Test(.enabled(if: Board.aarch64.isAvailable), arguments: [("cortex-a53", "neon"), ("cortex-a76", "dotprod"), ("max", "i8mm")])
    func detectsWhatAnARMHas(_ cpu: String, _ kernels: String) throws {
        let model = try place.file("model.stlm", Self.models[0].bytes)
        let outcome = try Board.aarch64.run(["bench", model, "-p", "2", "-n", "2", "--rounds", "1", "--json"], cpu: cpu)
        #expect(outcome.text.contains("\"kernels\": \"\(kernels)\""), "\(outcome.errors)")
    }

    @Test(arguments: Board.every.filter(\.isAvailable))
    func refersToNoAllocatorAndHasNoFloatingPoint(_ board: Board) throws {
        let outcome = try Program.call(Package.path("Tools/boards/gate"), [board.folder])
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
        #expect(outcome.text.contains("no allocator, no floating-point"))
    }

    /// The gate itself: a program that does both is caught for both.
    @Test(.enabled(if: Package.find("clang") != nil), arguments: [
        "x86_64-linux-gnu", "aarch64-linux-gnu", "armv7-linux-gnueabihf", "armv6-linux-gnueabi -mfloat-abi=soft", "riscv64-linux-gnu -march=rv64gc",
    ])
    func gateCatchesAllocationAndFloatingPoint(_ target: String) throws {
        let source = try place.file("evil.c", Array("""
            typedef __SIZE_TYPE__ size_t; void *malloc(size_t); long write(int, const void *, size_t);
            int main(int count, char **words) { char *p = malloc((size_t)(count * 1.5)); write(1, p, 1); return 0; }
            """.utf8))
        let flags = ("--target=" + target).split(separator: " ").map(String.init)
        let compiled = try Program.call(
            Package.find("clang")!, flags + ["-O1", "-ffunction-sections", "-c", source, "-o", place.path("evil.o")])
        #expect(compiled.status == 0, "\(compiled.errors)")
        let outcome = try Program.call(Package.path("Tools/boards/gate"), [place.url.path])
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("refers to an allocator"))
        #expect(outcome.errors.contains("has floating-point arithmetic"))
    }
}
