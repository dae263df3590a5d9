import Foundation
import ModelFile

/// A matrix as the sum of a quantised one and a product of two narrow ones of 8 bits: stlm-1, section 6, encoding 13.
public struct CorrectedMatrix: Sendable {
    public let base: QuantizedMatrix
    /// (rank, columns)
    public let down: QuantizedMatrix
    /// (rows, rank)
    public let up: QuantizedMatrix
    /// As `QuantizedMatrix.relativeError`, of the sum.
    public let relativeError: Double

    public var byteCount: Int { base.byteCount + down.byteCount + up.byteCount }

    /// What the sum stands for, (rows, columns), but for the rounding of what comes between down and up.
    public func values() -> [Float] {
        var result = base.values()
        add(up.values(), down.values(), rank: down.rows, columns: base.columns, factor: 1, to: &result)
        return result
    }
}

/// result += factor * up * down
private func add(_ up: [Float], _ down: [Float], rank: Int, columns: Int, factor: Float, to result: inout [Float]) {
    for row in 0..<result.count / max(1, columns) {
        for k in 0..<rank {
            let weight = factor * up[row * rank + k]
            for j in 0..<columns { result[row * columns + j] += weight * down[k * columns + j] }
        }
    }
}

extension MatrixQuantizer {
    /// Base of an encoding, and a correction of a rank: what base loses, as the layer's inputs see it, along the directions in which it loses
    /// most. Base is quantised anew for what the correction leaves to it, as long as that helps (LQ-LoRA, Guo et al. 2023,
    /// arXiv:2311.12023; here weighted by the inputs' second moments).
    /// - Precondition: the rank is from 1 to the lesser of rows and columns.
    public func corrected(_ encoding: Encoding, rank: Int) -> CorrectedMatrix {
        precondition(rank >= 1 && rank <= min(rows, columns))
        let all = weighted(values).reduce(0.0) { $0 + Double($1) * Double($1) }
        var best: CorrectedMatrix?
        var target = values
        for _ in 0..<3 {
            let base = MatrixQuantizer(target, rows: rows, columns: columns, curvature: curvature).quantized(encoding)
            var lost = values
            for (k, value) in base.values().enumerated() { lost[k] -= value }
            // With lost V = U S Zᵀ, the best product is U (Uᵀ lost).
            let directions = leadingDirections(weighted(lost), rank: rank)
            var down = [Float](repeating: 0, count: rank * columns)
            for row in 0..<rows {
                for k in 0..<rank {
                    let weight = directions[row * rank + k]
                    for j in 0..<columns { down[k * columns + j] += weight * lost[row * columns + j] }
                }
            }
            let narrow = MatrixQuantizer(down, rows: rank, columns: columns, curvature: curvature).quantized(.int8Rows)
            let wide = MatrixQuantizer(directions, rows: rows, columns: rank).quantized(.int8Rows)
            add(wide.values(), narrow.values(), rank: rank, columns: columns, factor: -1, to: &lost)
            let error = weighted(lost).reduce(0.0) { $0 + Double($1) * Double($1) }
            let relative = all > 0 ? (error / all).squareRoot() : 0
            if relative >= best?.relativeError ?? .infinity { break }
            best = CorrectedMatrix(base: base, down: narrow, up: wide, relativeError: relative)
            target = values
            add(wide.values(), narrow.values(), rank: rank, columns: columns, factor: -1, to: &target)
        }
        return best!
    }

    /// M V for M (rows, columns) and H = V Vᵀ.
    private func weighted(_ matrix: [Float]) -> [Float] {
        let n = columns
        return parallelRows(matrix) { row, out in
            for j in 0..<n {
                var sum = row[j]
                if let feedback = curvature.feedback {
                    feedback.withUnsafeBufferPointer { a in
                        for k in 0..<j { sum += row[k] * a[j * n + k] }
                    }
                }
                out[j] = sum * curvature.importance[j].squareRoot()
            }
        }
    }

    private func parallelRows(
        _ matrix: [Float], _ body: @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) -> [Float] {
        var result = [Float](repeating: 0, count: matrix.count)
        result.withUnsafeMutableBufferPointer { result in
            matrix.withUnsafeBufferPointer { matrix in
                nonisolated(unsafe) let (from, to) = (matrix.baseAddress!, result.baseAddress!)
                let n = columns
                DispatchQueue.concurrentPerform(iterations: rows) { body(from + $0 * n, to + $0 * n) }
            }
        }
        return result
    }

    /// The left singular vectors of the greatest singular values of a matrix (rows, columns), by subspace iteration: (rows, rank), orthonormal.
    private func leadingDirections(_ matrix: [Float], rank: Int) -> [Float] {
        var numbers = UInt64(0x9E37_79B9_7F4A_7C15)
        var basis = (0..<rows * rank).map { _ -> Float in
            numbers = numbers &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: numbers) >> 40) * 0x1p-23
        }
        for _ in 0..<6 {
            orthonormalize(&basis, rank: rank)
            var image = [Float](repeating: 0, count: columns * rank)  // Mᵀ basis
            for row in 0..<rows {
                for j in 0..<columns {
                    let value = matrix[row * columns + j]
                    for k in 0..<rank { image[j * rank + k] += value * basis[row * rank + k] }
                }
            }
            for row in 0..<rows {
                for k in 0..<rank { basis[row * rank + k] = 0 }
                for j in 0..<columns {
                    let value = matrix[row * columns + j]
                    for k in 0..<rank { basis[row * rank + k] += value * image[j * rank + k] }
                }
            }
        }
        orthonormalize(&basis, rank: rank)
        return basis
    }

    /// Gram and Schmidt's method on the columns of (rows, rank), twice for what rounding leaves; a column that is nothing stays so.
    private func orthonormalize(_ basis: inout [Float], rank: Int) {
        for k in 0..<rank {
            for _ in 0..<2 {
                for other in 0..<k {
                    var product = 0.0
                    for row in 0..<rows { product += Double(basis[row * rank + k]) * Double(basis[row * rank + other]) }
                    for row in 0..<rows { basis[row * rank + k] -= Float(product) * basis[row * rank + other] }
                }
                var square = 0.0
                for row in 0..<rows { square += Double(basis[row * rank + k]) * Double(basis[row * rank + k]) }
                let inverse = square > 1e-60 ? Float(1 / square.squareRoot()) : 0
                for row in 0..<rows { basis[row * rank + k] *= inverse }
            }
        }
    }
}
