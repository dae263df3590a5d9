import FloatModel
import Foundation
import STLM
import Tokenizers

extension OpenedModelFile {
    /// The pieces of a text as the model takes them and as it gives them: ids, or the symbols of blocks. Nothing is put before them.
    public func pieces(_ text: some Sequence<UInt8>) throws -> (inputs: [[Int]], outputs: [[Int]]) {
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: TextEncoder.scratchByteCount, alignment: 64)
        defer { scratch.deallocate() }
        var inputs: [[Int]] = [], outputs: [[Int]] = []
        try Array(text).withUnsafeBufferPointer { bytes in
            var encoder = TextEncoder(model.tokenizer!, blockSize: model.blockSize, text: bytes, scratch: scratch)
            while !encoder.isAtEnd {
                for k in 0..<(try encoder.next()) {
                    var block = [UInt32](repeating: 0, count: model.blockSize)
                    if model.blockSize > 0 { encoder.writeBlock(k, into: &block) }
                    func piece(_ asBlock: Bool) -> [Int] { asBlock ? block.map { Int($0) } : [Int(encoder.tokens[k])] }
                    inputs.append(piece(model.takesBlocks))
                    outputs.append(piece(model.writesBlocks))
                }
            }
        }
        return (inputs, outputs)
    }

    /// What ends a text, as a block or as a token.
    public func end(asBlock: Bool) -> [Int] {
        asBlock ? (0..<model.blockSize).map { Int(model.record.endBlock[$0]) } : [Int(model.record.endTokens[0])]
    }
}

extension FloatModel {
    /// What outputs cost after inputs, in bits, in one window: of byte slots all slots count, of a byte decoder those up to the one that
    /// closes a block.
    public func bits(_ inputs: [[Int]], _ outputs: [[Int]]) throws -> Double {
        // The block of position s is that of s + 1 in what `forward` is given.
        let logits = try forward(inputs: inputs, targets: writesBlocks ? [outputs[0]] + outputs : nil)
        let isDecoder = if case .byteDecoder = head { true } else { false }
        var sum = 0.0
        for (position, output) in outputs.enumerated() {
            for (slot, symbol) in output.enumerated() {
                if isDecoder, output[..<slot].contains(where: { $0 >= Self.padSymbol }) { break }
                let row = logits.row(position * output.count + slot), most = row.max()!
                sum += (log(row.reduce(0) { $0 + exp($1 - most) }) + most - row[symbol]) / log(2)
            }
        }
        return sum
    }

    /// The same where windows of so many inputs follow one another, each without what came before.
    public func bits(_ inputs: [[Int]], _ outputs: [[Int]], window: Int) throws -> Double {
        var sum = 0.0
        for start in stride(from: 0, to: inputs.count, by: window) {
            let end = min(start + window, inputs.count)
            sum += try bits(Array(inputs[start..<end]), Array(outputs[start..<end]))
        }
        return sum
    }
}
