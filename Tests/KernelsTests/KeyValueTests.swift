import Kernels
import TestSupport
import Testing

/// Where keys and values lie.
@Suite struct KeyValueTests {
    /// What `KeyValueHead` says of its memory, for one position after another, in any order.
    @Test(arguments: [1, 2, 3, 4, 5, 7, 8, 16, 33], KeyValueType.all) func everyPositionHasItsPlace(_ size: Int, _ type: KeyValueType) {
        var numbers = SeededNumbers(seed: UInt64(size))
        let count = 37, groups = 3, capacity = groups * 16
        let keys = GuardedArray<UInt8>(garbage: type.keyByteCount(capacity: capacity, headSize: size), &numbers)
        let values = GuardedArray<UInt8>(garbage: type.valueByteCount(capacity: capacity, headSize: size), &numbers)
        let scales = (0..<2).map { _ in GuardedArray<Int32>(garbage: capacity, &numbers) }
        defer { withExtendedLifetime((keys, values, scales)) {} }
        let head = KeyValueHead(
            type: type, keys: keys.pointer, values: values.pointer, keyScales: scales[0].pointer, valueScales: scales[1].pointer)
        var (wantKeys, wantValues, wantScales) = (keys.elements, values.elements, scales.map(\.elements))
        // Elements of a position in a line of 64 bytes, and lines of a group of 16.
        let (keyBytes, across) = (type == .int16 ? 2 : 1, type == .int16 ? 2 : 4), lines = (size + across - 1) / across
        for t in (0..<count).shuffled(using: &numbers) {
            func codes(_ bits: Int) -> [UInt8] { (0..<size * max(8, bits) / 8).map { _ in UInt8(numbers.int(0...(bits == 4 ? 15 : 255))) } }
            let key = GuardedArray(codes(type.keyBits)), value = GuardedArray(codes(type.valueBits))
            let both = (0..<2).map { _ in VectorScale(mantissa: Int32(numbers.int(0...131_071)), exponent: Int32(numbers.int(-16_384...16_383))) }
            withExtendedLifetime((key, value)) {
                head.setKey(key.pointer, both[0], position: t, headSize: size)
                head.setValue(value.pointer, both[1], position: t, headSize: size)
            }
            for i in 0..<across * lines {
                for b in 0..<keyBytes {
                    let place = ((t / 16 * lines + i / across) * 16 + t % 16) * 4 + i % across * keyBytes + b
                    wantKeys[place] = i < size ? key.elements[i * keyBytes + b] : 0
                }
            }
            for i in 0..<size {
                switch type {
                case .int16: for b in 0..<2 { wantValues[((t / 2 * size + i) * 2 + t % 2) * 2 + b] = value.elements[2 * i + b] }
                case .int8: wantValues[(t / 4 * size + i) * 4 + t % 4] = value.elements[i]
                case .int4:
                    let place = (t / 8 * size + i) * 4 + t % 4, old = wantValues[place]
                    wantValues[place] = t % 8 < 4 ? old / 16 * 16 + value.elements[i] : old % 16 + value.elements[i] * 16
                }
            }
            for k in 0..<2 { wantScales[k][t] = both[k].exponent * 131_072 + both[k].mantissa }
            #expect(keys.elements == wantKeys && values.elements == wantValues && scales.map(\.elements) == wantScales, "position \(t)")
            #expect(scales.indices.allSatisfy { VectorScale(packed: scales[$0].elements[t]) == both[$0] })
        }
    }

    /// Positions that are restored together, from any first to any last, and what no session has at any place of them.
    @Test(arguments: [1, 2, 3, 5, 8, 16, 33], KeyValueType.all) func aRunIsRestoredAsItsPositionsAre(_ size: Int, _ type: KeyValueType) {
        var numbers = SeededNumbers(seed: UInt64(size) + 100)
        let capacity = 48, stride = type.positionByteCount(headSize: size), keyBytes = size * type.keyBits / 8
        let keys = (0..<2).map { _ in GuardedArray<UInt8>(garbage: type.keyByteCount(capacity: capacity, headSize: size), &numbers) }
        let values = (0..<2).map { _ in GuardedArray<UInt8>(garbage: type.valueByteCount(capacity: capacity, headSize: size), &numbers) }
        let scales = (0..<4).map { _ in GuardedArray<Int32>(garbage: capacity, &numbers) }
        defer { withExtendedLifetime((keys, values, scales)) {} }
        let heads = (0..<2).map {
            KeyValueHead(
                type: type, keys: keys[$0].pointer, values: values[$0].pointer, keyScales: scales[2 * $0].pointer,
                valueScales: scales[2 * $0 + 1].pointer)
        }
        for (first, end) in [(0, 48), (0, 7), (0, 8), (5, 6), (3, 29), (8, 16), (16, 47), (15, 33)] {
            for k in 0..<2 {
                keys[1].pointer.update(from: keys[0].pointer, count: keys[0].count)
                values[1].pointer.update(from: values[0].pointer, count: values[0].count)
                scales[2 + k].pointer.update(from: scales[k].pointer, count: capacity)
            }
            // What the file has of them, and the same one by one into the first head.
            var file: [UInt8] = []
            for position in first..<end {
                let both = (0..<2).map { _ in VectorScale(mantissa: Int32(numbers.int(16_384...131_071)), exponent: Int32(numbers.int(-1_024...1_023))) }
                func codes(_ bits: Int) -> [UInt8] {
                    (0..<size).flatMap { _ -> [UInt8] in
                        let code = numbers.int(bits == 4 ? 0...15 : -(1 << (bits - 1)) + 1...(1 << (bits - 1)) - 1)
                        return bits == 16 ? [UInt8(code & 255), UInt8(code >> 8 & 255)] : [UInt8(code & 255)]
                    }
                }
                let key = codes(type.keyBits), value = codes(type.valueBits)
                for scale in both { file += withUnsafeBytes(of: scale.packed.littleEndian) { Array($0) } }
                file += key
                if type == .int4 {
                    for k in 0..<(size + 1) / 2 { file.append(value[2 * k] | (2 * k + 1 < size ? value[2 * k + 1] << 4 : 0)) }
                } else {
                    file += value
                }
                heads[0].setKey(key, both[0], position: position, headSize: size)
                heads[0].setValue(value, both[1], position: position, headSize: size)
            }
            func restored(_ bytes: [UInt8]) -> Bool {
                let copy = GuardedMemory(bytes, alignment: 2)
                return withExtendedLifetime(copy) { heads[1].restore(first..<end, headSize: size, from: copy.base) }
            }
            #expect(file.count == (end - first) * stride && restored(file))
            #expect(keys[0].elements == keys[1].elements && values[0].elements == values[1].elements, "\(first)..<\(end)")
            #expect(scales[0].elements == scales[2].elements && scales[1].elements == scales[3].elements)

            // A mantissa too small, an exponent too large, the least code, half a pair too many.
            for position in [0, (end - first) / 2, end - first - 1] {
                var lies: [(Int, [UInt8])] = [(0, [0xFF, 0x3F, 0, 0]), (4, [0, 0x40, 0, 0x08])]
                lies.append((8 + keyBytes - type.keyBits / 8, type == .int16 ? [0, 0x80] : [0x80]))
                switch type {
                case .int16: lies.append((stride - 2, [0, 0x80]))
                case .int8: lies.append((stride - 1, [0x80]))
                case .int4: if size % 2 == 1 { lies.append((stride - 1, [0x10])) }
                }
                for (offset, lie) in lies {
                    var bytes = file
                    bytes.replaceSubrange(position * stride + offset..<position * stride + offset + lie.count, with: lie)
                    #expect(!restored(bytes), "position \(position) of \(first)..<\(end), byte \(offset)")
                }
            }
        }
    }

    /// Bytes of a head, counted by hand.
    @Test func sizesAreExact() {
        #expect(KeyValueType.all.map { $0.keyByteCount(capacity: 32, headSize: 7) } == [32 * 16, 32 * 8, 32 * 8])
        #expect(KeyValueType.all.map { $0.valueByteCount(capacity: 32, headSize: 7) } == [32 * 14, 32 * 7, 16 * 7])
        #expect(KeyValueType.all.map { $0.keyByteCount(capacity: 16, headSize: 48) } == [1_536, 768, 768])
        #expect(KeyValueType.all.map { $0.valueByteCount(capacity: 16, headSize: 48) } == [1_536, 768, 384])
    }
}
