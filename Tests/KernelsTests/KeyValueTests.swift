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

    /// Bytes of a head, counted by hand.
    @Test func sizesAreExact() {
        #expect(KeyValueType.all.map { $0.keyByteCount(capacity: 32, headSize: 7) } == [32 * 16, 32 * 8, 32 * 8])
        #expect(KeyValueType.all.map { $0.valueByteCount(capacity: 32, headSize: 7) } == [32 * 14, 32 * 7, 16 * 7])
        #expect(KeyValueType.all.map { $0.keyByteCount(capacity: 16, headSize: 48) } == [1_536, 768, 768])
        #expect(KeyValueType.all.map { $0.valueByteCount(capacity: 16, headSize: 48) } == [1_536, 768, 384])
    }
}
