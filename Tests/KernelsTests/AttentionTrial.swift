import CKernels
import FixedPoint
import Kernels
import TestSupport

/// One query head over the positions of one key-value head, all quantised.
struct AttentionTrial {
    struct Vector {
        var codes: [Int16]
        var scale: VectorScale

        init(codes: [Int16], mantissa: Int, exponent: Int) {
            self.codes = codes
            scale = VectorScale(mantissa: Int32(mantissa), exponent: Int32(exponent))
        }

        /// `quantise` of the document with 16 bits.
        init(_ vector: [Int32], fractionBits: Int) {
            let quantised = ArithmeticReference.quantise(vector, fractionBits, 16)
            self.init(codes: quantised.codes.map(Int16.init), mantissa: Int(quantised.m), exponent: quantised.e)
        }

        /// Codes at random, or at their ends, under any mantissa that so many bits give.
        init(random count: Int, bits: Int = 16, exponent: Int, isExtreme: Bool, _ numbers: inout SeededNumbers) {
            let most = bits == 4 ? 15 : 1 << (bits - 1) - 1, step = bits == 4 ? 2 : 1
            let mantissas = bits == 4 ? 30_720...82_947 : bits == 8 ? 33_026...66_053 : 32_770...65_539
            self.init(
                codes: (0..<count).map { _ in
                    isExtreme ? Int16(numbers.next() % 2 == 0 ? most : -most) : Int16(step * numbers.int(0...2 * most / step) - most)
                },
                mantissa: isExtreme ? mantissas.upperBound : numbers.int(mantissas), exponent: exponent)
        }
    }

    var type = KeyValueType.int16
    var query: Vector
    var keys: [Vector]
    var values: [Vector]
    /// UC and EC
    var mantissa: Int64 = 1 << 30
    var exponent = 31
    /// EL; the least among `values` if nil
    var leastExponent: Int?

    var headSize: Int { query.codes.count }
    var leastValueExponent: Int { leastExponent ?? values.map { Int($0.scale.exponent) }.min()! }
    private var baseShift: Int { exponent + Int(query.scale.exponent) - 50 - ceilLog2(headSize) }

    init(_ type: KeyValueType = .int16, query: Vector, keys: [Vector], values: [Vector]) {
        (self.type, self.query, self.keys, self.values) = (type, query, keys, values)
    }

    /// Random heads whose scores are shifted by about `shift`, and whose values differ in exponent by up to `spread`.
    init(
        _ type: KeyValueType = .int16, headSize: Int, positions: Int, shift: Int, shiftSpread: Int = 3, spread: Int = 3, isExtreme: Bool = false,
        _ numbers: inout SeededNumbers
    ) {
        self.type = type
        query = Vector(random: headSize, exponent: numbers.int(-20...60), isExtreme: isExtreme, &numbers)
        exponent = numbers.int(0...64)
        if isExtreme { mantissa = 1 << 31 - 1 } else { mantissa = Int64(numbers.int(1 << 30...1 << 31 - 1)) }
        let key = shift - (exponent + Int(query.scale.exponent) - 50 - ceilLog2(headSize))
        keys = (0..<positions).map { _ in
            Vector(random: headSize, bits: type.keyBits, exponent: key + numbers.int(0...shiftSpread), isExtreme: isExtreme, &numbers)
        }
        let base = numbers.int(-150...200)
        values = (0..<positions).map { _ in
            Vector(random: headSize, bits: type.valueBits, exponent: base + numbers.int(0...spread), isExtreme: isExtreme, &numbers)
        }
    }

    /// The document's result; `exp2n` has tests of its own.
    func exact() -> [Int32] {
        func head(_ vectors: [Vector]) -> ArithmeticReference.Head {
            ArithmeticReference.Head(
                codes: vectors.map { $0.codes.map(Int32.init) },
                scales: vectors.map { (Int128($0.scale.mantissa), Int($0.scale.exponent)) })
        }
        return ArithmeticReference.attention(
            query.codes.map(Int32.init), qm: Int128(query.scale.mantissa), qe: Int(query.scale.exponent), keys: head(keys),
            values: head(values), UC: Int128(mantissa), EC: exponent, EL: leastValueExponent, exp2n: exp2Negative)
    }

    /// The least shift of a score to the right.
    var leastShift: Int { keys.map { baseShift + Int($0.scale.exponent) }.min()! }

    func call(_ memory: AttentionTrialMemory) -> stlm_attention_call {
        let head = memory.head, m = Exact.rshr(Int128(query.scale.mantissa) * Int128(mantissa), 17)
        return stlm_attention_call(
            query: memory.query.pointer, keys: head.keys, key_scales: head.keyScales, next_keys: head.keys, values: head.values,
            value_scales: head.valueScales, weights: memory.weights.pointer, sums: memory.sums.pointer, result: memory.result.pointer,
            head_size: headSize, position_count: keys.count, type: Int32(type.rawValue), multiplier: Int32(m), base_shift: Int32(baseShift),
            least_value_exponent: Int32(leastValueExponent))
    }

    /// What those kernels make of it in memory that held `garbage` before; nil if something beside scratch and result changed.
    func run(_ kernels: KernelSet, garbage: AttentionTrialMemory.Garbage = .random(seed: 5)) -> [Int32]? {
        let memory = AttentionTrialMemory(self, garbage), before = memory.inputs
        attend(
            query: memory.query.pointer, queryScale: query.scale, head: memory.head, headSize: headSize, positionCount: keys.count,
            scoreMantissa: mantissa, scoreExponent: exponent, leastValueExponent: leastValueExponent,
            memory: AttentionMemory(weights: memory.weights.pointer, sums: memory.sums.pointer, result: memory.result.pointer),
            nextKeys: memory.head.keys, kernels)
        let isIntact = memory.isSlackIntact && memory.inputs == before
        return isIntact ? memory.result.elements : nil
    }
}

extension KeyValueType {
    static let all: [KeyValueType] = [.int16, .int8, .int4]

    var keyBits: Int { self == .int16 ? 16 : 8 }
    var valueBits: Int { self == .int16 ? 16 : self == .int8 ? 8 : 4 }

    /// Bytes of so many positions as `KeyValueHead` groups them.
    func valueByteCount(_ positions: Int, _ headSize: Int) -> Int {
        switch self {
        case .int16: (positions + 1) / 2 * headSize * 4
        case .int8: (positions + 3) / 4 * headSize * 4
        case .int4: (positions + 7) / 8 * headSize * 4
        }
    }

    /// Codes as `setKey` and `setValue` take them.
    func stored(_ codes: [Int16], bits: Int) -> [UInt8] {
        switch bits {
        case 16: codes.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
        case 8: codes.map { UInt8(truncatingIfNeeded: $0) }
        default: codes.map { UInt8(($0 + 15) / 2) }
        }
    }
}

/// A trial in memory of just the documented size between guard pages, filled with garbage first.
final class AttentionTrialMemory {
    enum Garbage: CustomStringConvertible {
        case random(seed: UInt64)
        case bytes(UInt8)

        var description: String {
            switch self {
            case .random(let seed): "seed \(seed)"
            case .bytes(let byte): "bytes \(byte)"
            }
        }
    }

    let query: GuardedArray<Int16>
    let keys, values: GuardedArray<UInt8>
    let keyScales, valueScales: GuardedArray<Int32>
    let weights: GuardedArray<Int32>
    let sums: GuardedArray<Int64>
    let result: GuardedArray<Int32>
    let head: KeyValueHead

    init(_ trial: AttentionTrial, _ garbage: Garbage) {
        var numbers = SeededNumbers(seed: 0)
        if case .random(let seed) = garbage { numbers = SeededNumbers(seed: seed) }
        func fill<Element: FixedWidthInteger & BitwiseCopyable>(_ count: Int) -> GuardedArray<Element> {
            guard case .bytes(let byte) = garbage else { return GuardedArray(garbage: count, &numbers) }
            let array = GuardedArray<Element>(count: count, repeating: 0)
            array.memory.bytes.initializeMemory(as: UInt8.self, repeating: byte)
            return array
        }
        let size = trial.headSize, even = (size + 1) / 2 * 2, count = trial.keys.count, padded = (count + 15) / 16 * 16
        query = GuardedArray(trial.query.codes + [Int16](repeating: 0, count: even - size))
        keys = fill(padded * (trial.type == .int16 ? even * 2 : (size + 3) / 4 * 4))
        values = fill(trial.type.valueByteCount(count, size) + 64)
        (keyScales, valueScales) = (fill(padded), fill(padded))
        (weights, sums, result) = (fill(padded), fill((size + 15) / 16 * 16), fill(size))
        head = KeyValueHead(
            type: trial.type, keys: keys.pointer, values: values.pointer, keyScales: keyScales.pointer, valueScales: valueScales.pointer)
        // As in a sequence; the order must not matter.
        for (t, key) in trial.keys.enumerated() {
            head.setKey(trial.type.stored(key.codes, bits: trial.type.keyBits), key.scale, position: t, headSize: size)
        }
        for (t, value) in trial.values.enumerated().reversed() {
            head.setValue(trial.type.stored(value.codes, bits: trial.type.valueBits), value.scale, position: t, headSize: size)
        }
    }

    /// All that `attend` only reads.
    var inputs: [[UInt8]] {
        [query.memory, keys.memory, values.memory, keyScales.memory, valueScales.memory].map { Array($0.bytes) }
    }

    var isSlackIntact: Bool {
        weights.memory.isSlackIntact && sums.memory.isSlackIntact && result.memory.isSlackIntact
    }
}
