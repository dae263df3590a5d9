import Kernels
import ModelFile
import TestSupport
import Testing

/// arithmetic-1, section 4.1: a corrected head of a model whose other layers give nothing, so that its input is a row of the table.
@Suite(.serialized) struct CorrectedTests {
    /// A matrix of the file as the document's arithmetic takes it.
    private func layer(_ file: EvilFile, _ tensor: Int) -> ArithmeticReference.Layer {
        func field(_ offset: Int) -> Int { Int(file.field(.tensors, tensor, at: offset)) }
        var numbers = SeededNumbers(seed: 0)
        var matrix = MatrixBytes(field(0), rows: field(4), columns: field(8), .random, &numbers)
        matrix.bytes = file[tensor: tensor]
        return ArithmeticReference.Layer(
            weights: matrix.weights, rowScales: (0..<matrix.rows).map(matrix.rowScale), weightBits: matrix.weightBits,
            exponent: Int(Int32(bitPattern: file.field(.tensors, tensor, at: 12))))
    }

    /// Without a norm before the head, which is not tied, and with nothing in its layers.
    private func source(_ numbers: inout SeededNumbers) -> EvilFile {
        var file = EvilFile(Samples.bare)
        let head = Int(file.field(.model, at: 276))
        for layer in file.layers where layer.tensor != head { file[tensor: layer.tensor] = file[tensor: layer.tensor].map { _ in 0 } }
        return file
    }

    @Test(arguments: MatrixBytes.encodings, [8, 16]) func aCorrectedHeadIsThatOfTheDocument(_ base: Int, _ bits: Int) throws {
        var numbers = SeededNumbers(seed: UInt64(100 * base + bits))
        if base == 2, bits == 8 { return }
        let run = ModelRun()
        var counts = 0
        for round in 0..<6 {
            var file = source(&numbers)
            let head = Int(file.field(.model, at: 276))
            let downs = MatrixBytes.encodings.filter { bits == 16 || $0 != 2 }
            let down = numbers.pick(downs), up = numbers.pick(MatrixBytes.encodings)
            let upBits = up == 2 ? 16 : numbers.pick([8, 16])
            file.correct(head, base: base, down: down, up: up, bits: upBits, rank: numbers.pick([1, 4, 40]), &numbers)
            file.set(.model, at: 284, UInt32(bits))
            let parts = (0..<3).map { Int(file[tensor: head].number(at: 4 * $0, as: UInt32.self)) }
            // Scales of about one size, so that both terms count.
            for (k, part) in parts.enumerated() {
                let rows = Int(file.field(.tensors, part, at: 4)), padded = (rows + 15) / 16 * 16
                let levels = [6: 4, 7: 8, 8: 16, 9: 32][Int(file.field(.tensors, part, at: 0))] ?? 0
                for r in 0..<rows {
                    let at = file[tensor: part].count - levels - 2 * padded + 2 * r
                    file[tensor: part].set(UInt16(numbers.int(0...2047) | numbers.int(0...3) << 11), at: at)
                }
                file.set(.tensors, part, at: 12, Int32(k == 0 ? 20 : 18))
            }
            let token: UInt32 = 7
            let table = layer(file, file.embedding), FR = Int(Int32(bitPattern: file.field(.model, at: 24)))
            let q = table.rowScales[Int(token)]
            let x = table.weights[Int(token)].map { Exact.scale(Int128($0) * (2048 + Int128(q % 2048)), Int(q / 2048) + table.exponent - FR) }
            let input = ArithmeticReference.quantise(x, FR, bits)
            let y0 = ArithmeticReference.linear(layer(file, parts[0]), input.codes, bits: bits, m: input.m, e: input.e, fixed: nil)
            let t = ArithmeticReference.linear(layer(file, parts[1]), input.codes, bits: bits, m: input.m, e: input.e, fixed: nil)
            let narrow = ArithmeticReference.quantise(t.y, t.F, upBits)
            // Both terms of about one size, and logits of about 20 bits.
            let free = ArithmeticReference.linear(layer(file, parts[2]), narrow.codes, bits: upBits, m: narrow.m, e: narrow.e, fixed: nil)
            let exponent = Int(Int32(bitPattern: file.field(.tensors, parts[2], at: 12))) + y0.F - free.F
            file.set(.tensors, parts[2], at: 12, Int32(max(-64, min(127, exponent + numbers.int(-2...2)))))
            let logitBits = max(-32, min(62, y0.F - numbers.int(5...9)))
            file.set(.model, at: 288, Int32(logitBits))
            let y = ArithmeticReference.linear(layer(file, parts[0]), input.codes, bits: bits, m: input.m, e: input.e, fixed: logitBits)
            let v = ArithmeticReference.linear(layer(file, parts[2]), narrow.codes, bits: upBits, m: narrow.m, e: narrow.e, fixed: logitBits)
            let want = zip(y.y, v.y).map { Exact.sat32(Int128($0) + Int128($1)) }
            // Ternary codes may give nothing.
            if want != y.y, want != v.y { counts += 1 }
            for kernels in KernelSet.runnable {
                for threads in [1, 2] {
                    let got = try run.run(file.bytes(), tokens: [token], batch: 1, threads: threads, kernels: kernels, fill: 0xA5)
                    #expect(got.logits[0] == want, "\(kernels), round \(round), down \(down), up \(up)")
                }
            }
        }
        #expect(counts >= 4, "both terms count")
    }
}
