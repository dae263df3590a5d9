import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What stlm-budget says, as words, as JSON and as a page.
@Suite(.enabled(if: Program.budget.exists)) struct BudgetTests {
    private static let models = [
        CommandFixture.merges, CommandFixture.begins, CommandFixture.bare, CommandFixture.notCausal, CommandFixture.slots, CommandFixture.decoder,
        CommandFixture.pooled, CommandFixture.written,
    ]

    private func object(_ words: [String], status: Int32 = 0) throws -> [String: Any] {
        let outcome = try Program.budget.call(words + ["--json"])
        #expect(outcome.status == status && outcome.errors.isEmpty, "\(outcome.errors)")
        return try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
    }

    /// Rows of the text: a name and its number.
    private func rows(_ text: String) -> [String: Int] {
        var rows: [String: Int] = [:]
        for line in text.split(separator: "\n") {
            guard let match = line.firstMatch(of: /^ *([a-z][a-z ]*[a-z]) +([0-9,]+)( |$)/) else { continue }
            rows[String(match.1)] = Int(match.2.replacing(",", with: ""))
        }
        return rows
    }

    @Test(arguments: models) func theTextAndTheJSONAreTheBudget(_ path: String) throws {
        let model = try CommandFixture.opened(path).model
        for (flags, context, type, threads) in [([], nil, "int16", 1), (["--kv", "int4", "--context", "9", "--threads", "2"], 9, "int4", 2)]
            as [([String], Int?, String, Int)] {
            var options = SessionOptions(model)
            options.contextTokenCount = context
            options.keyValueType = type == "int4" ? .int4 : .int16
            options.threadCount = threads
            let budget = MemoryBudget(model, try MemoryPlan(model, options))
            let words = [path] + (threads == 1 ? flags + ["--threads", "1"] : flags)
            let json = try object(words), text = rows(try Program.budget.call(words).text)
            #expect(json["resident_at_most"] as? Int == budget.residentAtMost && text["resident at most"] == budget.residentAtMost)
            #expect(json["cannot_run_under"] as? Int == budget.cannotRunUnder && text["cannot run under"] == budget.cannotRunUnder)
            #expect(json["context"] as? Int == budget.plan.contextTokenCount && json["kv"] as? String == type && json["threads"] as? Int == threads)
            let file = try #require(json["file"] as? [String: Int]), arena = try #require(json["arena"] as? [String: Int])
            #expect(file["bytes"] == budget.fileByteCount && text["file"] == budget.fileByteCount)
            #expect(arena["bytes"] == budget.plan.arenaByteCount && text["arena"] == budget.plan.arenaByteCount)
            let parts = ["embedder", "core", "head", "tables", "tokenizer", "padding"]
            #expect(parts.reduce(0) { $0 + (file[$1] ?? 0) } == budget.fileByteCount)
            for part in parts where file[part] != 0 { #expect(text[part] == file[part], "\(part)") }
            let groups = ["keys and values", "activations", "layers and logits", "attention scratch", "logits", "sampler", "text", "threads", "alignment"]
            #expect(groups.reduce(0) { $0 + (arena[$1.replacing(" ", with: "_")] ?? 0) } == budget.plan.arenaByteCount)
            for group in groups {
                let number = arena[group.replacing(" ", with: "_")]
                #expect(number == 0 || text[group] == number, "\(group)")
            }
            for (name, key) in [("prompt", "prompt"), ("stacks", "stacks"), ("program", "program"), ("page tables", "page_tables")] {
                #expect(text[name] == json[key] as? Int && text[name] != nil, "\(name)")
            }
            #expect(text["a token reads"] == file["token_reads"] && text["pages of the file"] == file["pages"])
            #expect(json["limit"] is NSNull && json["fits"] is NSNull)
        }
    }

    @Test(arguments: models) func aLimitIsKeptToTheByte(_ path: String) throws {
        let words = [path, "--threads", "1"]
        let need = try #require(try object(words)["resident_at_most"] as? Int)
        let exact = try object(words + ["--limit", "\(need)"])
        #expect(exact["fits"] as? Bool == true && (exact["would_fit"] as? [Any])?.isEmpty == true)
        #expect(try Program.budget.call(words + ["--limit", "\(need)"]).text.contains("fits, 0 bytes to spare"))
        let outcome = try Program.budget.call(words + ["--limit", "\(need - 1)"])
        #expect(outcome.status == 1 && outcome.errors.isEmpty && outcome.text.contains("does not fit, 1 bytes too many"))
        #expect(try object(words + ["--limit", "\(need - 1)"], status: 1)["fits"] as? Bool == false)
    }

    /// Each way to fit is run again, and fits as it said.
    @Test(arguments: models) func whatWouldFitFits(_ path: String) throws {
        let maximum = try CommandFixture.opened(path).model.record.contextMaximum
        let words = [path, "--threads", "1", "--context", "\(maximum)"]
        let need = try #require(try object(words)["resident_at_most"] as? Int)
        let shortest = [path, "--threads", "1", "--context", "1", "--kv", "int4", "--batch", "1"]
        let least = try #require(try object(shortest)["resident_at_most"] as? Int)
        for limit in Set([need - 1, need - 4096, least + (need - least) / 2, least + 4096, least]) where limit >= least && limit < need {
            let answer = try object(words + ["--limit", "\(limit)"], status: 1)
            let ways = try #require(answer["would_fit"] as? [[String: Any]])
            #expect(!ways.isEmpty && answer["weights_exceed_by"] as? Int == 0)
            for way in ways {
                let flags = try #require(way["flags"] as? String).split(separator: " ").map(String.init)
                #expect(!flags.isEmpty)
                let kept = flags.contains("--context") ? [path, "--threads", "1"] : words
                let again = try object(kept + flags + ["--limit", "\(limit)"])
                #expect(again["fits"] as? Bool == true && again["resident_at_most"] as? Int == way["resident_at_most"] as? Int)
            }
        }
        // Nothing is short enough: what the file would have to lose, to the byte.
        let answer = try object(words + ["--limit", "\(least - 1)"], status: 1)
        #expect((answer["would_fit"] as? [Any])?.isEmpty == true && answer["weights_exceed_by"] as? Int == 1)
        #expect(try Program.budget.call(words + ["--limit", "\(least - 1)"]).text.contains("pack the model with fewer bits"))
        #expect(try Program.budget.call(words + ["--limit", "4096"]).text.contains("no encoding is small enough"))
    }

    @Test func aSizeMayHaveAUnit() throws {
        for (word, byteCount) in [("48MiB", 50_331_648), ("48MB", 48_000_000), ("49152KB", 49_152_000), ("49152KiB", 50_331_648),
            ("50331648", 50_331_648), ("1.5MB", 1_500_000), ("50331648B", 50_331_648), ("2G", 2_000_000_000), ("0.5GiB", 1 << 29),
            ("64M", 64_000_000)] {
            let outcome = try Program.budget.call([CommandFixture.bare, "--json", "--limit", word])
            let json = try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
            #expect(json["limit"] as? Int == byteCount, "\(word)")
        }
    }

    @Test(arguments: [
        ([], "no model is given"), (["MODEL", "b"], "'b' is one word too many"), (["MODEL", "--colour"], "no flag --colour"),
        (["MODEL", "--limit"], "--limit needs a value"), (["MODEL", "--limit", "0"], "above 0"), (["MODEL", "--limit", "12XB"], "not '12XB'"),
        (["MODEL", "--limit", "-5"], "not '-5'"), (["MODEL", "--limit", ""], "not ''"), (["MODEL", "--limit", "MB"], "not 'MB'"),
        (["MODEL", "--limit", "1.2.3MB"], "--limit takes"), (["MODEL", "--limit", "0.0000001KB"], "--limit takes"),
        (["MODEL", "--limit", "99999999999999999999"], "--limit takes"), (["MODEL", "--limit", "9999999GiB"], "--limit takes"),
        (["MODEL", "--context", "0"], "--context takes a whole number from 1"), (["MODEL", "--context", "-4"], "not '-4'"),
        (["MODEL", "--context", "70000"], "to 65536"), (["MODEL", "--threads", "0"], "--threads takes"), (["MODEL", "--threads", "33"], "1 to 32"),
        (["MODEL", "--batch", "0"], "--batch takes"), (["MODEL", "--kv", "int2"], "--kv takes int16, int8 or int4"),
        (["MODEL", "--report", "x.txt"], "must end in .html"), (["MODEL", "--report", ".html"], "must end in .html"),
    ]) func wrongUseIsOneSentenceAndTwo(_ words: [String], _ part: String) throws {
        let outcome = try Program.budget.call(words.map { $0 == "MODEL" ? CommandFixture.merges : $0 })
        expectRefusal(outcome, status: 2, containing: part)
        #expect(outcome.errors.hasPrefix("stlm-budget: "))
    }

    @Test func allElseIsOneSentenceAndOne() throws {
        let folder = try TemporaryFolder()
        // As stlm-run has it: what a model does not have is no wrong use.
        expectRefusal(try Program.budget(CommandFixture.merges, "--context", "33"), status: 1, containing: "1 to 32")
        expectRefusal(try Program.budget(folder.path("missing.stlm")), status: 1, containing: "cannot be opened")
        expectRefusal(try Program.budget(CommandFixture.checkpoint), status: 1, containing: "make one with stlm-pack")
        expectRefusal(try Program.budget(CommandFixture.bare, "--report", folder.path("no/such.html")), status: 1, containing: "cannot be written")
        let full = try Program.shell("\"$budget\" '\(CommandFixture.bare)' > /dev/full", folder: folder.url.path)
        expectRefusal(full, status: 1, containing: "cannot be written")
        #expect(folder.names.isEmpty)
        for words in [["--help"], ["-h"], [CommandFixture.bare, "--help"]] {
            let outcome = try Program.budget.call(words)
            #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.text.contains("Usage:") && outcome.text.contains("Examples:"))
            #expect(outcome.text.split(separator: "\n").allSatisfy { $0.count <= 120 })
        }
        #expect(try Program.budget("--version").text.hasPrefix("stlm-budget 0."))
    }

    // MARK: The page

    private func page(_ words: [String], status: Int32 = 0) throws -> String {
        let folder = try TemporaryFolder()
        let outcome = try Program.budget.call(words + ["--report", folder.path("budget.html")])
        #expect(outcome.status == status && outcome.errors.isEmpty && folder.names == ["budget.html"], "\(outcome.errors)")
        return String(decoding: try #require(folder.bytes("budget.html")), as: UTF8.self)
    }

    @Test(arguments: models) func pagesAreWellFormedAndStandAlone(_ path: String) throws {
        let need = try #require(try object([path])["resident_at_most"] as? Int)
        for (limit, status) in [(nil, 0), ("\(need * 3)", 0), ("\(need + 5000)", 0), ("\(need - 1)", 1), ("5000", 1)] as [(String?, Int32)] {
            let page = try page([path] + (limit.map { ["--limit", $0] } ?? []), status: status)
            #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</html>\n"))
            #expect(markupFaults(page) == [])
            for word in ["http", "<script", "<link", "<img", "url(", "@import"] { #expect(!page.lowercased().contains(word), "\(word)") }
            #expect(page.contains("prefers-color-scheme:dark") && page.contains("width=device-width"))
            #expect(page.components(separatedBy: "<polyline class=\"curve ").count == 7)
            #expect(page.contains("What would fit") == (status == 1))
        }
    }

    @Test func theBarIsAllThatIsResident() throws {
        let need = try #require(try object([CommandFixture.merges])["resident_at_most"] as? Int)
        let page = try page([CommandFixture.merges])
        let bar = try #require(page.components(separatedBy: "<svg class=\"strip\"").last?.components(separatedBy: "</svg>").first)
        let sizes = bar.components(separatedBy: "<title>").dropFirst().compactMap { title in
            title.components(separatedBy: " bytes</title>").first?.components(separatedBy: ", ").last.flatMap {
                Int($0.replacingOccurrences(of: ",", with: ""))
            }
        }
        #expect(sizes.count > 5 && sizes.reduce(0, +) == need)
    }

    @Test func aDescriptionIsEscaped() throws {
        // The description lies in the text region; other bytes of the same length stand for a hostile one.
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: CommandFixture.bare))), new = Array("<b a='&\">\tx</".utf8)
        var replaced = false
        let changed = LedgerFixture.changed(bytes, .text) { _, content in
            let old = Array("STLM, generic".utf8)
            guard let place = (0..<content.count - old.count).first(where: { Array(content[$0..<$0 + old.count]) == old }) else { return }
            content.replaceSubrange(place..<place + new.count, with: new)
            replaced = true
        }
        #expect(replaced)
        let folder = try TemporaryFolder()
        let page = try page([folder.file("hostile.stlm", changed)])
        #expect(markupFaults(page) == [] && page.contains("&lt;b a=&#39;&amp;&quot;&gt; x&lt;/"))
        let json = try Program.budget(folder.path("hostile.stlm"), "--json")
        #expect((try? JSONSerialization.jsonObject(with: Data(json.output))) is [String: Any])
    }
}
