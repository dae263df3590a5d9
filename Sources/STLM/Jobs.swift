import CPlatform
import Kernels
import ModelFile

// Work of a session that its threads share. A part's result does not depend on which thread does it, or when.

/// One or two linear layers for some positions, cut into parts by rows.
struct LinearJob {
    let first: LinearRun
    let second: LinearRun?
    /// Blocks of 16 rows to compute, those of the second layer after those of the first.
    private let blocks: Range<Int>
    /// Of these in a part.
    private let blocksPerPart: Int

    /// - Parameters:
    ///   - blocks: all where nothing is said
    init(_ first: LinearRun, _ second: LinearRun? = nil, blocks: Range<Int>? = nil, vectorCount: Int, threadCount: Int) {
        self.first = first
        self.second = second
        self.blocks = blocks ?? 0..<first.layer.matrix.blockCount + (second?.layer.matrix.blockCount ?? 0)
        // One run of rows for each thread, so that it reads its weights in order, where that is worth handing over.
        let lines = Int64(self.blocks.count) * Int64(first.layer.matrix.columns / 4) * Int64(vectorCount)
        let parts = max(1, min(threadCount, Int(clamping: lines / Self.worthwhileLineCount)))
        blocksPerPart = (self.blocks.count + parts - 1) / parts
    }

    /// Lines of 64 weights times vectors, about half a microsecond.
    private static let worthwhileLineCount: Int64 = 512

    /// Some of its blocks.
    func part(_ blocks: Range<Int>, threadCount: Int) -> LinearJob {
        LinearJob(first, second, blocks: blocks, vectorCount: first.call.vector_count, threadCount: threadCount)
    }

    var partCount: Int { (blocks.count + blocksPerPart - 1) / blocksPerPart }

    func run(_ part: Int) {
        let start = blocks.lowerBound + part * blocksPerPart
        let end = min(start + blocksPerPart, blocks.upperBound)
        let split = first.layer.matrix.blockCount
        if start < split { first.apply(blocks: start..<min(end, split)) }
        if let second, end > split { second.apply(blocks: max(start, split) - split..<end - split) }
    }
}

/// Work on rows of a stream, each by itself.
struct RowJob {
    let session: UnsafePointer<Session>
    let work: RowWork
    let count: Int
    let partCount: Int

    /// Every `partCount`-th group of rows: rows may cost more the later they come, and neighbours share lines of the cache.
    func run(_ part: Int) {
        var group = max(1, min(8, count / partCount)), first = part * group
        if case .heads(let work) = work, work.scope.keyValueType == .int4 {
            // Values at 8 positions share words of the cache.
            group = 8
            first = part * group - work.scope.firstPosition % 8
        }
        while first < count {
            for row in max(0, first)..<min(first + group, count) { session.pointee.perform(work, row: row, part: part) }
            first += partCount * group
        }
    }
}

/// What is done to a row.
enum RowWork {
    /// Normalisation into `plan.normal`, and the codes of the result for a layer.
    case normalize(Stream, Norm?, Linear)
    /// Rotation of queries and keys, and their codes and the values' in the cache.
    case heads(AttentionWork)
    /// Attention of all heads, and the codes of the result for the output layer.
    case attention(AttentionWork)
    /// Activation, the gate, and the codes of the result for a layer.
    case activation(ActivationWork)
    /// Codes of what the first half of a correction gives, for the other.
    case correction(Linear)
}

struct AttentionWork {
    let record: AttentionRecord
    let cache: KeyValueSlot
    let scope: AttentionScope
    /// Rows of the stream.
    let count: Int
    let output: Linear

    var headCount: Int { Int(record.headCount) }
    var kvHeadCount: Int { Int(record.kvHeadCount) }
    var headSize: Int { Int(record.headSize) }
    /// Of a query's codes.
    var querySize: Int { Layout.align(headSize, 2) }

    /// Positions that a row attends to.
    func seenCount(row: Int) -> Int { scope.firstPosition + (scope.isCausal ? row + 1 : count) }

    /// Elements of keys that a row's queries meet, which need not fit in an Int of 32 bits.
    func elementCount(row: Int) -> Int { Int(clamping: Int64(headCount * headSize) * Int64(seenCount(row: row))) }
}

struct ActivationWork {
    let activation: Activation
    let piecewise: PiecewiseLinear?
    let isGated: Bool
    let size: Int
    let down: Linear
}

/// Attention of one position, cut into parts by query heads: part p does every `partCount`-th.
struct HeadsJob {
    let session: UnsafePointer<Session>
    let work: AttentionWork
    let row: Int
    let partCount: Int

    func run(_ part: Int) {
        var head = part
        while head < work.headCount {
            session.pointee.attend(work, row: row, head: head, part: part)
            head += partCount
        }
    }
}
