import Foundation
import ModelFile
import PackedSupport
import Testing

/// `stlm-run self-check`: stlm-1, section 12.
@Suite(.enabled(if: Program.run.exists)) struct SelfCheckTests {
    private let folder = try! TemporaryFolder()

    @Test(arguments: [CommandFixture.merges, CommandFixture.bare, CommandFixture.notCausal, CommandFixture.slots, CommandFixture.decoder])
    func everyPackedFileIsRight(_ model: String) throws {
        for environment in [[:], ["STLM_CPU": "baseline"]] {
            for threads in ["1", "2"] {
                let check = try Program.run.call(["self-check", model, "--threads", threads, "--json"], environment: environment)
                #expect(check.status == 0 && check.errors.isEmpty, "\(check.errors)")
                let object = try #require(JSONSerialization.jsonObject(with: Data(check.output)) as? [String: Any])
                #expect(object["right"] as? Bool == true && object["positions"] as? Int == 8)
                #expect((object["kernels"] as? String == "baseline") == !environment.isEmpty || object["kernels"] as? String == "baseline")
            }
        }
        #expect(try Program.run("self-check", model).text.contains("those of the packer, at 8 positions with keys and values int16"))
    }

    /// Each type's checksum counts.
    @Test(arguments: 0..<3) func anotherResultIsSaid(_ type: Int) throws {
        let bytes = LedgerFixture.changed(LedgerFixture.plain.bytes, .transcript) { _, bytes in bytes[4 + 4 * type] ^= 1 }
        let check = try Program.run("self-check", folder.file("m.stlm", bytes))
        expectRefusal(check, status: 1, containing: "(keys and values \(["int16", "int8", "int4"][type])); ")
        #expect(check.errors.contains("does not make of"))
        // The file is whole, and runs.
        #expect(try Program.run("info", folder.path("m.stlm"), "--verify").status == 0)
    }

    @Test func aFileWithoutATranscriptIsRefused() throws {
        let bytes = LedgerFixture.changed(LedgerFixture.plain.bytes, .transcript) { record, _ in record.kind = 40 }
        expectRefusal(try Program.run("self-check", folder.file("m.stlm", bytes)), status: 1, containing: "has no transcript")
    }

    @Test func aDamagedWeightIsNamed() throws {
        var bytes = LedgerFixture.plain.bytes
        bytes[bytes.count - 1] ^= 1
        expectRefusal(try Program.run("self-check", folder.file("m.stlm", bytes)), status: 1, containing: "checksum")
    }

    @Test(arguments: ["--kv", "--context", "--batch"]) func whatHasNoMeaningIsRefused(_ flag: String) throws {
        expectRefusal(try Program.run("self-check", CommandFixture.bare, flag, "8"), status: 2, containing: "\(flag) has no meaning")
    }
}
