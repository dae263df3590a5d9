import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct Llama2CheckpointTests {
    private func message(_ data: Data) -> String {
        do {
            let checkpoint = try Llama2Checkpoint(data)
            for tensor in checkpoint.tensors { _ = try checkpoint.floats(tensor) }
            return "no error"
        } catch {
            return error.description
        }
    }

    private func data(_ model: SyntheticLlama2 = SyntheticLlama2(), version: Int, field: Int, _ value: Int32) -> Data {
        var data = model.bytes(version: version)
        let start = (version == 0 ? 0 : 8) + 4 * field
        withUnsafeBytes(of: value.littleEndian) { data.replaceSubrange(start..<start + 4, with: $0) }
        return data
    }

    @Test(arguments: [0, 1, 2], [true, false])
    func readsEveryVersion(_ version: Int, isHeadShared: Bool) throws {
        let model = SyntheticLlama2 { $0.isHeadShared = isHeadShared }
        let checkpoint = try Llama2Checkpoint(model.bytes(version: version)), weights = model.weights()
        #expect(checkpoint.header.version == version)
        #expect(checkpoint.header.isHeadShared == isHeadShared)
        #expect(checkpoint.tensors.count == 2 + 9 * 2 + (isHeadShared ? 0 : 1))
        let tolerance: Float = version == 2 ? 0.5 / 127 : 0
        func compare(_ name: String, _ expected: [Float]) throws {
            let values = try checkpoint.floats(#require(checkpoint.tensor(named: name)))
            let largest = expected.reduce(0) { max($0, abs($1)) }
            #expect(values.count == expected.count)
            #expect(zip(values, expected).allSatisfy { abs($0 - $1) <= tolerance * largest * 1.01 }, "\(name)")
        }
        try compare("tok_embeddings.weight", weights["tok_embeddings"]!)
        try compare("layers.1.attention.wk.weight", Array(weights["wk"]!.suffix(16 * 32)))
        try compare("layers.0.feed_forward.w2.weight", Array(weights["w2"]!.prefix(32 * 48)))
        try compare("layers.1.ffn_norm.weight", Array(weights["ffn_norm"]!.suffix(32)))
        try compare("norm.weight", weights["norm"]!)
        if !isHeadShared { try compare("output.weight", weights["output"]!) }
        #expect(checkpoint.tensor(named: "layers.1.attention.wk.weight")?.shape == [16, 32])
    }

    @Test func groupsMayCrossRowsAsTheExporterWritesThem() throws {
        // 12 columns in groups of 8: the exporter divides whole tensors, not rows.
        let model = SyntheticLlama2 { ($0.feedForwardSize, $0.groupSize) = (12, 8) }
        #expect(message(model.bytes(version: 2)) == "no error")
        let odd = SyntheticLlama2 { ($0.hiddenSize, $0.headCount, $0.kvHeadCount, $0.groupSize) = (36, 2, 2, 32) }
        #expect(message(odd.bytes(version: 2)).contains("groups of 32 weights, which do not divide"))
    }

    @Test(arguments: [0, 1, 2]) func rejectsEveryWrongLength(_ version: Int) {
        let data = SyntheticLlama2().bytes(version: version)
        #expect(message(data + [0]).contains("is \(data.count + 1) bytes long, and its header describes \(data.count)"))
        for length in stride(from: 0, to: data.count, by: 97) { #expect(message(data.prefix(length)) != "no error") }
    }

    @Test(arguments: [0, 1, 2]) func rejectsAbsurdHeaders(_ version: Int) {
        for field in 0..<7 {
            for value in [0, -1, Int32.max, Int32.min, Int32.min + 1] {
                #expect(message(data(version: version, field: field, value)) != "no error", "\(field) \(value)")
            }
        }
        #expect(message(data(version: version, field: 3, 5)).contains("hidden size of 32 into 5 heads"))
        #expect(message(data(version: version, field: 4, 3)).contains("4 heads and 3 KV heads"))
        #expect(message(data(version: version, field: 2, 16_384)).contains("its header describes"))
    }

    @Test func rejectsUnknownVersionsAndFlags() {
        #expect(message(data(version: 1, field: -1, 3)).contains("has version 3"))
        var flagged = SyntheticLlama2().bytes(version: 2)
        flagged[36] = 7
        #expect(message(flagged).contains("shared output layer by 7"))
        #expect(message(data(version: 2, field: 0, 32).replacingGroup(0)).contains("group size of 0"))
        #expect(message(data(version: 2, field: 0, 32).replacingGroup(-8)).contains("group size of -8"))
    }

    @Test func namesTheTensorThatIsNotFinite() {
        var data = SyntheticLlama2().bytes(version: 0)
        data.replaceSubrange(28 + 4 * 5..<28 + 4 * 6, with: TorchFile.content([.nan]))
        #expect(message(data).contains("'tok_embeddings.weight' holds NaN at element 5"))
        var scaled = SyntheticLlama2().bytes(version: 2)
        scaled.replaceSubrange(scaled.count - 4..<scaled.count, with: TorchFile.content([.infinity]))
        #expect(message(scaled).contains("'layers.1.feed_forward.w3.weight' holds"))
    }

    @Test(.enabled(if: SharedData.holds("data/weights/stories260K.bin"))) func readsARealModel() throws {
        let checkpoint = try Llama2Checkpoint(path: SharedData.path("data/weights/stories260K.bin"))
        #expect(checkpoint.header.layerCount == 5)
        #expect(checkpoint.header.vocabularySize == 512)
        #expect(checkpoint.header.kvHeadCount == 4)
    }
}

extension Data {
    fileprivate func replacingGroup(_ size: Int32) -> Data {
        var copy = self
        Swift.withUnsafeBytes(of: size.littleEndian) { copy.replaceSubrange(37..<41, with: $0) }
        return copy
    }
}
