import Foundation
import PackedSupport
import Testing

/// --memory-limit: weights that do not fit pass through memory, and the text is the same.
@Suite(.enabled(if: Program.run.exists && Program.pack.exists), .serialized) struct MemoryLimitTests {
    private static let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Examples/models")

    /// An example model, packed.
    private func packed(_ name: String, _ folder: TemporaryFolder, _ flags: String...) throws -> String {
        let source = Self.models.appendingPathComponent(name), path = folder.path(name + ".stlm")
        let run = try Program.pack.call([source.appendingPathComponent("model.ckpt").path, "-o", path] + flags)
        #expect(run.status == 0, "\(run.errors)")
        return path
    }

    private func number(_ text: String, before words: String) throws -> Int {
        let end = try #require(text.range(of: words), "\(text)").lowerBound
        return try #require(Int(text[..<end].split { !$0.isNumber && $0 != "," }.last!.filter { $0 != "," }))
    }

    @Test(arguments: ["tinystories-2m", "tinystories-bytes-3m"]) func theTextIsTheSameUnderEveryLimit(_ name: String) throws {
        let folder = try TemporaryFolder(), path = try packed(name, folder), isBytes = name.contains("bytes")
        let ids = isBytes ? "79 110 99 101 256 256 256 256 256 256 256 256" : "1 2 3 4 5"
        let words = [path, "--ids", ids, "-n", "12", "--temp", "0", "--context", "32", "--batch", "4", "--ignore-eos"]
        let free = try Program.run.call(words)
        #expect(free.status == 0, "\(free.errors)")
        for threads in ["1", "2"] {
            let refusal = try Program.run.call(words + ["--threads", threads, "--memory-limit", "1MB"])
            #expect(refusal.status == 1 && refusal.output.isEmpty && refusal.errors.contains("--memory-limit 1000000 is too little"))
            let least = try number(refusal.errors, before: " bytes are needed at least")
            // What the system libraries take differs a little from run to run.
            for more in [300_000, 700_000, 1_200_000, 100_000_000] {
                let run = try Program.run.call(words + ["--threads", threads, "--stats", "--memory-limit", "\(least + more)"])
                #expect(run.status == 0 && run.text == free.text, "\(run.errors)")
                if run.errors.contains("bytes stay") {
                    let most = try number(run.errors, before: "\nweights")
                    #expect(most <= least + more, "\(least) + \(more), \(run.errors)")
                    #expect(try number(run.errors, before: " bytes were read and dropped") > 0)
                } else {
                    #expect(more > 300_000)
                }
            }
        }
    }

    private static let texts = (0..<6_000).map { "The \($0 % 7) hens saw a red ball. Then \($0 % 31) of them ran home.\n" }.joined()

    /// What a verb gives with all weights in memory and with few, on one thread and two; the least that it asks for.
    private func same(_ words: [String], input: [UInt8]? = nil, out: () -> [UInt8]? = { nil }) throws -> Int {
        let free = try Program.run.call(words, input: input), freeFile = out()
        #expect(free.status == 0 && !free.output.isEmpty, "\(free.errors)")
        let refusal = try Program.run.call(words + ["--memory-limit", "1MB"], input: input)
        expectRefusal(refusal, status: 1, containing: "--memory-limit 1000000 is too little")
        let least = try number(refusal.errors, before: " bytes are needed at least")
        for (threads, batch, more) in [("1", "3", 300_000), ("2", "16", 700_000), ("1", "64", 100_000_000)] {
            let flags = ["--threads", threads, "--batch", batch, "--memory-limit", "\(least + (batch == "64" ? 10_000_000 : 0) + more)"]
            let run = try Program.run.call(words + flags, input: input)
            #expect(run.status == 0 && run.output == free.output && out() == freeFile && run.errors.isEmpty, "\(run.errors)")
        }
        return least
    }

    @Test func aTextIsScoredTheSame() throws {
        let folder = try TemporaryFolder(), bytes = Array(Self.texts.utf8)
        let path = try packed("tinystories-bytes-3m", folder), short = try folder.file("short", bytes.prefix(900))
        let words = ["score", path, "--context", "64", "--json", "--file"]
        let least = try same(words + [short])
        let split = try same(words + [short, "--split", "\n"])
        #expect(abs(split - least) < 600_000)
        // A text that is piped is in memory, of a file no more than a part.
        let large = try folder.file("large", bytes)
        func needed(_ name: String, _ input: [UInt8]? = nil) throws -> Int {
            try number(Program.run.call(words + [name, "--memory-limit", "1MB"], input: input).errors, before: " bytes are needed at least")
        }
        let fromFile = try needed(large), fromPipe = try needed("-", bytes + bytes + bytes + bytes + bytes)
        #expect(bytes.count > 300_000 && abs(fromFile - least) < 600_000)
        #expect(fromPipe - least > 4 * bytes.count)
    }

    @Test func optionsAreChosenTheSame() throws {
        let folder = try TemporaryFolder(), path = try packed("tinystories-bytes-3m", folder)
        let lines = (0..<6).map { #"{"prefix": "The \#($0) hens", "options": ["ran", "sat down to eat", "x"], "answer": 1}"# }.joined(separator: "\n")
        let words = ["choose", path, "--context", "40", "--json", "--file"]
        let least = try same(words + [folder.file("tasks", lines.utf8)])
        let piped = try same(words + ["-"], input: Array(lines.utf8))
        #expect(abs(piped - least) < 600_000)
        // A long line is in memory as a whole.
        let long = try folder.file("long", #"{"prefix": "\#(String(repeating: "the ", count: 100_000))", "options": ["a", "b"], "answer": 0}"#.utf8)
        let refusal = try Program.run.call(words + [long, "--memory-limit", "1MB"])
        let needed = try number(refusal.errors, before: " bytes are needed at least")
        #expect(needed - least > 700_000)
    }

    @Test func logitsAreTheSame() throws {
        let folder = try TemporaryFolder(), path = try packed("tinystories-2m", folder)
        let words = ["logits", path, "--ids", "1 2 3 4 5 6 7", "--out", folder.path("l.npy")]
        _ = try same(words) { folder.bytes("l.npy") }
    }

    /// A session file passes through the arena: no page of it is the process's, however long the session is.
    @Test func aSessionIsGoneOnFromUnderALimit() throws {
        let folder = try TemporaryFolder(), path = try packed("tinystories-2m", folder), file = folder.path("s")
        let ids = (0..<500).map { String(1 + $0 * 7 % 2_000) }.joined(separator: " "), words = [path, "--context", "512", "--batch", "4", "--threads", "1"]
        let saving = try Program.run.call(words + ["--ids", ids, "-n", "0", "--save-session", file])
        #expect(saving.status == 0 && folder.bytes("s")!.count > 1_000_000, "\(saving.errors)")
        let rest = words + ["--ids", "5", "-n", "6", "--temp", "0", "--ignore-eos", "--stats"]
        let free = try Program.run.call(rest + ["--session", file])
        let least = try number(Program.run.call(rest + ["--memory-limit", "1MB"]).errors, before: " bytes are needed at least")
        let run = try Program.run.call(rest + ["--session", file, "--memory-limit", "\(least + 300_000)"])
        #expect(run.status == 0 && run.text == free.text && run.errors.contains("restored       499 tokens"), "\(run.errors)")
        #expect(try number(run.errors, before: "\nweights") <= least + 300_000)
    }

    /// Where a model does not fit, stlm-budget names the least limit with which it runs, and what that reads: as text, JSON and page.
    @Test(.enabled(if: Program.budget.exists), arguments: ["tinystories-2m", "tinystories-bytes-3m"])
    func aBudgetNamesTheLeastLimit(_ name: String) throws {
        let folder = try TemporaryFolder(), path = try packed(name, folder), words = [path, "--context", "32", "--threads", "1"]
        func object(_ limit: Int) throws -> [String: Any] {
            let outcome = try Program.budget.call(words + ["--json", "--limit", "\(limit)"])
            #expect(outcome.errors.isEmpty)
            return try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        }
        let whole = try object(1 << 30), need = try #require(whole["resident_at_most"] as? Int), least = try #require(whole["cannot_run_under"] as? Int)
        #expect((whole["would_run"] as? [Any])?.isEmpty == true && least < need)
        #expect((try object(least - 1)["would_run"] as? [Any])?.isEmpty == true)
        // (limit, what is read) of each way.
        func ways(_ limit: Int) throws -> [[Int]] {
            let ways = try #require(try object(limit)["would_run"] as? [[String: Any]])
            return try ways.map {
                let memory = try #require($0["memory_limit"] as? Int)
                #expect($0["flags"] as? String == "--memory-limit \(memory)")
                return [memory, try #require($0["weights_read"] as? Int)]
            }
        }
        let exact = try ways(least), between = try ways((least + need) / 2)
        #expect(exact.count == 1 && exact[0][0] == least && exact[0][1] > 0)
        #expect(between.map(\.[0]) == [least, (least + need) / 2] && between[0] == exact[0])
        #expect(between[1][1] > 0 && between[1][1] < between[0][1])

        let unit = name.contains("bytes") ? "block" : "token", limit = ["--limit", "\(least)"]
        let text = try Program.budget.call(words + limit)
        let cost = exact[0][1].formatted(.number.grouping(.automatic).locale(Locale(identifier: "en_US")))
        #expect(text.status == 1 && text.text.contains("--memory-limit \(least), \(cost) bytes of weights read for each \(unit)\n"), "\(text.text)")
        let page = try Program.budget.call(words + limit + ["--report", folder.path("p.html")])
        let markup = String(decoding: try #require(folder.bytes("p.html")), as: UTF8.self)
        #expect(page.status == 1 && markupFaults(markup) == [] && markup.contains("<code>--memory-limit \(least)</code></td><td>\(cost)</td>"))
    }

    @Test func limitsThatAreNoNumbersAreRefused() throws {
        for word in ["0", "12XB", "-1", "", "MB", "99999999999999999999", "9999999999GB", "12 MB", "12mb", "12KBB"] {
            let run = try Program.run.call(["m.stlm", "--memory-limit", word])
            #expect(run.status == 2 && run.errors.contains("--memory-limit takes a number of bytes such as 24MiB"), "\(word)")
        }
        let run = try Program.run.call(["info", "m.stlm", "--memory-limit", "1MB"])
        #expect(run.status == 2 && run.errors.contains("has no meaning"))
    }
}
