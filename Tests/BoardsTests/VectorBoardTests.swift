import Foundation
import PackedSupport
import Testing

/// A CPU of a board.
struct BoardCPU: CustomTestStringConvertible, Sendable {
    let board: Board
    let cpu: String?

    /// One of each board that there is, and those of the Raspberry Pi 0 and 1 (arm1176), 2 (cortex-a7), 3, 4 and 5.
    static let all: [BoardCPU] = [
        (Board.x86, nil), (.aarch64, "cortex-a53"), (.aarch64, "cortex-a72"), (.aarch64, "cortex-a76"), (.aarch64, "max"),
        (.armv7, "cortex-a7"), (.armv6, "arm1176"), (.riscv64, nil),
    ].map { BoardCPU(board: $0, cpu: $1) }
    static let available = all.filter(\.board.isAvailable)

    var testDescription: String { cpu.map { "\(board), \($0)" } ?? "\(board)" }

    func run(_ words: [String], environment: [String: String] = [:]) throws -> Program.Outcome {
        try board.run(words, cpu: cpu, environment: environment)
    }
}

/// Formats/vectors on every board and CPU: the logits that the second implementation computes, of every encoding, head and type of keys and
/// values, and what is drawn from them.
@Suite(.serialized) struct VectorBoardTests {
    struct Vector: Codable, Sendable {
        let name: String
        let inputs: String
        let logits: [String: String]
        let drawn: String?

        enum CodingKeys: String, CodingKey { case name, inputs, logits = "logits_crc32", drawn }
        var path: String { Package.path("Formats/vectors/\(name).stlm") }
    }

    static let vectors = try! JSONDecoder().decode(
        [Vector].self, from: Data(contentsOf: URL(fileURLWithPath: Package.path("Formats/vectors/vectors.json"))))

    /// CRC-32 as zip has it, bit by bit.
    private func checksum(_ bytes: some Sequence<UInt8>) -> String {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        let digits = String(~crc, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    @Test(arguments: BoardCPU.available) func theLogitsAreThoseOfTheList(_ cpu: BoardCPU) throws {
        #expect(cpu.board.state == .ready && Self.vectors.count >= 9)
        let place = try TemporaryFolder()
        var count = 0
        for vector in Self.vectors {
            for (type, expected) in vector.logits.sorted(by: { $0.key < $1.key }) {
                count += 1
                // In a short run one number of threads, now one, now two.
                for threads in Board.isWhole ? ["1", "2"] : [count % 2 == 0 ? "1" : "2"] {
                    for kernels in Board.isWhole ? ["", "baseline"] : [""] {
                        let words = ["logits", vector.path, "--ids", vector.inputs, "--kv", type, "--threads", threads, "--out", place.path("x.npy")]
                        let run = try cpu.run(words, environment: kernels.isEmpty ? [:] : ["STLM_CPU": kernels])
                        #expect(run.status == 0, "\(vector.name) \(run.errors)")
                        let file = try #require(place.bytes("x.npy")), start = 10 + Int(file[8]) + 256 * Int(file[9])
                        #expect(checksum(file[start...]) == expected, "\(vector.name), \(type), \(threads) threads, \(kernels)")
                        try FileManager.default.removeItem(atPath: place.path("x.npy"))
                    }
                }
            }
        }
        #expect(count >= 25)
    }

    @Test(arguments: BoardCPU.available) func whatIsDrawnIsThatOfTheList(_ cpu: BoardCPU) throws {
        for vector in Self.vectors {
            guard let drawn = vector.drawn else { continue }
            let run = try cpu.run([vector.path, "--ids", vector.inputs, "-n", "12", "--seed", "1", "--ignore-eos", "--threads", "2"])
            #expect(run.status == 0 && run.text.split(whereSeparator: \.isWhitespace).joined(separator: " ") == drawn, "\(vector.name) \(run.errors)")
        }
    }

    /// Sampling of every kind, and text in and out, as the ordinary build has them.
    @Test(arguments: BoardCPU.available) func theTextIsThatOfTheOrdinaryBuild(_ cpu: BoardCPU) throws {
        for name in ["tokens", "decoder"] {
            let path = Package.path("Formats/vectors/\(name).stlm")
            for flags in ["--temp 1.3", "--temp 1 --top-k 5", "--top-p 0.8 --min-p 0.02 --repeat-penalty 1.3"] {
                let words = [path, "-p", "The th\u{E9}: a", "-n", "8", "--seed", "7", "--ignore-eos", "--slide", "--stats"]
                    + flags.split(separator: " ").map(String.init)
                let ordinary = try Program.run.call(words), embedded = try cpu.run(words)
                #expect(ordinary.status == 0 && embedded.status == 0 && ordinary.output == embedded.output, "\(name) \(flags) \(embedded.errors)")
            }
        }
        let words = ["score", Package.path("Formats/vectors/tokens.stlm"), "--file", Package.path("LICENSE"), "--context", "9", "--json"]
        let ordinary = try Program.run.call(words), embedded = try cpu.run(words)
        #expect(ordinary.status == 0 && embedded.status == 0 && ordinary.output == embedded.output, "\(embedded.errors)")
    }
}
