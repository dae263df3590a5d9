import Kernels
import TestSupport
import Testing

/// Where keys and values lie.
@Suite struct KeyValueTests {
    /// What `KeyValueHead` says of its memory, for one position after another, in any order.
    @Test(arguments: [1, 2, 3, 4, 7, 16, 33]) func everyPositionHasItsPlace(_ size: Int) {
        var numbers = SeededNumbers(seed: UInt64(size))
        let count = 37, groups = 3, pairs = (size + 1) / 2
        let keys = GuardedArray<Int16>(garbage: groups * pairs * 32, &numbers), values = GuardedArray<Int16>(garbage: 38 * size, &numbers)
        let scales = (0..<4).map { _ in GuardedArray<Int32>(garbage: groups * 16, &numbers) }
        defer { withExtendedLifetime((keys, values, scales)) {} }
        let head = KeyValueHead(
            keys: keys.pointer, values: values.pointer, keyMantissas: scales[0].pointer, keyExponents: scales[1].pointer,
            valueMantissas: scales[2].pointer, valueExponents: scales[3].pointer)
        var (wantKeys, wantValues, wantScales) = (keys.elements, values.elements, scales.map(\.elements))
        for t in (0..<count).shuffled(using: &numbers) {
            let key = GuardedArray<Int16>(garbage: size, &numbers), value = GuardedArray<Int16>(garbage: size, &numbers)
            let four = (0..<4).map { _ in numbers.anyInt32() }
            withExtendedLifetime((key, value)) {
                head.setKey(key.pointer, VectorScale(mantissa: four[0], exponent: four[1]), position: t, headSize: size)
                head.setValue(value.pointer, VectorScale(mantissa: four[2], exponent: four[3]), position: t, headSize: size)
            }
            for i in 0..<2 * pairs { wantKeys[((t / 16 * pairs + i / 2) * 16 + t % 16) * 2 + i % 2] = i < size ? key.elements[i] : 0 }
            for i in 0..<size { wantValues[(t / 2 * size + i) * 2 + t % 2] = value.elements[i] }
            for k in 0..<4 { wantScales[k][t] = four[k] }
            #expect(keys.elements == wantKeys && values.elements == wantValues && scales.map(\.elements) == wantScales, "position \(t)")
        }
    }
}
