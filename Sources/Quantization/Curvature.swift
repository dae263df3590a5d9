import Foundation

/// How much each direction of a layer's input counts: `H`, the mean of x xᵀ over its inputs, in the factored form that error feedback
/// needs. H = (A + I)ᵀ D (A + I), with A strictly lower and D diagonal: the LDLQ form of GPTQ (Frantar et al. 2022, arXiv:2210.17323; Chee
/// et al. 2023, arXiv:2307.13304). Column j of a row, quantised after the columns before it, then costs D[j] times the square of
/// `w[j] + sum over k < j of A[j][k] * e[k] - q[j]`, `e` being the errors so far.
public final class Curvature: Sendable {
    public let columns: Int
    /// (columns, columns) A, row-major; nil where H is diagonal
    package let feedback: [Float]?
    /// (columns) D
    package let importance: [Float]

    /// All directions count the same, for matrices whose inputs are not known.
    public init(columns: Int) {
        self.columns = columns
        feedback = nil
        importance = [Float](repeating: 1, count: columns)
    }

    /// - Parameters:
    ///   - secondMoments: (columns, columns) sums of x xᵀ, in any scale; the lower triangle is read
    ///   - damping: added to the diagonal, relative to its mean: directions that the inputs hardly have keep some weight
    public init(secondMoments: [Float], columns: Int, damping: Double = 0.01) {
        precondition(secondMoments.count == columns * columns)
        self.columns = columns
        var trace = 0.0
        for j in 0..<columns { trace += Double(secondMoments[j * columns + j]) }
        let unit = trace / Double(columns)
        guard unit > 0, unit.isFinite else {
            feedback = nil
            importance = [Float](repeating: 1, count: columns)
            return
        }
        let factor = Self.factor(secondMoments, columns, unit: unit, damping: damping)
        var importance = [Float](repeating: 0, count: columns)
        var feedback = [Float](repeating: 0, count: columns * columns)
        for j in 0..<columns {
            let pivot = factor[j * columns + j]
            importance[j] = Float(pivot * pivot)
            for k in 0..<j { feedback[j * columns + k] = Float(factor[k * columns + j] / pivot) }
        }
        self.importance = importance
        self.feedback = feedback
    }

    /// Upper V with H = V Vᵀ, row-major: Cholesky's method from the last column to the first.
    private static func factor(_ moments: [Float], _ n: Int, unit: Double, damping: Double) -> [Double] {
        var v = [Double](repeating: 0, count: n * n)
        v.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let v = buffer.baseAddress!
            moments.withUnsafeBufferPointer { moments in
                nonisolated(unsafe) let h = moments.baseAddress!
                for j in stride(from: n - 1, through: 0, by: -1) {
                    let row = v + j * n
                    let rest = dot(row + j + 1, row + j + 1, n - j - 1)
                    let pivot = max(Double(h[j * n + j]) / unit + damping - rest, damping * 1e-3).squareRoot()
                    row[j] = pivot
                    let inverse = 1 / pivot
                    @Sendable func fill(_ rows: Range<Int>) {
                        for i in rows {
                            v[i * n + j] = (Double(h[j * n + i]) / unit - dot(v + i * n + j + 1, v + j * n + j + 1, n - j - 1)) * inverse
                        }
                    }
                    let parts = j * (n - j) / 200_000
                    if parts < 2 { fill(0..<j) } else {
                        DispatchQueue.concurrentPerform(iterations: parts) { fill($0 * j / parts..<($0 + 1) * j / parts) }
                    }
                }
            }
        }
        return v
    }

    private static func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
        var s0 = SIMD4<Double>.zero, s1 = SIMD4<Double>.zero
        var k = 0
        while k + 8 <= count {
            s0 += UnsafeRawPointer(a + k).loadUnaligned(as: SIMD4<Double>.self) * UnsafeRawPointer(b + k).loadUnaligned(as: SIMD4<Double>.self)
            s1 += UnsafeRawPointer(a + k + 4).loadUnaligned(as: SIMD4<Double>.self)
                * UnsafeRawPointer(b + k + 4).loadUnaligned(as: SIMD4<Double>.self)
            k += 8
        }
        var sum = (s0 + s1).sum()
        while k < count {
            sum += a[k] * b[k]
            k += 1
        }
        return sum
    }
}
