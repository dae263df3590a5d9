import Checkpoints
import Foundation
import TestSupport

/// A byte decoder computed straight from the tensors of a checkpoint, one slot at a time with nothing kept: a second, plainer
/// reading of what `FloatByteDecoder` says.
struct NaiveDecoder {
    let source: SyntheticSTLM
    let checkpoint: TorchCheckpoint

    init(_ source: SyntheticSTLM) throws {
        self.source = source
        checkpoint = try TorchCheckpoint(source.checkpointBytes())
    }

    private func tensor(_ name: String) throws -> [Double]? {
        try checkpoint.tensor(named: "model_head." + name).map { try $0.floats().map(Double.init) }
    }

    private func linear(_ name: String, _ x: [Double]) throws -> [Double] {
        let weight = try tensor(name + ".weight")!, bias = try tensor(name + ".bias")
        return (0..<weight.count / x.count).map { row in
            var sum = bias?[row] ?? 0
            for column in x.indices { sum += weight[row * x.count + column] * x[column] }
            return sum
        }
    }

    private func norm(_ name: String, _ x: [Double]) throws -> [Double] {
        guard let weight = try tensor(name + ".weight") else { return x }
        let bias = try tensor(name + ".bias"), isLayer = source.headNorm == "layer_norm", size = Double(x.count)
        let mean = isLayer ? x.reduce(0, +) / size : 0
        let power = x.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / size
        let deviation = (power + (isLayer ? 1e-5 : 1e-6)).squareRoot()
        return x.indices.map { (x[$0] - mean) / deviation * weight[$0] + (bias?[$0] ?? 0) }
    }

    private func attention(_ prefix: String, _ slots: [[Double]]) throws -> [Double] {
        let decoder = source.decoder, d = decoder.width / decoder.headCount, kv = decoder.headCount / decoder.groupSize
        let vectors = try slots.map { try linear(prefix + "c_attn", $0) }
        var mix: [Double] = []
        for head in 0..<decoder.headCount {
            let query = vectors.last![head * d..<(head + 1) * d], shared = head / decoder.groupSize * d
            let scores = vectors.map { vector in
                let key = vector[(decoder.width + shared)...]
                return exp(zip(query, key).map { $0 * $1 }.reduce(0, +) / Double(d).squareRoot())
            }
            let sum = scores.reduce(0, +)
            for index in 0..<d {
                let place = decoder.width + kv * d + shared + index
                mix.append(zip(scores, vectors).map { $0 / sum * $1[place] }.reduce(0, +))
            }
        }
        return try linear(prefix + "c_proj", mix)
    }

    private func feedForward(_ prefix: String, _ x: [Double]) throws -> [Double] {
        func silu(_ t: Double) -> Double { t / (1 + exp(-t)) }
        func gelu(_ t: Double) -> Double { t * 0.5 * erfc(-t / 2.0.squareRoot()) }
        let first = try linear(prefix + "linear_1", x)
        guard source.decoder.feedForwardType == "swiglu" else { return try linear(prefix + "linear_2", first.map(gelu)) }
        return try linear(prefix + "linear_2", zip(first, linear(prefix + "linear_3", x)).map { silu($0) * $1 })
    }

    /// The stream of slot `symbols.count` after `layers` layers.
    private func stream(_ c: [Double], _ symbols: [Int], layers: Int) throws -> [Double] {
        guard layers > 0 else {
            let width = source.decoder.width, symbol = symbols.last ?? 256
            let table = try tensor("byte_token_embedder.weight")!, positions = try tensor("pos_encoder.pe.weight")!
            return try linear("projection", norm("core_norm", c)).enumerated().map {
                $1 + table[symbol * width + $0] + positions[symbols.count * width + $0]
            }
        }
        let prefix = "transformer.h.\(layers - 1)."
        let below = try (0...symbols.count).map { try stream(c, Array(symbols.prefix($0)), layers: layers - 1) }
        let added = try attention(prefix + "attn.", below.map { try norm(prefix + "attn_norm", $0) })
        let middle = zip(below.last!, added).map(+)
        return zip(middle, try feedForward(prefix + "ffn.", norm(prefix + "ffn_norm", middle))).map(+)
    }

    /// Logits (258) of the slot after `symbols`, of the core's result `c`.
    func logits(_ c: [Double], after symbols: [Int]) throws -> [Double] {
        try linear("lm_head", norm("layer_norm", stream(c, symbols, layers: source.decoder.layerCount)))
    }
}
