import CKernels
import FixedPoint
import ModelFile

/// Where the fraction bits of a linear layer's result come from: arithmetic-1, section 4.
@frozen
public enum LinearOutput {
    /// They follow the input.
    case floating
    /// They are given.
    case fixed(fractionBits: Int)
    /// They are given for each vector.
    case each(fractionBits: UnsafePointer<Int>)
}

/// A linear layer: a matrix, an optional bias, and the width of its activations.
@frozen
public struct Linear {
    public var matrix: Matrix
    /// (rows) Int32 with `biasFractionBits`, or nil
    public var bias: UnsafePointer<Int32>?
    public var biasFractionBits: Int
    public var activationBits: Int

    public init(matrix: Matrix, bias: UnsafePointer<Int32>?, biasFractionBits: Int, activationBits: Int) {
        self.matrix = matrix
        self.bias = bias
        self.biasFractionBits = biasFractionBits
        self.activationBits = activationBits
    }

    /// `N` of arithmetic-1, section 4: every sum is at most 2^N.
    @inlinable var sumBits: Int { ceilLog2(matrix.columns) &+ matrix.encoding.weightBits &+ activationBits &- 2 }
    @inlinable var preShift: Int { max(0, sumBits &- 33) }

    /// Codes that a row of activations takes, those beyond the columns zero: the same for all encodings, so that layers can share them.
    public var paddedColumns: Int { (matrix.columns &+ 31) / 32 &* 32 }

    /// How these kernels want the codes of the layer's input.
    public func codeForm(_ kernels: KernelSet) -> CodeForm {
        if activationBits == 8 { return .int8 }
        if matrix.encoding != .int8Rows || kernels == .baseline { return .int16 }
        return stlm_splits_activations(kernels.number) != 0 ? .planes : .int16
    }

    /// Fraction bits of the result of a vector with that scale.
    @inlinable
    public func fractionBits(_ scale: VectorScale, _ output: LinearOutput, vector: Int = 0) -> Int {
        switch output {
        case .fixed(let fractionBits): return fractionBits
        case .each(let fractionBits): return fractionBits[vector]
        case .floating:
            let follow = matrix.exponent &+ Int(scale.exponent) &- preShift &- (sumBits &- preShift &- 2)
            return bias == nil ? follow : min(follow, biasFractionBits)
        }
    }
}

/// A linear layer applied to some vectors, any blocks of 16 rows at a time.
@frozen
public struct LinearRun {
    public let layer: Linear
    /// The same as CKernels takes it.
    public let call: stlm_linear_call
    /// Those of the results, (vectors).
    public let fractionBits: UnsafeMutablePointer<Int>
    let kernels: KernelSet

    /// - Parameters:
    ///   - codes: (vectors, codeStride bytes) in the layer's `codeForm`
    ///   - scales: (vectors)
    ///   - fractionBits: gets those of the results, (vectors)
    ///   - shifts: scratch (2, vectors) that must outlive the run
    ///   - result: (vectors, resultStride) Int32
    ///   - accumulate: adds to `result`, saturating, in place of writing it.
    public init(
        _ layer: Linear, codes: UnsafeRawPointer, codeStride: Int, scales: UnsafePointer<VectorScale>, vectorCount: Int,
        output: LinearOutput, fractionBits: UnsafeMutablePointer<Int>, shifts: UnsafeMutablePointer<Int32>,
        result: UnsafeMutablePointer<Int32>, resultStride: Int, accumulate: Bool, kernels: KernelSet
    ) {
        self.layer = layer
        self.kernels = kernels
        self.fractionBits = fractionBits
        let matrix = layer.matrix
        let biasShifts = shifts + vectorCount
        for k in 0..<vectorCount {
            let bits = layer.fractionBits(scales[k], output, vector: k)
            fractionBits[k] = bits
            shifts[k] = Int32(truncatingIfNeeded: matrix.exponent &+ Int(scales[k].exponent) &- layer.preShift &- bits)
            biasShifts[k] = Int32(truncatingIfNeeded: layer.biasFractionBits &- bits)
        }
        call = stlm_linear_call(
            codes: matrix.codes, group_scales: matrix.groupScales, levels: matrix.levels, row_scales: matrix.rowScales,
            bias: layer.bias, activations: codes,
            scales: UnsafeRawPointer(scales).assumingMemoryBound(to: Int32.self), shifts: UnsafePointer(shifts),
            bias_shifts: UnsafePointer(biasShifts), results: result, line_count: matrix.lineCount, row_count: matrix.rows,
            column_count: matrix.columns, activation_stride: codeStride,
            plane_stride: layer.paddedColumns, vector_count: vectorCount, result_stride: resultStride,
            pre_shift: Int32(layer.preShift), sum_bits: Int32(layer.sumBits), accumulates: accumulate ? 1 : 0)
    }

    /// Computes the rows of some blocks.
    public func apply(blocks: Range<Int>) {
        if kernels == .baseline { return applyReference(blocks: blocks) }
        withUnsafePointer(to: call) { call in
            let first = blocks.lowerBound, end = blocks.upperBound
            if let codes = layer.matrix.encoding.packedCodes {
                stlm_linear_packed(kernels.number, call, codes, UInt32(layer.activationBits), first, end)
            } else if layer.matrix.encoding == .int16Rows {
                stlm_linear_int16(kernels.number, call, first, end)
            } else if layer.activationBits == 16 {
                stlm_linear_int8_int16(kernels.number, call, first, end)
            } else {
                stlm_linear_int8(kernels.number, call, first, end)
            }
        }
    }

    private func applyReference(blocks: Range<Int>) {
        var storage = InlineArray<16, Int64>(repeating: 0)
        withUnsafeMutableBytes(of: &storage) { bytes in
            let sums = bytes.baseAddress!.assumingMemoryBound(to: Int64.self)
            for block in blocks {
                // The block's codes stay in the cache for all vectors.
                for vector in 0..<call.vector_count {
                    rowSums(
                        layer.matrix, block: block, activations: call.activations + vector &* call.activation_stride,
                        activationBits: layer.activationBits, sums: sums)
                    requantize(sums, block: block, vector: vector)
                }
            }
        }
    }

    /// Sums to results: one multiplication by the row's and the vector's scale, one shift, the bias.
    private func requantize(_ sums: UnsafePointer<Int64>, block: Int, vector: Int) {
        let firstRow = block &* 16
        let mantissa = Int64(call.scales[2 &* vector])
        let shift = Int(call.shifts[vector])
        let y = call.results + (vector &* call.result_stride &+ firstRow)
        for r in 0..<min(16, layer.matrix.rows &- firstRow) {
            let rowScale = layer.matrix.rowScales[firstRow &+ r]
            let product = roundingShiftRight(sums[r], layer.preShift) &* Matrix.mantissa(rowScale) &* mantissa
            var value = scale(product, shift &+ Matrix.downShift(rowScale))
            if let bias = layer.bias {
                value = saturated(Int64(value) &+ Int64(scale(Int64(bias[firstRow &+ r]), Int(call.bias_shifts[vector]))))
            }
            y[r] = call.accumulates != 0 ? saturated(Int64(y[r]) &+ Int64(value)) : value
        }
    }
}

extension Encoding {
    /// Of groups and ternary codes: what CKernels calls them.
    public var packedCodes: UInt32? {
        switch self {
        case .ternary4: STLM_CODES_TERNARY_4.rawValue
        case .ternary5: STLM_CODES_TERNARY_5.rawValue
        default: groupBits == 0 ? nil : UInt32(groupBits)
        }
    }
}
