import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 4, against exact arithmetic.
@Suite struct LinearTests {
    struct Widths: CustomStringConvertible, Sendable {
        var weight: Int
        var activation: Int
        var description: String { "weights of \(weight) bits, activations of \(activation)" }
    }

    static let widths = [Widths(weight: 8, activation: 8), Widths(weight: 8, activation: 16), Widths(weight: 16, activation: 16)]

    struct Trial {
        var layer: ArithmeticReference.Layer
        var activations: [[Int32]]
        var scales: [VectorScale]
    }

    /// Random or extreme codes, row scales with every `d`, exponents of the whole legal range.
    private func trial(_ widths: Widths, rows: Int, columns: Int, tokens: Int, extreme: Bool, _ numbers: inout SeededNumbers) -> Trial {
        let most = 1 << (widths.weight - 1), limit = 1 << (widths.activation - 1) - 1
        let weights = (0..<rows).map { r in
            (0..<columns).map { _ in Int32(extreme ? (r % 2 == 0 ? -most : most - 1) : numbers.int(-most...most - 1)) }
        }
        let activations = (0..<tokens).map { t in
            (0..<columns).map { _ in Int32(extreme ? (t % 2 == 0 ? -limit : limit) : numbers.int(-limit...limit)) }
        }
        let rowScales = (0..<rows).map { r in UInt16(r % 32) << 11 | UInt16(extreme ? 2047 : numbers.int(0...2047)) }
        // All mantissas that quantise can give.
        let scales = (0..<tokens).map { _ in
            VectorScale(mantissa: Int32(extreme ? 66_053 : numbers.int(32_770...66_053)), exponent: Int32(numbers.int(-41...92)))
        }
        var layer = ArithmeticReference.Layer(
            weights: weights, rowScales: rowScales, weightBits: widths.weight, exponent: numbers.pick([-64, 127, numbers.int(-10...40)]))
        if numbers.int(0...1) == 0 {
            layer.bias = (0..<rows).map { _ in numbers.anyInt32() }
            layer.biasBits = numbers.pick([-32, 62, numbers.int(0...40)])
        }
        return Trial(layer: layer, activations: activations, scales: scales)
    }

    /// Result rows of the kernel, blocks done range by range.
    private func run(
        _ trial: Trial, _ widths: Widths, _ output: LinearOutput, ranges: [Range<Int>]? = nil, start: [Int32]? = nil,
        kernels: KernelSet = .baseline
    ) -> [Int32] {
        let packed = PackedMatrix(
            trial.layer.weights, rowScales: trial.layer.rowScales, bits: widths.weight, exponent: trial.layer.exponent)
        let bias = trial.layer.bias.map(GuardedArray.init)
        let linear = Linear(
            matrix: packed.matrix, bias: bias.map { UnsafePointer($0.pointer) }, biasFractionBits: trial.layer.biasBits,
            activationBits: widths.activation)
        let stride = linear.paddedColumns * widths.activation / 8
        let codes = GuardedMemory(byteCount: stride * trial.activations.count, alignment: widths.activation / 8)
        for (t, row) in trial.activations.enumerated() {
            let one = packedActivations(row, bits: widths.activation, paddedCount: linear.paddedColumns)
            (codes.base + t * stride).copyMemory(from: one.base, byteCount: stride)
        }
        let rows = trial.layer.weights.count
        let scales = GuardedArray(trial.scales)
        let result = GuardedArray(start ?? [Int32](repeating: 77, count: rows * trial.activations.count))
        withExtendedLifetime((packed.memory, bias)) {
            for range in ranges ?? [0..<packed.matrix.blockCount] {
                linear.apply(
                    blocks: range, codes: codes.base, codeStride: stride, scales: scales.pointer,
                    tokenCount: trial.activations.count, output: output, result: result.pointer, resultStride: rows,
                    accumulate: start != nil, kernels: kernels)
            }
        }
        return result.elements
    }

    private func expected(_ trial: Trial, _ widths: Widths, fixed: Int?) -> [Int32] {
        trial.activations.indices.flatMap { t in
            ArithmeticReference.linear(
                trial.layer, trial.activations[t], bits: widths.activation, m: Int128(trial.scales[t].mantissa),
                e: Int(trial.scales[t].exponent), fixed: fixed).y
        }
    }

    private func outputs(_ trial: Trial, _ numbers: inout SeededNumbers) -> [(LinearOutput, Int?)] {
        let near = trial.layer.exponent + Int(trial.scales[0].exponent) - 30 + numbers.int(-4...20)
        let bits = numbers.pick([-32, 62, max(-32, min(62, near))])
        return [(.floating, nil), (.fixed(fractionBits: bits), bits)]
    }

    private static let kernelSets: [KernelSet] = RowSumsTests.hasAVX2 ? [.baseline, .avx2] : [.baseline]

    @Test(arguments: widths) func equalsExactArithmetic(_ widths: Widths) {
        var numbers = SeededNumbers(seed: 31)
        for columns in [1, 2, 3, 4, 5, 31, 64, 129] {
            for rows in [1, 15, 16, 17, 40] {
                for extreme in [false, true] {
                    let trial = trial(widths, rows: rows, columns: columns, tokens: 2, extreme: extreme, &numbers)
                    for (output, fixed) in outputs(trial, &numbers) {
                        let want = expected(trial, widths, fixed: fixed)
                        for kernels in Self.kernelSets {
                            #expect(run(trial, widths, output, kernels: kernels) == want, "\(rows) x \(columns), \(output)")
                        }
                    }
                }
            }
        }
    }

    /// The widest layer of the format, all codes at their ends: the greatest sums there are.
    @Test(arguments: widths) func equalsExactArithmeticAtTheGreatestWidth(_ widths: Widths) {
        var numbers = SeededNumbers(seed: 32)
        let trial = trial(widths, rows: 2, columns: 65_536, tokens: 2, extreme: true, &numbers)
        for (output, fixed) in outputs(trial, &numbers) {
            #expect(run(trial, widths, output) == expected(trial, widths, fixed: fixed))
        }
    }

    @Test(arguments: widths) func fractionBitsAreThoseOfTheDocument(_ widths: Widths) {
        var numbers = SeededNumbers(seed: 33)
        for _ in 0..<200 {
            let columns = numbers.pick([1, 2, 3, 64, 1_000])
            let trial = trial(widths, rows: 1, columns: columns, tokens: 1, extreme: false, &numbers)
            let packed = PackedMatrix(
                trial.layer.weights, rowScales: trial.layer.rowScales, bits: widths.weight, exponent: trial.layer.exponent)
            let bias = GuardedArray<Int32>([0])
            let linear = Linear(
                matrix: packed.matrix, bias: trial.layer.bias == nil ? nil : UnsafePointer(bias.pointer),
                biasFractionBits: trial.layer.biasBits, activationBits: widths.activation)
            let scale = trial.scales[0]
            let expected = ArithmeticReference.linear(
                trial.layer, trial.activations[0], bits: widths.activation, m: Int128(scale.mantissa), e: Int(scale.exponent), fixed: nil)
            #expect(linear.fractionBits(scale, .floating) == expected.F)
            #expect(linear.fractionBits(scale, .fixed(fractionBits: 5)) == 5)
        }
    }

    @Test(arguments: widths) func anySplitIntoBlocksGivesTheSameBits(_ widths: Widths) {
        var numbers = SeededNumbers(seed: 34)
        let trial = trial(widths, rows: 75, columns: 37, tokens: 3, extreme: false, &numbers)
        let whole = run(trial, widths, .floating)
        for ranges in [[0..<1, 1..<5], [4..<5, 0..<4], [3..<4, 0..<1, 4..<5, 2..<3, 1..<2], [2..<5, 0..<2, 0..<0]] {
            for kernels in Self.kernelSets { #expect(run(trial, widths, .floating, ranges: ranges, kernels: kernels) == whole) }
        }
    }

    @Test(arguments: widths) func accumulatingSaturates(_ widths: Widths) {
        var numbers = SeededNumbers(seed: 35)
        for _ in 0..<20 {
            let trial = trial(widths, rows: 20, columns: 9, tokens: 2, extreme: false, &numbers)
            let start = (0..<40).map { _ in numbers.pick([Int32.min, .max, numbers.anyInt32()]) }
            let bits = max(-32, min(62, trial.layer.exponent + Int(trial.scales[0].exponent) - 20))
            let want = zip(start, expected(trial, widths, fixed: bits)).map { Exact.sat32(Int128($0) + Int128($1)) }
            #expect(run(trial, widths, .fixed(fractionBits: bits), start: start) == want)
        }
    }

    @Test(arguments: [8, 16]) func embeddingRowsEqualExactArithmetic(_ bits: Int) {
        var numbers = SeededNumbers(seed: 36)
        let most = 1 << (bits - 1)
        for exponent in [-64, -5, 12, 30, 127] {
            let codes = (0..<35).map { _ in (0..<7).map { _ in Int32(numbers.pick([-most, most - 1, numbers.int(-most...most - 1)])) } }
            let packed = PackedMatrix(
                codes, rowScales: (0..<35).map { UInt16($0 % 32) << 11 | UInt16(numbers.int(0...2047)) }, bits: bits, exponent: exponent)
            for fractionBits in [-32, 0, 16, 62] {
                for row in 0..<35 {
                    let start = (0..<7).map { _ in numbers.anyInt32() }
                    let q = packed.rowScales[row]
                    let value = codes[row].map {
                        Exact.scale(Int128($0) * (2048 + Int128(q % 2048)), Int(q / 2048) + exponent - fractionBits)
                    }
                    let residual = GuardedArray(start)
                    embed(packed.matrix, row: row, fractionBits: fractionBits, into: residual.pointer, accumulate: true)
                    #expect(residual.elements == zip(start, value).map { Exact.sat32(Int128($0) + Int128($1)) })
                    embed(packed.matrix, row: row, fractionBits: fractionBits, into: residual.pointer, accumulate: false)
                    #expect(residual.elements == value)
                }
            }
        }
    }
}
