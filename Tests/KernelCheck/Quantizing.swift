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
        var parts = HeadParts()
        for size in 1...70 {
            let strides: InlineArray<5, Int> = [size, size + 1, (size + 1) / 2 * 2, 2 * size, size + 21]
            for k in 0..<5 {
                quantizingHeads(size, strides[k], .int16, &parts)
                quantizingHeads(size, strides[k], .int8, &parts)
            }
            quantizingLeast(size, &parts)
        }
    }

    private mutating func quantizingHeads(_ size: Int, _ stride: Int, _ form: CodeForm, _ parts: inout HeadParts) {
        let heads = numbers.int(1...4), fractionBits = numbers.int(-150...219), bytes = heads * stride * form.bits / 8
        begin("quantizeHeads", [Size("bits", form.bits), Size("heads", heads), Size("elements", size), Size("stride", stride)])
        let x = parts.vector.take(heads * size, of: Int32.self), codes = parts.wanted.take(bytes, of: UInt8.self)
        let other = parts.got.take(bytes, of: UInt8.self)
        let scales = parts.wantedScales.take(heads, of: VectorScale.self), otherScales = parts.gotScales.take(heads, of: VectorScale.self)
        for h in 0..<heads { numbers.fill(x + h * size, size) }
        for i in 0..<bytes { (codes[i], other[i]) = (0x5A, 0x5A) }
        quantizeHeads(x, headCount: heads, headSize: size, fractionBits: fractionBits, form: form, into: codes, codeStride: stride, scales: scales)
        quantizeHeads(
            x, headCount: heads, headSize: size, fractionBits: fractionBits, form: form, into: other, codeStride: stride, scales: otherScales,
            kernels)
        var areSame = areEqual(codes, other, bytes) && parts.got.isIntact && parts.gotScales.isIntact
        for h in 0..<heads where scales[h] != otherScales[h] { areSame = false }
        expect(areSame)

        // In the place of the heads, which must lie no nearer than their codes.
        if stride > 2 * size { return }
        let place = parts.got.take(heads * size, of: Int32.self)
        place.update(from: x, count: heads * size)
        quantizeHeads(
            place, headCount: heads, headSize: size, fractionBits: fractionBits, form: form, into: place, codeStride: stride,
            scales: otherScales, kernels)
        areSame = parts.got.isIntact
        let placed = UnsafeRawPointer(place).assumingMemoryBound(to: UInt8.self)
        for h in 0..<heads {
            let start = h * stride * form.bits / 8
            if scales[h] != otherScales[h] || !areEqual(codes + start, placed + start, size * form.bits / 8) { areSame = false }
        }
        expect(areSame)
    }

    /// Codes of 4 and 8 bits by the least error, apart from those of 16 bits and in their place.
    private mutating func quantizingLeast(_ size: Int, _ parts: inout HeadParts) {
        for k in 0..<8 {
            let isNibble = k % 2 == 0, limit = numbers.pick([1, 2_000, 32_767, 32_767])
            begin("quantizeLeast", [Size("bits", isNibble ? 4 : 8), Size("elements", size), Size("limit", limit)])
            let x = parts.vector.take(size, of: Int16.self), codes = parts.wanted.take(size, of: UInt8.self)
            for i in 0..<size { x[i] = Int16(limit > 2 && k == 6 ? (numbers.once(in: 2) ? -limit : limit) : numbers.int(-limit...limit)) }
            let scale = VectorScale(mantissa: Int32(numbers.int(32_769...65_539)), exponent: Int32(numbers.int(-150...250)))
            let wanted = isNibble ? quantizeNibbles(x, scale, count: size, into: codes) : quantizeBytes(x, scale, count: size, into: codes)
            let other = parts.got.take(size, of: UInt8.self)
            var scaled = isNibble
                ? quantizeNibbles(x, scale, count: size, into: other, kernels) : quantizeBytes(x, scale, count: size, into: other, kernels)
            expect(areEqual(codes, other, size) && scaled == wanted && parts.got.isIntact)
            scaled = isNibble ? quantizeNibbles(x, scale, count: size, into: x, kernels) : quantizeBytes(x, scale, count: size, into: x, kernels)
            let placed = UnsafeRawPointer(x).assumingMemoryBound(to: UInt8.self)
            expect(areEqual(codes, placed, size) && scaled == wanted && parts.vector.isIntact)
        }
    }
}

/// Heads and their codes, each before a page of its own.
private struct HeadParts: ~Copyable {
    static let mostBytes = 4 * (2 * 70 + 21) * 4

    var vector = Guarded(mostBytes)
    var wanted = Guarded(mostBytes)
    var got = Guarded(mostBytes)
    var wantedScales = Guarded(4 * 8)
    var gotScales = Guarded(4 * 8)
}
