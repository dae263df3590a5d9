import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct CheckpointKindTests {
    @Test func recognisesByContent() throws {
        #expect(try CheckpointKind.recognise(SyntheticSTLM().checkpointBytes()) == .torch)
        for version in 0...2 { #expect(try CheckpointKind.recognise(SyntheticLlama2().bytes(version: version)) == .llama2) }
    }

    static let others: [(Data, String)] = [
        (Data(), "is empty"),
        (Data("GGUF".utf8) + Data(count: 40), "a GGUF model"),
        (Data([0x10, 0, 0, 0, 0, 0, 0, 0]) + Data("{\"t\":{\"dtype\":\"F32\"}}".utf8), "a safetensors file"),
        (Data("\n <!DOCTYPE html><html>".utf8), "an HTML or XML page"),
        (Data("{\"error\": 404}".utf8), "JSON text"),
        (Data("not found, sorry\n".utf8), "plain text"),
        (Data([0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]), "torch before 1.6"),
        (Data([0x80, 0x04, 0x95, 1]), "a bare Python pickle"),
        (Data([0x89, 0x53, 0x54, 0x4C, 0x4D, 0x0D, 0x0A, 0x1A]), "packed already"),
        (Data("version https://git-lfs.github.com/spec/v1\n".utf8), "git lfs pull"),
        (Data([0x1F, 0x8B, 8, 0]), "gzip"),
        (Data([0xDE, 0xAD, 0xBE, 0xEF]), "unknown kind (4 bytes, beginning de ad be ef)"),
        (Data(repeating: 0xFF, count: 4096), "unknown kind"),
        (Data(repeating: 0, count: 4096), "unknown kind"),
    ]

    @Test(arguments: others.indices) func saysWhatAForeignFileIs(_ index: Int) {
        let (data, words) = Self.others[index]
        #expect { try CheckpointKind.recognise(data) } throws: { "\($0)".contains(words) }
    }
}
