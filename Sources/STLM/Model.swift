import FixedPoint
import Kernels
import ModelFile
import Tokenizers

/// An opened model: a model file's parts as the kernels take them. Nothing is copied; every call reads the mapped tables.
public struct Model {
    public let file: ModelFile
    public let record: ModelRecord
    public let tokenizer: Tokenizer?
    /// Steps of the schedule by section.
    let embedderSteps: Range<Int>
    let coreSteps: Range<Int>
    let headSteps: Range<Int>

    public init(_ file: ModelFile) {
        self.file = file
        record = file.model
        tokenizer = Tokenizer(file)
        var ends = (0, 0)
        for index in 0..<file.stepCount {
            let section = file.step(index).section
            if section <= ModelSection.embedder.rawValue { ends.0 = index + 1 }
            if section <= ModelSection.core.rawValue { ends.1 = index + 1 }
        }
        embedderSteps = 0..<ends.0
        coreSteps = ends.0..<ends.1
        headSteps = ends.1..<file.stepCount
    }

    public var hiddenSize: Int { Int(record.hiddenSize) }
    public var vocabularySize: Int { Int(record.vocabularySize) }
    var residualFractionBits: Int { Int(record.residualFractionBits) }
    public var logitFractionBits: Int { Int(record.head.logitFractionBits) }

    // MARK: What goes in and what comes out

    /// Symbols of a block; 0 in a model of tokens.
    public var blockSize: Int { Int(record.blockSize) }
    public var takesBlocks: Bool { record.takesBlocks }
    public var writesBlocks: Bool { record.writesBlocks }
    /// Numbers that a position takes: a token, or the symbols of a block.
    public var inputSize: Int { takesBlocks ? blockSize : 1 }
    /// Numbers that come after a position.
    public var outputSize: Int { writesBlocks ? blockSize : 1 }
    /// What each number that goes in is below.
    public var inputLimit: Int { takesBlocks ? Symbol.count : vocabularySize }
    /// Logits for each number that comes out.
    public var logitCount: Int { writesBlocks ? Symbol.count : vocabularySize }
    /// What comes out can go in again.
    public var canGenerate: Bool { takesBlocks == writesBlocks }

    /// Slots of a block that a byte head draws: all of them, or up to the one that closes the block.
    public func drawnCount(_ block: UnsafePointer<UInt32>) -> Int {
        if record.head.kind == HeadKind.byteDecoder.rawValue {
            for t in 0..<blockSize where block[t] >= Symbol.pad { return t + 1 }
        }
        return blockSize
    }

    /// True if a generation stops at this block.
    public func isEnd(block: UnsafePointer<UInt32>) -> Bool {
        for t in 0..<blockSize where block[t] != UInt32(record.endBlock[t]) { return false }
        return true
    }

    /// Bytes of the keys and values of a step at so many positions.
    func cacheByteCount(_ step: StepRecord, positionCount: Int, _ type: KeyValueType = .int16) -> Int64 {
        step.attention == Layout.none ? 0 : KeyValueLayout(file.attention(Int(step.attention)), positionCount, type).byteCount
    }
    public var bosToken: UInt32? { record.bosToken == Layout.none ? nil : record.bosToken }

    /// True if a generation stops at this token.
    public func isEnd(_ token: UInt32) -> Bool {
        for k in 0..<Int(record.endCount) where record.endTokens[k] == token { return true }
        return false
    }

    /// A matrix, of a corrected one the base.
    func matrix(_ tensor: UInt32) -> Matrix {
        if let parts = file.corrected(Int(tensor)) { return matrix(parts.base) }
        let record = file.tensor(Int(tensor))
        var matrix = Matrix(
            Encoding(rawValue: record.encoding)!, bytes: file.tensorBytes(Int(tensor)), rows: Int(record.rows),
            columns: Int(record.columns), exponent: Int(record.exponent))
        matrix.tensor = Int(tensor)
        return matrix
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

    /// What is added to the result of a layer; nil for most. arithmetic-1, section 4.1.
    func correction(_ record: LinearRecord) -> Correction? {
        guard let parts = file.corrected(Int(record.tensor)) else { return nil }
        return Correction(
            down: Linear(matrix: matrix(parts.down), bias: nil, biasFractionBits: 0, activationBits: Int(record.activationBits)),
            up: Linear(matrix: matrix(parts.up), bias: nil, biasFractionBits: 0, activationBits: Int(parts.activationBits)))
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
