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

    @Test func limitsThatAreNoNumbersAreRefused() throws {
        for word in ["0", "12XB", "-1", "", "MB", "99999999999999999999", "9999999999GB", "12 MB", "12mb", "12KBB"] {
            let run = try Program.run.call(["m.stlm", "--memory-limit", word])
            #expect(run.status == 2 && run.errors.contains("--memory-limit takes a number of bytes such as 24MiB"), "\(word)")
        }
        let run = try Program.run.call(["info", "m.stlm", "--memory-limit", "1MB"])
        #expect(run.status == 2 && run.errors.contains("has no meaning"))
    }
}
