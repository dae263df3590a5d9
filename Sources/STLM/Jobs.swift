import Kernels
import ModelFile

/// A linear layer for some positions, cut into parts by rows.
struct LinearJob {
    let layer: Linear
    let output: LinearOutput
    let codes: UnsafeRawPointer
    let codeStride: Int
    let scales: UnsafePointer<VectorScale>
    let count: Int
    let result: UnsafeMutablePointer<Int32>
    let stride: Int
    let accumulate: Bool
    let kernels: KernelSet
    let blocksPerPart: Int

    /// Rows for one part: all of them on one thread; else a few parts a thread, and none too small to be worth waking for.
    static func blocksPerPart(_ layer: Linear, threadCount: Int) -> Int {
        let blocks = layer.matrix.blockCount
        if threadCount == 1 { return blocks }
        let worthwhile = max(1, 65_536 / (layer.matrix.lineCount * 64))
        return max(worthwhile, (blocks + 4 * threadCount - 1) / (4 * threadCount))
    }

    func run(_ part: Int) {
        let first = part * blocksPerPart
        layer.apply(
            blocks: first..<min(first + blocksPerPart, layer.matrix.blockCount), codes: codes, codeStride: codeStride,
            scales: scales, tokenCount: count, output: output, result: result, resultStride: stride,
            accumulate: accumulate, kernels: kernels)
    }
}

/// Attention for some positions, cut into parts by query heads: part p does every `partCount`-th.
struct AttentionJob {
    let record: AttentionRecord
    let cache: KeyValueSlot
    let scope: AttentionScope
    let count: Int
    let partCount: Int
    let queries: UnsafePointer<Int16>
    let queryScales: UnsafePointer<VectorScale>
    let mixedFractionBits: UnsafePointer<Int>
    let weights: UnsafeMutablePointer<Int32>
    let sums: UnsafeMutablePointer<Int64>
    let mixed: UnsafeMutablePointer<Int32>

    func run(_ part: Int) {
        let heads = Int(record.headCount)
        let size = Int(record.headSize)
        let group = heads / Int(record.kvHeadCount)
        for k in 0..<count {
            let seen = scope.firstPosition + (scope.isCausal ? k + 1 : count)
            var h = part
            while h < heads {
                let item = k * heads + h
                attend(
                    query: queries + item * size, queryScale: queryScales[item],
                    head: cache.head(h / group, headSize: size, context: scope.capacity), headSize: size, positionCount: seen,
                    scoreMantissa: Int64(record.scoreScaleMantissa), scoreExponent: Int(record.scoreScaleExponent),
                    leastValueExponent: mixedFractionBits[k] + 2, weights: weights + part * scope.capacity,
                    sums: sums + part * size, result: mixed + item * size)
                h += partCount
            }
        }
    }
}
