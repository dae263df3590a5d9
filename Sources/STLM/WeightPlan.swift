import Kernels
import ModelFile

/// Which weights stay in memory, and which pass through it, where a session may not hold all: those that a position reads most often stay,
/// then the first. The others are read again for each batch of positions, in the order of the file.
public struct WeightPlan: Sendable {
    /// Bytes that stay: tables, vectors, and the blocks of matrices that fit.
    public let keptByteCount: Int
    /// Bytes of matrices that pass, for each batch of positions as often as they are read.
    public let passedByteCount: Int64
    /// Of a piece that is at work while the next one is on its way.
    public let pieceByteCount: Int
    /// Reads of a matrix by a position from which on all its blocks stay; those of one read fewer stay as far as `rest` goes.
    let keptUses: Int
    let rest: Int

    /// Bytes of the file that must be in memory at a time: what does not pass, a piece at work and the next.
    public static func leastByteCount(_ model: Model) -> Int {
        let (fixed, piece) = fixed(model)
        return fixed + 2 * piece + slackByteCount
    }

    /// Bytes that do not pass, and of the least piece.
    private static func fixed(_ model: Model) -> (byteCount: Int, piece: Int) {
        var fixed = model.file.byteCount, widest = leastPieceByteCount
        for tensor in 0..<model.file.tensorCount where model.isPassed(tensor) {
            let matrix = model.matrix(UInt32(tensor))
            fixed -= matrix.byteCount
            widest = max(widest, matrix.blockByteCount)
        }
        return (fixed, widest)
    }

    /// What a plan's arena is larger by.
    public static func arenaByteCount(_ model: Model) -> Int {
        Layout.align(MemoryLayout<WeightWindow>.stride, 64) + Layout.align(model.file.tensorCount * 4, 64)
            + Layout.align(model.layerCount * 4, 64)
    }

    /// A piece is a block of 16 rows at least.
    static let leastPieceByteCount = 131_072, mostPieceByteCount = 1 << 20
    /// Edges of pieces, and pages that a fault maps besides its own.
    static let slackByteCount = 524_288

    /// - Parameters:
    ///   - byteLimit: bytes of the file that may be in memory
    init(_ model: Model, byteLimit: Int) throws(SessionError) {
        let file = model.file
        let (fixed, leastPiece) = Self.fixed(model), least = Self.leastByteCount(model)
        if byteLimit < least { throw .weightsDoNotFit(limit: byteLimit, least: least) }
        var uses = 0
        for tensor in 0..<file.tensorCount where model.isPassed(tensor) { uses = max(uses, model.useCount(tensor)) }
        let free = byteLimit - fixed - Self.slackByteCount
        pieceByteCount = max(leastPiece, min(Self.mostPieceByteCount, free / 8))

        // From those that are read most often on, as long as all of them fit.
        var left = free - 2 * pieceByteCount
        while uses > 0 {
            let bytes = model.byteCount(ofUses: uses)
            if bytes > left { break }
            left -= bytes
            uses -= 1
        }
        keptUses = uses + 1
        rest = left
        keptByteCount = byteLimit - Self.slackByteCount - 2 * pieceByteCount
        var passed: Int64 = 0
        for tensor in 0..<file.tensorCount where model.isPassed(tensor) {
            let matrix = model.matrix(UInt32(tensor)), uses = model.useCount(tensor)
            if uses > 0, uses < keptUses { passed += Int64(matrix.byteCount) * Int64(uses) }
        }
        passedByteCount = max(0, passed - Int64(rest) * Int64(max(1, uses)))
    }
}

extension Model {
    /// True for the matrices of linear layers and the tables of tokens and positions. All others are small and stay: vectors, rotations,
    /// corrections.
    func isPassed(_ tensor: Int) -> Bool {
        let index = UInt32(tensor), embedder = record.embedder
        if !takesBlocks, index == embedder.table || index == embedder.positionTensor { return true }
        return useCount(tensor) > 0
    }

    /// How often linear layers read a matrix for one position: a shared one for each of its steps, a byte decoder's for each slot.
    @inline(never)
    func useCount(_ tensor: Int) -> Int {
        var count = 0
        visitLayers { layer, times in if Int(base(layer)) == tensor { count += times } }
        return count
    }

    /// Bytes of the matrices that are read so often.
    func byteCount(ofUses uses: Int) -> Int {
        var sum = 0
        for tensor in 0..<file.tensorCount where isPassed(tensor) && useCount(tensor) == uses { sum += matrix(UInt32(tensor)).byteCount }
        return sum
    }

    /// Linear layers that a position runs, each as often as steps have it.
    var layerCount: Int {
        var count = 0
        visitLayers { _, _ in count += 1 }
        return count
    }

    /// Calls `body` with each linear layer in the order of a position, and how often it runs in a row.
    @inline(never)
    func visitLayers(_ body: (_ layer: LinearRecord, _ times: Int) -> Void) {
        let slots = record.head.kind == HeadKind.byteDecoder.rawValue ? blockSize : 1
        for index in 0..<headSteps.lowerBound { visitLayers(file.step(index)) { body($0, 1) } }
        if writesBlocks { body(record.head.projection, 1) }
        for index in headSteps { visitLayers(file.step(index)) { body($0, slots) } }
        body(record.head.output, slots)
    }

    private func visitLayers(_ step: StepRecord, _ body: (LinearRecord) -> Void) {
        if step.attention != Layout.none {
            let attention = file.attention(Int(step.attention))
            body(attention.qkv)
            body(attention.output)
        }
        if step.feedForward != Layout.none {
            let feedForward = file.feedForward(Int(step.feedForward))
            if feedForward.kind == FeedForwardKind.gated.rawValue { body(feedForward.gate) }
            body(feedForward.up)
            body(feedForward.down)
        }
    }

    /// The tensor that is read, of a corrected one its base.
    func base(_ layer: LinearRecord) -> UInt32 { file.corrected(Int(layer.tensor))?.base ?? layer.tensor }
}
