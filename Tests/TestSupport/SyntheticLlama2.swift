import Foundation

/// A llama2.c model with seeded random weights, in any of the three versions of the file.
public struct SyntheticLlama2: Sendable {
    public var hiddenSize = 32
    public var feedForwardSize = 48
    public var layerCount = 2
    public var headCount = 4
    public var kvHeadCount = 2
    public var vocabularySize = 96
    public var contextSize = 16
    public var isHeadShared = true
    /// Weights a scale, version 2 only.
    public var groupSize = 16
    public var seed: UInt64 = 1

    public init() {}

    public init(_ change: (inout SyntheticLlama2) -> Void) { change(&self) }

    /// Names of `weights()`, in the order in which they draw from the generator; layers are joined under one name.
    public static let names = [
        "tok_embeddings", "attention_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3", "norm", "output",
    ]

    /// Number of values under a name, all layers together.
    private func count(_ name: String) -> Int {
        let kvSize = hiddenSize / headCount * kvHeadCount
        switch name {
        case "tok_embeddings", "output": return vocabularySize * hiddenSize
        case "wq", "wo": return layerCount * hiddenSize * hiddenSize
        case "wk", "wv": return layerCount * kvSize * hiddenSize
        case "w1", "w2", "w3": return layerCount * feedForwardSize * hiddenSize
        case "norm": return hiddenSize
        default: return layerCount * hiddenSize
        }
    }

    public func weights() -> [String: [Float]] {
        var numbers = SeededNumbers(seed: seed)
        var weights: [String: [Float]] = [:]
        for name in Self.names {
            let isNorm = name.hasSuffix("norm")
            let deviation: Float = isNorm ? 0.1 : name == "tok_embeddings" ? 0.3 : 1 / Float(hiddenSize).squareRoot()
            weights[name] = (0..<count(name)).map { _ in (isNorm ? 1 : 0) + numbers.float(deviation: deviation) }
        }
        return weights
    }

    public func bytes(version: Int) -> Data {
        let weights = weights()
        var fields = [hiddenSize, feedForwardSize, layerCount, headCount, kvHeadCount, vocabularySize, contextSize]
        if version == 0 && !isHeadShared { fields[5] = -vocabularySize }
        let numbers = fields.flatMap { littleEndian(UInt64(UInt32(bitPattern: Int32($0))), 4) }
        var bytes: [UInt8] = []
        if version == 0 {
            bytes = numbers
        } else {
            bytes = littleEndian(0x616B_3432, 4) + littleEndian(UInt64(version), 4) + numbers + [isHeadShared ? 1 : 0]
            if version == 2 { bytes += littleEndian(UInt64(groupSize), 4) }
            bytes += [UInt8](repeating: 0, count: 256 - bytes.count)
        }
        let matrices = ["wq", "wk", "wv", "wo", "w1", "w2", "w3"]
        let order = version == 0
            ? ["tok_embeddings", "attention_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3", "norm", "tables"]
            : ["attention_norm", "ffn_norm", "norm", "tok_embeddings"] + matrices
        for name in order + (isHeadShared ? [] : ["output"]) {
            guard let values = weights[name] else {
                // The rotary tables, which readers skip: not even numbers.
                bytes += [UInt8](repeating: 0xFF, count: 4 * contextSize * (hiddenSize / headCount))
                continue
            }
            guard version == 2, !name.hasSuffix("norm") else {
                bytes += TorchFile.content(values)
                continue
            }
            let pieces = matrices.contains(name) ? layerCount : 1
            for piece in 0..<pieces {
                bytes += grouped(Array(values[values.count / pieces * piece..<values.count / pieces * (piece + 1)]))
            }
        }
        return Data(bytes)
    }

    /// int8 codes, then one scale a group: scale = largest magnitude / 127.
    private func grouped(_ values: [Float]) -> [UInt8] {
        var codes: [UInt8] = [], scales: [Float] = []
        for start in stride(from: 0, to: values.count, by: groupSize) {
            let group = values[start..<min(start + groupSize, values.count)]
            let scale = group.reduce(0) { max($0, abs($1)) } / 127
            codes += group.map { UInt8(bitPattern: Int8(($0 / (scale == 0 ? 1 : scale)).rounded(.toNearestOrEven))) }
            scales.append(scale)
        }
        return codes + TorchFile.content(scales)
    }
}
