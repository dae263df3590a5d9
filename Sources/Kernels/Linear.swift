import FixedPoint

/// Where the fraction bits of a linear layer's result come from: arithmetic-1, section 4.
@frozen
public enum LinearOutput {
    /// They follow the input.
    case floating
    /// They are given.
    case fixed(fractionBits: Int)
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
    @inlinable var sumBits: Int { ceilLog2(matrix.columns) &+ matrix.codeBits &+ activationBits &- 2 }
    @inlinable var preShift: Int { max(0, sumBits &- 33) }

    /// Codes that a row of activations takes: whole lines, the rest zero.
    public var paddedColumns: Int { matrix.lineCount &* (matrix.codeBits == 8 ? 4 : 2) }

    /// Fraction bits of the result of a vector with that scale.
    @inlinable
    public func fractionBits(_ scale: VectorScale, _ output: LinearOutput) -> Int {
        switch output {
        case .fixed(let fractionBits): return fractionBits
        case .floating:
            let follow = matrix.exponent &+ Int(scale.exponent) &- preShift &- (sumBits &- preShift &- 2)
            return bias == nil ? follow : min(follow, biasFractionBits)
        }
    }

    /// Computes rows `16 * blocks` of the layer for `tokenCount` vectors.
    /// - Parameters:
    ///   - codes: (tokens, codeStride bytes) int8 or int16 by `activationBits`
    ///   - scales: (tokens)
    ///   - result: (tokens, resultStride) Int32
    ///   - accumulate: adds to `result`, saturating, in place of writing it.
    public func apply(
        blocks: Range<Int>, codes: UnsafeRawPointer, codeStride: Int, scales: UnsafePointer<VectorScale>, tokenCount: Int,
        output: LinearOutput, result: UnsafeMutablePointer<Int32>, resultStride: Int, accumulate: Bool, kernels: KernelSet
    ) {
        let preShift = self.preShift
        var storage = InlineArray<16, Int64>(repeating: 0)
        withUnsafeMutableBytes(of: &storage) { bytes in
            let sums = bytes.baseAddress!.assumingMemoryBound(to: Int64.self)
            for block in blocks {
                let firstRow = block &* 16
                let rowCount = min(16, matrix.rows &- firstRow)
                // The block's codes stay in the cache for all tokens.
                for token in 0..<tokenCount {
                    rowSums(
                        matrix, block: block, activations: codes + (token &* codeStride), activationBits: activationBits,
                        kernels: kernels, sums: sums)
                    let scale = scales[token]
                    let fractionBits = self.fractionBits(scale, output)
                    let shift = matrix.exponent &+ Int(scale.exponent) &- preShift &- fractionBits
                    let y = result + (token &* resultStride &+ firstRow)
                    requantize(sums, rowCount, firstRow, scale, preShift, shift, fractionBits, y, accumulate)
                }
            }
        }
    }

    /// Sums to results: one multiplication by the row's and the vector's scale, one shift, the bias.
    @inline(__always)
    private func requantize(
        _ sums: UnsafePointer<Int64>, _ rowCount: Int, _ firstRow: Int, _ vectorScale: VectorScale, _ preShift: Int,
        _ shift: Int, _ fractionBits: Int, _ y: UnsafeMutablePointer<Int32>, _ accumulate: Bool
    ) {
        let mantissa = Int64(vectorScale.mantissa)
        for r in 0..<rowCount {
            let rowScale = matrix.rowScales[firstRow &+ r]
            let product = roundingShiftRight(sums[r], preShift) &* Matrix.mantissa(rowScale) &* mantissa
            var value = scale(product, shift &+ Matrix.downShift(rowScale))
            if let bias {
                value = saturated(Int64(value) &+ Int64(scale(Int64(bias[firstRow &+ r]), biasFractionBits &- fractionBits)))
            }
            y[r] = accumulate ? saturated(Int64(y[r]) &+ Int64(value)) : value
        }
    }
}
