import CKernels
import Kernels
import TestSupport

/// A linear layer, vectors for it, and what arithmetic-1, section 4, makes of them.
struct LinearTrial {
    struct Widths: CustomStringConvertible, Sendable {
        /// Its number in stlm-1, section 6.
        var encoding: Int
        var activation: Int
        var description: String { "weights of encoding \(encoding), activations of \(activation) bits" }

        var weight: Int { MatrixBytes.weightBits(encoding) }
        var mostColumns: Int { MatrixBytes.mostColumns(encoding) }

        static let all = MatrixBytes.encodings.flatMap { encoding in
            (encoding == 2 ? [16] : [8, 16]).map { Widths(encoding: encoding, activation: $0) }
        }
    }

    typealias Codes = MatrixBytes.Fill

    var widths: Widths
    var bytes: MatrixBytes
    var layer: ArithmeticReference.Layer
    var activations: [[Int32]]
    var scales: [VectorScale]

    /// Row scales with every `d`, exponents of the whole legal range, a bias half of the time.
    init(_ widths: Widths, rows: Int, columns: Int, vectors: Int, _ codes: Codes, _ numbers: inout SeededNumbers) {
        let limit = 1 << (widths.activation - 1) - 1
        func code(_ least: Int, _ most: Int, _ index: Int) -> Int32 {
            switch codes {
            case .random: Int32(numbers.int(least...most))
            case .ends: Int32(index % 2 == 0 ? least : most)
            case .mixedEnds: Int32(numbers.next() % 2 == 0 ? least : most)
            }
        }
        let isExtreme = codes == .ends
        bytes = MatrixBytes(widths.encoding, rows: rows, columns: columns, codes, &numbers)
        let firstDown = numbers.int(0...31)
        let rowScales = (0..<rows).map { r in
            UInt16((firstDown + r) % 32) << 11 | UInt16(isExtreme ? 2047 : numbers.int(0...2047))
        }
        for (r, q) in rowScales.enumerated() { bytes.setRowScale(r, q) }
        self.widths = widths
        layer = ArithmeticReference.Layer(
            weights: bytes.weights, rowScales: rowScales, weightBits: widths.weight, exponent: numbers.pick([-64, 127, numbers.int(-10...40)]))
        if numbers.int(0...1) == 0 {
            layer.bias = numbers.vector(rows)
            layer.biasBits = numbers.pick([-32, 62, numbers.int(0...40)])
        }
        activations = (0..<vectors).map { t in (0..<columns).map { _ in code(-limit, limit, t) } }
        // All mantissas that quantise can give.
        scales = (0..<vectors).map { _ in
            VectorScale(mantissa: Int32(isExtreme ? 66_053 : numbers.int(32_770...66_053)), exponent: Int32(numbers.int(-41...92)))
        }
    }

    var rows: Int { layer.weights.count }

    /// Fraction bits near which the first vector's results neither saturate nor vanish, or at an end of their range.
    func fixedBits(_ numbers: inout SeededNumbers) -> Int {
        let near = layer.exponent + Int(scales[0].exponent) - 30 + numbers.int(-4...20)
        return numbers.pick([-32, 62, max(-32, min(62, near)), near])
    }

    /// Results (vectors, rows) and their fraction bits; `fixed` is nil for the floating form.
    func expected(fixed: Int?) -> LinearResults {
        let each = activations.indices.map { t in
            ArithmeticReference.linear(
                layer, activations[t], bits: widths.activation, m: Int128(scales[t].mantissa), e: Int(scales[t].exponent), fixed: fixed)
        }
        return LinearResults(rows: each.map(\.y), fractionBits: each.map(\.F))
    }
}

struct LinearResults: Equatable {
    /// (vectors, rows)
    var rows: [[Int32]]
    var fractionBits: [Int]
}

/// A trial in memory between guard pages.
final class LinearMemory {
    let trial: LinearTrial
    let packed: PackedMatrix
    let bias: GuardedArray<Int32>?
    let scales: GuardedArray<VectorScale>
    let linear: Linear

    init(_ trial: LinearTrial) {
        self.trial = trial
        packed = PackedMatrix(trial.bytes, exponent: trial.layer.exponent)
        bias = trial.layer.bias.map(GuardedArray.init)
        scales = GuardedArray(trial.scales)
        linear = Linear(
            matrix: packed.matrix, bias: bias.map { UnsafePointer($0.pointer) }, biasFractionBits: trial.layer.biasBits,
            activationBits: trial.widths.activation)
    }

    /// The vectors' codes as those kernels want them.
    private func codes(_ kernels: KernelSet, gap: Int) -> (memory: GuardedMemory, stride: Int) {
        let form = linear.codeForm(kernels), padded = linear.paddedColumns, count = trial.activations.count
        let stride = form.byteCount(padded) + gap
        let memory = GuardedMemory(byteCount: stride * count - gap, alignment: form == .int16 ? 2 : 1)
        memory.bytes.initializeMemory(as: UInt8.self, repeating: 0x7B)
        for (t, row) in trial.activations.enumerated() { form.store(row, paddedCount: padded, at: memory.base + t * stride) }
        return (memory, stride)
    }

    /// - Parameters:
    ///   - ranges: blocks, in the order in which they are done; all at once if nil
    ///   - start: (vectors, rows) to add to; nil to write
    ///   - gap: elements from one vector's results to the next's, and bytes from codes to codes, which must not matter
    ///   - kernel: what is to run, of the form of those kernels, in their place
    /// - Returns: what stands in the results, which hold 77 before; nil if anything beside them changed.
    func run(
        fixed: Int?, _ kernels: KernelSet, ranges: [Range<Int>]? = nil, start: [[Int32]]? = nil, gap: Int = 0,
        kernel: ((UnsafePointer<stlm_linear_call>, Int, Int) -> Void)? = nil
    ) -> LinearResults? {
        let count = trial.activations.count, rows = trial.rows, stride = rows + gap
        let codes = codes(kernels, gap: 4 * gap)
        let before = (0..<count).flatMap { t in (start?[t] ?? [Int32](repeating: 77, count: rows)) + [Int32](repeating: -5, count: gap) }
        let result = GuardedArray(before)
        let fractionBits = GuardedArray(count: count, repeating: 0), shifts = GuardedArray(count: 2 * count, repeating: Int32(0))
        withExtendedLifetime((self, codes.memory, shifts)) {
            let run = LinearRun(
                linear, codes: codes.memory.base, codeStride: codes.stride, scales: scales.pointer, vectorCount: count,
                output: fixed.map { .fixed(fractionBits: $0) } ?? .floating, fractionBits: fractionBits.pointer, shifts: shifts.pointer,
                result: result.pointer, resultStride: stride, accumulate: start != nil, kernels: kernels)
            for range in ranges ?? [0..<packed.matrix.blockCount] {
                if let kernel {
                    withUnsafePointer(to: run.call) { kernel($0, range.lowerBound, range.upperBound) }
                } else {
                    run.apply(blocks: range)
                }
            }
        }
        let all = result.elements
        let isIntact = result.memory.isSlackIntact && (0..<count).allSatisfy { t in
            all[t * stride + rows..<(t + 1) * stride].allSatisfy { $0 == -5 }
        }
        return isIntact
            ? LinearResults(rows: (0..<count).map { Array(all[$0 * stride..<$0 * stride + rows]) }, fractionBits: fractionBits.elements) : nil
    }
}
