import FloatModel
import ModelFile
import Quantization

/// Quantised matrices of one model, each made when it is first asked for.
package final class MatrixStore {
    /// Moments of the layers' inputs over a calibration text; nil where there is none.
    private let statistics: InputStatistics?
    private var quantized: [ObjectIdentifier: [Encoding: QuantizedMatrix]] = [:]
    private var corrections: [ObjectIdentifier: CorrectedMatrix] = [:]
    private var curvatures: [ObjectIdentifier: Curvature] = [:]
    private var ternary: [ObjectIdentifier: Bool] = [:]
    private var tensors: [ObjectIdentifier: [Encoding: EncodedTensor]] = [:]
    private var summaries: [ObjectIdentifier: [Encoding: Summary]] = [:]
    /// Keeps the objects whose identity is a key alive.
    private var matrices: [FloatMatrix] = []
    /// Quantised matrices stay; otherwise they are made again where they are needed again, which takes less memory.
    private let keepsMatrices: Bool

    /// What a choice needs to know of a quantised matrix.
    struct Summary {
        var byteCount: Int
        var relativeError: Double
    }

    /// - Parameter keepsMatrices: for models of which there is room for every matrix in every encoding, two bytes a weight each.
    package init(_ statistics: InputStatistics? = nil, keepsMatrices: Bool = true) {
        (self.statistics, self.keepsMatrices) = (statistics, keepsMatrices)
    }

    package func quantized(_ matrix: FloatMatrix, _ encoding: Encoding) -> QuantizedMatrix {
        let id = ObjectIdentifier(matrix)
        if let known = quantized[id]?[encoding] { return known }
        let result = MatrixQuantizer(
            matrix.values, rows: matrix.rows, columns: matrix.columns, curvature: curvature(matrix)
        ).quantized(encoding)
        matrices.append(matrix)
        summaries[id, default: [:]][encoding] = Summary(byteCount: result.byteCount, relativeError: result.relativeError)
        if keepsMatrices { quantized[id, default: [:]][encoding] = result }
        return result
    }

    func summary(_ matrix: FloatMatrix, _ encoding: Encoding) -> Summary {
        if let known = summaries[ObjectIdentifier(matrix)]?[encoding] { return known }
        _ = quantized(matrix, encoding)
        return summaries[ObjectIdentifier(matrix)]![encoding]!
    }

    /// With a correction of a rank, at most that of the matrix.
    func corrected(_ matrix: FloatMatrix, _ encoding: Encoding, rank: Int) -> CorrectedMatrix {
        let id = ObjectIdentifier(matrix)
        if let known = corrections[id], known.base.encoding == encoding, known.down.rows == rank { return known }
        let result = MatrixQuantizer(
            matrix.values, rows: matrix.rows, columns: matrix.columns, curvature: curvature(matrix)
        ).corrected(encoding, rank: rank)
        matrices.append(matrix)
        corrections[id] = result
        return result
    }

    package func encoded(_ matrix: FloatMatrix, _ encoding: Encoding) -> EncodedTensor {
        let id = ObjectIdentifier(matrix)
        if let known = tensors[id]?[encoding] { return known }
        let result = quantized(matrix, encoding).encoded()
        if keepsMatrices { tensors[id, default: [:]][encoding] = result } else { tensors[id] = [encoding: result] }
        return result
    }

    /// All weights of each row are -s, 0 or s.
    package func isTernary(_ matrix: FloatMatrix) -> Bool {
        let id = ObjectIdentifier(matrix)
        if let known = ternary[id] { return known }
        let result = MatrixQuantizer(matrix.values, rows: matrix.rows, columns: matrix.columns).ternaryScales() != nil
        matrices.append(matrix)
        ternary[id] = result
        return result
    }

    private func curvature(_ matrix: FloatMatrix) -> Curvature? {
        // A table that is only looked up has no inputs; its columns count the same.
        guard let moments = statistics?.moments(of: matrix) else { return nil }
        let id = ObjectIdentifier(moments)
        if let known = curvatures[id] { return known }
        let result = Curvature(secondMoments: moments.secondMoments(), columns: moments.columns)
        curvatures[id] = result
        return result
    }
}

/// What the matrices of a model become.
package struct MatrixChoices {
    private var encodings: [ObjectIdentifier: Encoding] = [:]
    private var fallback: Encoding
    /// Bits of the activations that a layer's matrix is multiplied with, 8 or 16, where that is not left to the section.
    package var activationBits: [ObjectIdentifier: Int] = [:]

    /// Ranks of corrections, where there is one.
    var ranks: [ObjectIdentifier: Int] = [:]

    package init(_ encoding: Encoding) { fallback = encoding }

    package subscript(matrix: FloatMatrix) -> Encoding {
        get { encodings[ObjectIdentifier(matrix)] ?? fallback }
        set { encodings[ObjectIdentifier(matrix)] = newValue }
    }
}
