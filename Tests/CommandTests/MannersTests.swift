import CPlatform
import Foundation
import PackedSupport
import RunCommands
import Testing

/// What `stlm-run` leaves to others: `--rate`, `--nice`, and the slow cores.
@Suite(.enabled(if: Program.run.exists)) struct MannersTests {
    private let model = CommandFixture.merges

    // MARK: Pace

    /// Token after token at the right time to the nanosecond, whatever the rate.
    @Test(arguments: [66, 65_536, 5 << 16, 32_768, 218_453, 10_000 << 16] as [UInt32]) func tokensComeWithoutDrift(_ rate: UInt32) {
        var pace = Pace(rate: rate, start: 1_000), now: UInt64 = 1_000, wrongCount = 0
        for k in 1...50_000 as ClosedRange<UInt64> {
            // Always somewhat late, but by less than a token.
            let due = pace.next(now: now)
            let (high, low) = k.multipliedFullWidth(by: 65_536_000_000_000)
            if due != 1_000 + UInt64(rate).dividingFullWidth((high, low)).quotient { wrongCount += 1 }
            now = due + k % 1_000
        }
        #expect(wrongCount == 0)
    }

    /// A token that takes long is not made up for by others that come together.
    @Test func delaysAreNotMadeUpForInABurst() {
        let second: UInt64 = 1_000_000_000
        var pace = Pace(rate: 1 << 16, start: 0)
        #expect(pace.next(now: 0) == second)
        #expect(pace.next(now: 2 * second + 1) == 2 * second, "a little late: at once")
        #expect(pace.next(now: 2 * second + 2) == 3 * second)
        #expect(pace.next(now: 50 * second) == 50 * second, "far too late: a new beginning")
        #expect(pace.next(now: 50 * second + 5) == 51 * second)
    }

    @Test func aRateChangesNoText() throws {
        let words = [model, "-p", "the", "-n", "12", "--seed", "3", "--ignore-eos"]
        let plain = try Program.run.call(words), paced = try Program.run.call(words + ["--rate", "10000"])
        #expect(plain.status == 0 && paced.status == 0 && paced.output == plain.output, "\(paced.errors)")
    }

    /// Between two tokens that come in minutes an interrupt ends the run, and all its threads are as nice as was asked for.
    @Test(arguments: ["1", "2"]) func anInterruptEndsARestAtOnce(_ threads: String) throws {
        let folder = try TemporaryFolder()
        let line = """
            mkfifo pipe; "$run" '\(model)' --ids 1 -n 2 --seed 1 --ignore-eos --rate 0.005 --nice 7 --threads \(threads) > pipe & id=$!
            exec 3< pipe; head -c 1 <&3 > some; cut -d ' ' -f 19 /proc/$id/task/*/stat; kill -INT $id; cat <&3 > rest; wait $id; echo "status $?"
            """
        let outcome = try Program.shell("set -m; " + line, folder: folder.url.path)
        var lines = outcome.text.split(separator: "\n").map(String.init)
        // A second token, which would come in the end, is not there.
        let text = try String(decoding: #require(folder.bytes("some")) + #require(folder.bytes("rest")), as: UTF8.self)
        #expect(Int(text.dropLast()) != nil && text.last == "\n", "\(text)")
        #expect(lines.popLast() == "status 130" && !outcome.errors.contains("stlm-run: "), "\(outcome.text)\(outcome.errors)")
        let own = Int(stlm_niceness())
        #expect(lines == Array(repeating: "\(min(19, own + 7))", count: Int(threads)!), "\(outcome.text)")
    }

    @Test func nicenessIsInTheStatistics() throws {
        let outcome = try Program.run(model, "-p", "the", "-n", "2", "--stats", "--nice", "19")
        #expect(outcome.status == 0 && outcome.errors.contains(", nice 19\n"), "\(outcome.errors)")
    }

    @Test(arguments: [
        ["--rate", "0"], ["--rate", "fast"], ["--rate", "-1"], ["--rate", "0.0001"], ["--rate", "10001"], ["--rate"], ["--nice", "20"], ["--nice", "-1"],
        ["--nice", "very"],
    ]) func whatIsNoRateOrNicenessIsRefused(_ words: [String]) throws {
        expectRefusal(try Program.run.call([model, "-p", "the"] + words), status: 2, containing: words[0])
        expectRefusal(try Program.run.call(["score", model, "--file", "-", "--rate", "5"]), status: 2, containing: "--rate has no meaning")
    }

    // MARK: Cores

    /// How many cores are fast, where a system of these has these files.
    private func fastCoreCount(_ count: Int, mine: [Int]? = nil, _ files: [String: String]) throws -> Int {
        let root = try TemporaryFolder()
        for (name, content) in files {
            let url = root.url.appendingPathComponent("sys/" + name)
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data((content + "\n").utf8).write(to: url)
        }
        var cpus = [UInt8](repeating: 0, count: 8)
        for cpu in mine ?? Array(0..<count) { cpus[cpu / 8] |= 1 << (cpu % 8) }
        return Int(stlm_fast_core_count_under(root.url.path, cpus, 64))
    }

    private func capacities(_ all: [Int]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: all.enumerated().map { ("devices/system/cpu/cpu\($0)/cpu_capacity", "\($1)") })
    }

    @Test func threadsAreThoseOfTheFastCluster() throws {
        // RK3399: two large cores behind four small ones.
        let rk3399 = capacities([485, 485, 485, 485, 1024, 1024])
        #expect(try fastCoreCount(6, rk3399) == 2)
        // RK3588, whose clusters of large cores differ a little; a phone's prime core, large and small ones.
        #expect(try fastCoreCount(8, capacities([414, 414, 414, 414, 1024, 1024, 1018, 1018])) == 4)
        #expect(try fastCoreCount(8, capacities([325, 325, 325, 325, 870, 870, 870, 1024])) == 4)
        // Raspberry Pi: all alike, with files or without.
        #expect(try fastCoreCount(4, capacities([1024, 1024, 1024, 1024])) == 4)
        #expect(try fastCoreCount(4, [:]) == 4)
        // Of those that the process may use.
        #expect(try fastCoreCount(6, mine: [0, 1, 2, 3], rk3399) == 4)
        #expect(try fastCoreCount(6, mine: [3, 5], rk3399) == 1)
    }

    @Test func frequenciesSiblingsAndQuotasCount() throws {
        let frequencies = Dictionary(uniqueKeysWithValues: [1_800_000, 1_800_000, 2_400_000, 2_500_000].enumerated().map {
            ("devices/system/cpu/cpu\($0)/cpufreq/cpuinfo_max_freq", "\($1)")
        })
        #expect(try fastCoreCount(4, frequencies) == 2)
        let siblings = Dictionary(uniqueKeysWithValues: ["0,2", "1,3", "0,2", "1,3"].enumerated().map {
            ("devices/system/cpu/cpu\($0)/topology/thread_siblings_list", $1)
        })
        #expect(try fastCoreCount(4, siblings) == 2)
        #expect(try fastCoreCount(4, mine: [2, 3], siblings) == 2)
        #expect(try fastCoreCount(4, ["fs/cgroup/cpu.max": "150000 100000"]) == 2)
        #expect(try fastCoreCount(4, ["fs/cgroup/cpu.max": "max 100000"]) == 4)
    }
}
