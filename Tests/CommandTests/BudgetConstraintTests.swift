import Foundation
import PackedSupport
import STLM
import Testing

/// stlm-budget with --grammar, --choices and --one-of: what stlm-run takes for them, and what it refuses.
@Suite(.enabled(if: Program.budget.exists && Program.run.exists)) struct BudgetConstraintTests {
    private static let models = [CommandFixture.merges, CommandFixture.begins, CommandFixture.slots, CommandFixture.decoder, CommandFixture.original]

    private func object(_ words: [String], status: Int32 = 0) throws -> [String: Any] {
        let outcome = try Program.budget.call(words + ["--json"])
        #expect(outcome.status == status && outcome.errors.isEmpty, "\(outcome.errors)")
        return try #require(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
    }

    private func grouped(_ number: Int) -> String { number.formatted(.number.locale(Locale(identifier: "en_US"))) }

    /// As text, JSON and page, in the sums, and as what a run uses.
    @Test(arguments: models) func aConstraintIsCountedToTheByte(_ path: String) throws {
        let folder = try TemporaryFolder(), grammar = try folder.file("g", Array("root ::= \"the\" [a-z ]*".utf8))
        let choices = try folder.file("c", Array("the\nthese\n".utf8)), words = [path, "--threads", "1"]
        let byteCount = Constraint.byteCount(try CommandFixture.opened(path).model), pages = (byteCount + 4095) / 4096 * 4096
        let plain = try object(words), without = try #require(plain["resident_at_most"] as? Int)
        let plainText = try Program.budget.call(words).text
        #expect(plain["grammar"] as? Int == 0 && !plainText.contains("grammar"))
        for flags in [["--grammar", grammar], ["--choices", choices], ["--one-of", "the", "--one-of", "a hen"]] {
            let json = try object(words + flags), need = without + pages
            #expect(json["grammar"] as? Int == byteCount && json["resident_at_most"] as? Int == need)
            #expect(json["cannot_run_under"] as? Int == (plain["cannot_run_under"] as! Int) + pages)
            let run = try Program.run.call(words + flags + ["-p", "the", "-n", "3", "--seed", "1", "--stats"])
            #expect(run.errors.contains("\ngrammar        \(grouped(byteCount)) bytes\n"), "\(run.errors)")
            let text = try Program.budget.call(words + flags + ["--report", folder.path("p.html")])
            #expect(text.text.contains(try Regex("\ngrammar +\(grouped(byteCount))\n")), "\(text.text)")
            let page = String(decoding: try #require(folder.bytes("p.html")), as: UTF8.self)
            #expect(markupFaults(page) == [] && page.contains("<td>grammar</td><td>\(grouped(byteCount))</td>"))
            #expect(page.contains("<title>grammar, \(grouped(byteCount)) bytes</title>"))
            #expect(try object(words + flags + ["--limit", "\(need)"])["fits"] as? Bool == true)
            #expect(try object(words + flags + ["--limit", "\(need - 1)"], status: 1)["fits"] as? Bool == false)
        }
    }

    /// What would fit fits with the grammar too.
    @Test(arguments: models) func whatWouldFitFitsWithAGrammar(_ path: String) throws {
        let maximum = try CommandFixture.opened(path).model.record.contextMaximum
        let words = [path, "--threads", "1", "--one-of", "the", "--context", "\(maximum)"]
        let shortest = Array(words.dropLast()) + ["1", "--kv", "int4", "--batch", "1"]
        let need = try #require(try object(words)["resident_at_most"] as? Int)
        let least = try #require(try object(shortest)["resident_at_most"] as? Int)
        let limit = (need + least) / 2, answer = try object(words + ["--limit", "\(limit)"], status: 1)
        let ways = try #require(answer["would_fit"] as? [[String: Any]])
        #expect(!ways.isEmpty && least < need)
        for way in ways {
            let flags = try #require(way["flags"] as? String).split(separator: " ").map(String.init)
            let again = try object((flags.contains("--context") ? Array(words.dropLast(2)) : words) + flags + ["--limit", "\(limit)"])
            #expect(again["resident_at_most"] as? Int == way["resident_at_most"] as? Int)
        }
        #expect(try object(words + ["--limit", "\(least - 1)"], status: 1)["weights_exceed_by"] as? Int == 1)
    }

    @Test func whatARunRefusesIsRefused() throws {
        let folder = try TemporaryFolder(), good = try folder.file("g", Array("root ::= \"a\"".utf8)), bad = try folder.file("b", Array("root ::= \"a".utf8))
        let model = CommandFixture.merges
        for (words, status) in [
            ([model, "--grammar", good, "--one-of", "a"], 2), ([model, "--one-of", ""], 2), ([model, "--one-of", "a\nb"], 2), ([model, "--grammar"], 2),
            ([model] + (0..<33).flatMap { ["--one-of", "\($0)"] }, 2), ([model, "--grammar", bad], 1), ([model, "--choices", folder.path("no")], 1),
            ([CommandFixture.bare, "--one-of", "a"], 1),
        ] as [([String], Int32)] {
            let budget = try Program.budget.call(words)
            let run = try Program.run.call([words[0]] + (words[0] == model ? ["-p", "the"] : ["--ids", "1"]) + words.dropFirst())
            expectRefusal(budget, status: status)
            #expect(run.status == status && run.errors.dropFirst("stlm-run".count) == budget.errors.dropFirst("stlm-budget".count), "\(run.errors)")
        }
        for model in [CommandFixture.pooled, CommandFixture.written] {
            expectRefusal(try Program.budget(model, "--one-of", "a"), status: 1, containing: "takes no grammar with it")
        }
    }
}
