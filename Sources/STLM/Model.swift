import FixedPoint
import Kernels
import ModelFile
import Tokenizers

/// An opened model: a model file's parts as the kernels take them. Nothing is copied; every call reads the mapped tables.
public struct Model {
    public let file: ModelFile
    public let record: ModelRecord
    public let tokenizer: Tokenizer?

    public init(_ file: ModelFile) {
        self.file = file
        record = file.model
        tokenizer = Tokenizer(file)
    }

    public var hiddenSize: Int { Int(record.hiddenSize) }
    public var vocabularySize: Int { Int(record.vocabularySize) }
    public var bosToken: UInt32? { record.bosToken == Layout.none ? nil : record.bosToken }

    /// True if a generation stops at this token.
    public func isEnd(_ token: UInt32) -> Bool {
        for k in 0..<Int(record.endCount) where record.endTokens[k] == token { return true }
        return false
    }

    func matrix(_ tensor: UInt32) -> Matrix {
        let record = file.tensor(Int(tensor))
        return Matrix(
            bytes: file.tensorBytes(Int(tensor)), rows: Int(record.rows), columns: Int(record.columns),
            exponent: Int(record.exponent), codeBits: record.encoding == Encoding.int8Rows.rawValue ? 8 : 16)
    }

    func linear(_ record: LinearRecord) -> Linear {
        var bias: UnsafePointer<Int32>?
        var biasFractionBits = 0
        if record.bias != Layout.none {
            bias = vector(record.bias)
            biasFractionBits = Int(file.tensor(Int(record.bias)).exponent)
        }
        return Linear(
            matrix: matrix(record.tensor), bias: bias, biasFractionBits: biasFractionBits,
            activationBits: Int(record.activationBits))
    }

    func vector(_ tensor: UInt32) -> UnsafePointer<Int32> {
        file.tensorBytes(Int(tensor)).assumingMemoryBound(to: Int32.self)
    }

    /// nil for none.
    func norm(_ index: UInt32) -> Norm? {
        if index == Layout.none { return nil }
        let record = file.norm(Int(index))
        return Norm(
            subtractsMean: record.kind == NormCode.layer.rawValue, weight: vector(record.weight),
            weightFractionBits: Int(file.tensor(Int(record.weight)).exponent),
            bias: record.bias == Layout.none ? nil : vector(record.bias),
            outputFractionBits: Int(record.outputFractionBits), epsilon: record.epsilon)
    }

    func piecewiseLinear(_ tensor: UInt32) -> PiecewiseLinear? {
        if tensor == Layout.none { return nil }
        let record = file.tensor(Int(tensor))
        return PiecewiseLinear(
            breakpoints: vector(tensor), count: Int(record.columns), slopeFractionBits: Int(record.exponent))
    }

    /// Cosines and sines of a position: (headSize / 2) pairs, Q14.
    func rotationRow(_ tensor: UInt32, position: Int) -> UnsafePointer<Int16> {
        let columns = Int(file.tensor(Int(tensor)).columns)
        return (file.tensorBytes(Int(tensor)) + position * columns * 4).assumingMemoryBound(to: Int16.self)
    }
}
