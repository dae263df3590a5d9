import CKernels
import FixedPoint
import Kernels
import ModelFile

extension Check {
    /// Greatest magnitude, least element, index of the greatest.
    mutating func searching() {
        var vector = Guarded(1_000 * 4)
        for count in 1...71 {
            for round in 0..<8 {
                let n = count == 71 ? 1_000 : count, x = vector.take(n, of: Int32.self)
                numbers.fill(x, n)
                // One of them stands out, or some are equal.
                if round % 4 == 1 { x[numbers.int(0...n - 1)] = numbers.end() }
                if round % 4 == 2 { for i in 0..<n { x[i] = Int32(numbers.int(-2...2)) } }
                begin("maximumMagnitude", [Size("elements", n)])
                expect(maximumMagnitude(x, count: n) == maximumMagnitude(x, count: n, kernels))
                begin("minimum", [Size("elements", n)])
                expect(minimum(x, count: n, .baseline) == minimum(x, count: n, kernels))
                begin("indexOfGreatest", [Size("elements", n)])
                expect(indexOfGreatest(x, count: n, .baseline) == indexOfGreatest(x, count: n, kernels))
            }
        }
    }

    mutating func norms() {
        var vector = Guarded(70 * 4), weights = Guarded(70 * 4), biases = Guarded(70 * 4), wanted = Guarded(70 * 4), got = Guarded(70 * 4)
        for size in 1...70 {
            for round in 0..<12 {
                let x = vector.take(size, of: Int32.self), weight = weights.take(size, of: Int32.self)
                let bias = biases.take(size, of: Int32.self), y = wanted.take(size, of: Int32.self), z = got.take(size, of: Int32.self)
                numbers.fill(x, size)
                numbers.fill(weight, size)
                numbers.fill(bias, size)
                let isUsual = round % 3 != 0, isLayer = round % 2 == 0, hasBias = round % 4 < 2
                let fractionBits = isUsual ? numbers.int(0...24) : numbers.pick([-32, 62, numbers.int(-32...62)])
                let weightBits = isUsual ? 28 : numbers.int(-32...62), outputBits = isUsual ? 24 : numbers.int(-32...62)
                let epsilon = numbers.pick([0, 184_467_440_737_096, numbers.next() >> UInt64(numbers.int(0...63)), .max])
                let norm = Norm(
                    subtractsMean: isLayer, weight: weight, weightFractionBits: weightBits, bias: hasBias ? UnsafePointer(bias) : nil,
                    outputFractionBits: outputBits, epsilon: epsilon)
                begin("Norm", [Size("elements", size), Size("layer", isLayer ? 1 : 0), Size("bias", hasBias ? 1 : 0), Size("fraction bits", fractionBits)])
                let most = norm.apply(x, size: size, fractionBits: fractionBits, into: y)
                let otherMost = norm.apply(x, size: size, fractionBits: fractionBits, into: z, kernels)
                expect(areEqual(y, z, size) && most == otherMost && got.isIntact)
                z.update(from: x, count: size)
                let placeMost = norm.apply(z, size: size, fractionBits: fractionBits, into: z, kernels)
                expect(areEqual(y, z, size) && most == placeMost && got.isIntact)
            }
        }
    }

    mutating func rotating() {
        var wanted = Guarded(7 * 70 * 4), got = Guarded(7 * 70 * 4), table = Guarded(70 * 2)
        for pairs in 1...35 {
            for heads in 1...7 {
                let size = 2 * pairs, count = heads * size
                let x = wanted.take(count, of: Int32.self), y = got.take(count, of: Int32.self), row = table.take(size, of: Int16.self)
                numbers.fill(x, count)
                y.update(from: x, count: count)
                for i in 0..<size { row[i] = Int16(numbers.pick([-32_768, 32_767, 16_384, 0, numbers.int(-32_768...32_767)])) }
                begin("rotate", [Size("heads", heads), Size("elements", size)])
                rotate(x, headCount: heads, headSize: size, row: row)
                rotate(y, headCount: heads, headSize: size, row: row, kernels)
                expect(areEqual(x, y, count) && got.isIntact)
            }
        }
    }

    mutating func activating() {
        let most = 1_000
        var wanted = Guarded(most * 4), got = Guarded(most * 4)
        for activation in 0..<2 {
            for count in 1...40 {
                for round in 0..<6 {
                    let x = wanted.take(count, of: Int32.self)
                    // Of any size, or such that the tables are met.
                    for i in 0..<count { x[i] = round % 2 == 0 ? numbers.int32() : numbers.int32() >> 6 }
                    let fractionBits = round < 2 ? 20 : round < 4 ? numbers.int(-3...31) : numbers.int(-150...219)
                    activating(activation, x, count, fractionBits, &wanted, &got)
                }
            }
            // Arguments in steps: of the tables, and of all numbers.
            let steps: InlineArray<2, (first: Int64, end: Int64, step: Int64)> = [
                (-17_000_000, 17_000_000, 2_111 + Int64(numbers.int(0...20))),
                (Int64(Int32.min), Int64(Int32.max), 299_993 + Int64(numbers.int(0...20))),
            ]
            for k in 0..<2 {
                var next = steps[k].first
                while next <= steps[k].end {
                    let count = Int(min(Int64(most), (steps[k].end - next) / steps[k].step + 1)), x = wanted.take(count, of: Int32.self)
                    for i in 0..<count { x[i] = Int32(next + Int64(i) * steps[k].step) }
                    activating(activation, x, count, 20, &wanted, &got)
                    next += Int64(count) * steps[k].step
                }
            }
            tableEnd(activation, &got)
        }
    }

    private mutating func activating(
        _ activation: Int, _ x: UnsafeMutablePointer<Int32>, _ count: Int, _ fractionBits: Int, _ wanted: inout Guarded, _ got: inout Guarded
    ) {
        let y = got.take(count, of: Int32.self), kind = activation == 0 ? Activation.gelu : .silu
        y.update(from: x, count: count)
        begin(activation == 0 ? "activate gelu" : "activate silu", [Size("elements", count), Size("fraction bits", fractionBits)])
        let activated = activate(x, count: count, fractionBits: fractionBits, kind, nil)
        let other = activate(y, count: count, fractionBits: fractionBits, kind, nil, kernels)
        let most = maximumMagnitude(x, count: count)
        expect(areEqual(x, y, count) && activated.fractionBits == other.fractionBits && (other.maximum ?? most) == most && got.isIntact)
    }

    /// Nothing beyond the 1,025 entries of a table is read.
    private mutating func tableEnd(_ activation: Int, _ got: inout Guarded) {
        var memory = Guarded(1_025 * 4)
        let table = memory.take(1_025, of: UInt32.self), shift: Int32 = activation == 0 ? 13 : 14
        for i in 0..<1_025 { table[i] = activation == 0 ? withNormalTable { $0[i] } : withSigmoidTable { $0[i] } }
        begin(activation == 0 ? "activate gelu" : "activate silu", [Size("elements", 160)])
        let y = got.take(160, of: Int32.self)
        for i in 0..<160 { y[i] = (i < 80 ? 1 : -1) * (Int32(1) << (shift + 10)) + Int32(i % 80 - 40) }
        _ = stlm_activate(UInt32(kernels.rawValue), y, 160, 20, table, shift)
        var areSame = got.isIntact
        for i in 0..<160 {
            let x = (i < 80 ? 1 : -1) * (Int32(1) << (shift + 10)) + Int32(i % 80 - 40)
            if y[i] != scale(Int64(x) * (activation == 0 ? normal(x) : sigmoid(x)), 31) { areSame = false }
        }
        expect(areSame)
    }

    mutating func gating() {
        var ups = Guarded(70 * 4), wanted = Guarded(70 * 4), got = Guarded(70 * 4)
        for count in 1...70 {
            for round in 0..<6 {
                let up = ups.take(count, of: Int32.self), x = wanted.take(count, of: Int32.self), y = got.take(count, of: Int32.self)
                numbers.fill(up, count)
                numbers.fill(x, count)
                y.update(from: x, count: count)
                var gate = activate(x, count: count, fractionBits: numbers.int(-150...219), .identity, nil)
                // Without the gate's magnitude, and with any: one too small makes the products saturate.
                if round % 3 == 1 { gate.maximum = maximumMagnitude(x, count: count) }
                if round % 3 == 2 { gate.maximum = UInt32(truncatingIfNeeded: numbers.next()) >> UInt32(numbers.int(0...31)) }
                begin("multiplyGate", [Size("elements", count), Size("magnitude", Int(clamping: gate.maximum ?? 0))])
                let product = multiplyGate(x, gate, up, upFractionBits: 7, count: count)
                let other = multiplyGate(y, gate, up, upFractionBits: 7, count: count, kernels)
                let most = maximumMagnitude(x, count: count)
                expect(areEqual(x, y, count) && product.fractionBits == other.fractionBits && (other.maximum ?? most) == most && got.isIntact)
            }
        }
    }

    mutating func reading() {
        var memory = Guarded(40 * 256)
        for lines in 0...40 {
            let words = memory.take(32 * lines, of: UInt64.self)
            numbers.fillAny(words, 32 * lines)
            begin("readAll", [Size("bytes", 256 * lines)])
            let bytes = UnsafeRawBufferPointer(start: words, count: 256 * lines)
            expect(readAll(bytes, .baseline) == readAll(bytes, kernels))
        }
    }

    mutating func checksums() {
        var memory = Guarded(1_000)
        for round in 0..<400 {
            let count = round < 300 ? round : numbers.int(300...1_000), bytes = memory.take(count, of: UInt8.self)
            numbers.fillAny(bytes, count)
            begin("checksum", [Size("bytes", count)])
            var wanted = CRC32()
            wanted.state = UInt32(truncatingIfNeeded: numbers.next())
            var got = wanted
            wanted.update(bytes, byteCount: count)
            got.update(bytes, byteCount: count, kernels)
            expect(wanted.state == got.state)
        }
    }
}
