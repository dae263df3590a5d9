import FixedPoint
import Kernels

extension Check {
    mutating func quantizing() {
        var vector = Guarded(70 * 4), wanted = Guarded(128 * 4), got = Guarded(128 * 4)
        for count in 1...70 {
            for _ in 0..<4 {
                let x = vector.take(count, of: Int32.self)
                numbers.fill(x, count)
                quantizing(x, count, numbers.pick([0, 1, (4 - count % 4) % 4, 16, numbers.int(0...40)]), &wanted, &got)
            }
        }
        quantizingHeads()
    }

    /// All forms, apart from the vector and in its place.
    private mutating func quantizing(
        _ x: UnsafePointer<Int32>, _ count: Int, _ padding: Int, _ wanted: inout Guarded, _ got: inout Guarded
    ) {
        let padded = count + padding, fractionBits = numbers.int(-100...200)
        let most = numbers.once(in: 2) ? nil : maximumMagnitude(x, count: count)
        let forms: InlineArray<3, CodeForm> = [.int8, .int16, .planes]
        for k in 0..<3 {
            let form = forms[k], bytes = padded * form.bits / 8
            begin("quantize", [Size("bits", form.bits), Size("planes", form == .planes ? 1 : 0), Size("elements", count), Size("padding", padding)])
            // Planes are compared with codes of 16 bits.
            let codes = wanted.take(bytes, of: UInt8.self), other = got.take(bytes, of: UInt8.self)
            let scale = quantize(
                x, count: count, fractionBits: fractionBits, form: form == .int8 ? .int8 : .int16, into: codes, paddedCount: padded)
            for i in 0..<bytes { other[i] = 0x55 }
            let otherScale = quantize(
                x, count: count, fractionBits: fractionBits, form: form, into: other, paddedCount: padded, maximum: most, kernels)
            if form == .planes {
                var areSame = true
                for j in 0..<padded where codes[2 * j] != other[padded + j] || codes[2 * j + 1] != other[j] { areSame = false }
                expect(areSame && scale == otherScale && got.isIntact)
                continue
            }
            expect(areEqual(codes, other, bytes) && scale == otherScale && got.isIntact)
            let place = UnsafeMutableRawPointer(got.take(max(4 * count, (bytes + 3) / 4 * 4), of: UInt8.self))
            place.copyMemory(from: x, byteCount: 4 * count)
            let placeScale = quantize(
                place.assumingMemoryBound(to: Int32.self), count: count, fractionBits: fractionBits, form: form, into: place,
                paddedCount: padded, kernels)
            expect(areEqual(codes, place.assumingMemoryBound(to: UInt8.self), bytes) && scale == placeScale && got.isIntact)
        }
    }

    private mutating func quantizingHeads() {
        let most = 4 * (2 * 70 + 21)
        var vector = Guarded(most * 4), wanted = Guarded(most * 4), got = Guarded(most * 4)
        var wantedScales = Guarded(4 * 8), gotScales = Guarded(4 * 8)
        for size in 1...70 {
            let strides: InlineArray<5, Int> = [size, size + 1, (size + 1) / 2 * 2, 2 * size, size + 21]
            for k in 0..<5 {
                let stride = strides[k], heads = numbers.int(1...4), fractionBits = numbers.int(-150...219)
                begin("quantizeHeads", [Size("heads", heads), Size("elements", size), Size("stride", stride)])
                let x = vector.take(heads * size, of: Int32.self), codes = wanted.take(heads * stride, of: Int16.self)
                var other = got.take(heads * stride, of: Int16.self)
                let scales = wantedScales.take(heads, of: VectorScale.self), otherScales = gotScales.take(heads, of: VectorScale.self)
                for h in 0..<heads { numbers.fill(x + h * size, size) }
                for i in 0..<heads * stride { (codes[i], other[i]) = (0x5A5A, 0x5A5A) }
                quantizeHeads(x, headCount: heads, headSize: size, fractionBits: fractionBits, into: codes, codeStride: stride, scales: scales)
                quantizeHeads(
                    x, headCount: heads, headSize: size, fractionBits: fractionBits, into: other, codeStride: stride, scales: otherScales,
                    kernels)
                var areSame = areEqual(codes, other, heads * stride) && got.isIntact && gotScales.isIntact
                for h in 0..<heads where scales[h] != otherScales[h] { areSame = false }
                expect(areSame)

                // In the place of the heads, which must lie no nearer than their codes.
                if stride > 2 * size { continue }
                let place = got.take(heads * size, of: Int32.self)
                place.update(from: x, count: heads * size)
                other = UnsafeMutableRawPointer(place).assumingMemoryBound(to: Int16.self)
                quantizeHeads(
                    place, headCount: heads, headSize: size, fractionBits: fractionBits, into: other, codeStride: stride,
                    scales: otherScales, kernels)
                areSame = got.isIntact
                for h in 0..<heads where scales[h] != otherScales[h] || !areEqual(codes + h * stride, other + h * stride, size) {
                    areSame = false
                }
                expect(areSame)
            }
        }
    }
}
