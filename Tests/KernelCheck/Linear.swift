import FixedPoint
import Kernels
import ModelFile

/// A layer, its input and results, each before a page of its own.
private struct LinearMemory: ~Copyable {
    static let mostColumns = 16_384, mostRows = 40, mostVectors = 70, mostGap = 9

    var codes = Guarded(48 * (mostColumns + 40) * 2)
    var rowScales = Guarded(48 * 2)
    var bias = Guarded(mostRows * 4)
    var activations = Guarded(13 * (mostColumns * 2 + 128))
    var planes = Guarded(13 * (mostColumns * 2 + 128))
    var scales = Guarded(mostVectors * 8)
    var fractionBits = Guarded(mostVectors * 8)
    var shifts = Guarded(mostVectors * 8)
    var wanted = Guarded(mostVectors * (mostRows + mostGap) * 4)
    var got = Guarded(mostVectors * (mostRows + mostGap) * 4)
}

private struct LinearKind {
    var encoding: Encoding
    var activationBits: Int
}

extension Check {
    mutating func linear(_ round: Int) {
        var memory = LinearMemory()
        let encodings: InlineArray<9, Encoding> = [
            .int8Rows, .int16Rows, .int2Groups, .int3Groups, .int4Groups, .int5Groups, .int6Groups, .ternary5, .ternary4,
        ]
        // Where kernels go over from 32 to 64 bits, and to other tiles.
        let wide: InlineArray<8, Int> = [239, 241, 255, 512, 993, 1_024, 4_097, LinearMemory.mostColumns]
        for k in 0..<18 where k != 2 {
            let kind = LinearKind(encoding: encodings[k / 2], activationBits: k % 2 == 0 ? 8 : 16)
            let isPacked = k > 3, most = kind.encoding.groupBits > 0 ? Limit.groupColumns : LinearMemory.mostColumns
            // A seventh of the shapes, other ones in each round, and fewer where there are many encodings.
            let every = isPacked ? 49 : 7
            for rows in 1...LinearMemory.mostRows {
                for columns in 1...70 where (3 * rows + columns) % every == (isPacked ? 7 * k + round : round) % every {
                    linear(kind, rows, columns, vectors: numbers.int(1...13), &memory)
                }
            }
            for w in 0..<8 where !isPacked || (w + k + round) % 4 == 0 {
                linear(kind, numbers.int(1...LinearMemory.mostRows), min(most, wide[w]), vectors: numbers.int(1...5), &memory)
                linear(kind, numbers.int(1...18), min(most, wide[w]), vectors: numbers.int(1...5), isGreatest: true, &memory)
            }
            // More vectors than are done at once.
            if isPacked {
                let vectors = numbers.int(65...LinearMemory.mostVectors)
                linear(kind, numbers.int(1...LinearMemory.mostRows), numbers.int(1...400), vectors: vectors, &memory)
            }
        }
    }

    /// - Parameters:
    ///   - isGreatest: of all sums the greatest
    private mutating func linear(
        _ kind: LinearKind, _ rows: Int, _ columns: Int, vectors: Int, isGreatest: Bool = false, _ memory: inout LinearMemory
    ) {
        let isPlain = numbers.once(in: 2)
        let layer = layer(kind, rows, columns, isGreatest, &memory)
        let codes = activations(layer, columns, vectors, gap: isPlain ? 0 : numbers.int(1...16) * 2, isGreatest, &memory)
        let scales = memory.scales.take(vectors, of: VectorScale.self)
        for v in 0..<vectors { scales[v] = VectorScale(mantissa: Int32(numbers.int(32_770...66_053)), exponent: Int32(numbers.int(-41...92))) }

        // The shift of the first vector's results, but for P. Its far ends leave room for those of the other vectors and of the bias.
        let near = numbers.int(8...40), far = numbers.pick([-1 << 30 + 1_000, -65_536, 65_536, 1 << 30 - 1_000])
        let chosen = isGreatest ? near : numbers.pick([near, near, numbers.int(-100...110), far])
        let center = layer.matrix.exponent + Int(scales[0].exponent)
        let output = numbers.once(in: 3) ? LinearOutput.floating : .fixed(fractionBits: center - chosen)

        let stride = rows + (isPlain ? 0 : numbers.int(0...LinearMemory.mostGap)), count = (vectors - 1) * stride + rows
        let wanted = memory.wanted.take(count, of: Int32.self), got = memory.got.take(count, of: Int32.self)
        numbers.fill(wanted, count)
        got.update(from: wanted, count: count)
        let fractionBits = memory.fractionBits.take(vectors, of: Int.self), shifts = memory.shifts.take(2 * vectors, of: Int32.self)
        let accumulates = numbers.once(in: 3), isInPlanes = layer.codeForm(kernels) == .planes
        // All blocks in two parts, or only some of them.
        let blocks = layer.matrix.blockCount, isWhole = !numbers.once(in: 4)
        let first = isWhole ? 0 : numbers.int(0...blocks), end = isWhole ? blocks : numbers.int(first...blocks)
        let middle = numbers.int(first...end)

        begin(kind.encoding.name, [
            Size("activation bits", kind.activationBits),
            Size("rows", rows), Size("columns", columns), Size("vectors", vectors), Size("first block", first), Size("middle", middle), Size("end", end),
        ])
        let reference = LinearRun(
            layer, codes: codes.plain, codeStride: codes.stride, scales: scales, vectorCount: vectors, output: output,
            fractionBits: fractionBits, shifts: shifts, result: wanted, resultStride: stride, accumulate: accumulates, kernels: .baseline)
        reference.apply(blocks: first..<end)
        let run = LinearRun(
            layer, codes: isInPlanes ? codes.planes : codes.plain, codeStride: codes.stride, scales: scales, vectorCount: vectors,
            output: output, fractionBits: fractionBits, shifts: shifts, result: got, resultStride: stride, accumulate: accumulates,
            kernels: kernels)
        run.apply(blocks: middle..<end)
        run.apply(blocks: first..<middle)
        expect(areEqual(wanted, got, count) && memory.got.isIntact)
    }

    /// Codes at random or at their ends, row scales of every shift, and a bias half of the time.
    private mutating func layer(
        _ kind: LinearKind, _ rows: Int, _ columns: Int, _ isGreatest: Bool, _ memory: inout LinearMemory
    ) -> Linear {
        let encoding = kind.encoding, blocks = (rows + 15) / 16, pattern = isGreatest ? numbers.int(1...2) : numbers.int(0...3)
        // Of rows codes alone, whose row scales are elsewhere; of groups all.
        let byteCount = encoding.byteCount(rows: rows, columns: columns) - (encoding.packedCodes == nil ? 32 * blocks : 0)
        let codes = memory.codes.take(byteCount, of: UInt8.self)
        for i in 0..<byteCount {
            let any = UInt8(truncatingIfNeeded: numbers.next())
            // The last byte of a code has its sign; of packed codes all bits are alike.
            let isLast = encoding == .int8Rows || i % 2 == 1
            let most: UInt8 = encoding.packedCodes == nil && isLast ? 0x7F : 0xFF
            codes[i] = switch pattern {
            case 0: any
            case 1: most
            case 2: ~most
            default: any & 1 == 0 ? most : ~most
            }
        }
        let rowScales = memory.rowScales.take(16 * blocks, of: UInt16.self), firstDown = numbers.int(0...31)
        for r in 0..<16 * blocks {
            rowScales[r] = UInt16((firstDown + r) % 32) << 11 | (pattern == 0 ? UInt16(numbers.int(0...2_047)) : 2_047)
        }
        var matrix = Matrix(
            encoding, bytes: codes, rows: rows, columns: columns, exponent: numbers.pick([-64, 127, numbers.int(-10...40)]))
        if encoding.groupBits > 0 {
            let scales = codes + (matrix.groupScales - UnsafePointer(codes))
            for i in 0..<blocks * ((columns + 31) / 32) * 16 where pattern != 0 { scales[i] = 0xFF }
            for k in 0..<encoding.levelCount {
                let level = pattern == 0 ? numbers.int(-64...64) : k == 0 ? -64 : k == encoding.levelCount - 1 || numbers.once(in: 2) ? 64 : -64
                codes[byteCount - encoding.levelCount + k] = UInt8(truncatingIfNeeded: level)
            }
        }
        matrix.rowScales = UnsafePointer(rowScales)
        var bias: UnsafePointer<Int32>?
        if numbers.once(in: 2) {
            let place = memory.bias.take(rows, of: Int32.self)
            numbers.fill(place, rows)
            bias = UnsafePointer(place)
        }
        return Linear(
            matrix: matrix, bias: bias, biasFractionBits: numbers.pick([-32, 62, numbers.int(0...40)]), activationBits: kind.activationBits)
    }

    /// Vectors `gap` bytes apart, and the same in planes where codes of 16 bits meet weights of 8.
    private mutating func activations(
        _ layer: Linear, _ columns: Int, _ vectors: Int, gap: Int, _ isGreatest: Bool, _ memory: inout LinearMemory
    ) -> (plain: UnsafeMutableRawPointer, planes: UnsafeMutableRawPointer, stride: Int) {
        let padded = layer.paddedColumns, bytes = padded * layer.activationBits / 8, stride = bytes + gap, limit = 1 << (layer.activationBits - 1) - 1
        let count = vectors * stride - gap, atEnds = isGreatest || numbers.once(in: 2), sign = isGreatest ? 1 : numbers.int(0...2)
        let plain = memory.activations.take(count, of: UInt8.self), planes = memory.planes.take(count, of: UInt8.self)
        for i in 0..<count { (plain[i], planes[i]) = (0x7B, 0x7B) }
        for v in 0..<vectors {
            for j in 0..<padded {
                // Ends of one sign give the greatest sums.
                let isLow = sign == 0 ? numbers.once(in: 2) : (v + sign) % 2 == 0
                let code = j >= columns ? 0 : !atEnds ? numbers.int(-limit...limit) : isLow ? -limit : limit
                let place = UnsafeMutableRawPointer(plain + v * stride)
                if layer.activationBits == 8 {
                    place.storeBytes(of: Int8(code), toByteOffset: j, as: Int8.self)
                } else {
                    place.storeBytes(of: Int16(code), toByteOffset: 2 * j, as: Int16.self)
                    planes[v * stride + j] = UInt8(truncatingIfNeeded: code >> 8)
                    planes[v * stride + padded + j] = UInt8(truncatingIfNeeded: code)
                }
            }
        }
        return (UnsafeMutableRawPointer(plain), UnsafeMutableRawPointer(planes), stride)
    }
}
