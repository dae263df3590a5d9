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
    /// Keeps the objects whose identity is a key alive.
    private var matrices: [FloatMatrix] = []

    package init(_ statistics: InputStatistics? = nil) { self.statistics = statistics }

    package func quantized(_ matrix: FloatMatrix, _ encoding: Encoding) -> QuantizedMatrix {
        let id = ObjectIdentifier(matrix)
        if let known = quantized[id]?[encoding] { return known }
        let result = MatrixQuantizer(
            matrix.values, rows: matrix.rows, columns: matrix.columns, curvature: curvature(matrix)
        ).quantized(encoding)
        matrices.append(matrix)
        quantized[id, default: [:]][encoding] = result
        return result
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
        tensors[id, default: [:]][encoding] = result
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
