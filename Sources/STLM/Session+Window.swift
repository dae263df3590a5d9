import CPlatform
import Kernels
import ModelFile

/// What a session knows of weights that pass through memory; it lies in the arena.
struct WeightWindow {
    /// The model file, or -1.
    var descriptor: Int32
    /// Place in `plan.passOrder` of the last layer that was run.
    var place: Int
    /// Bytes that have passed since the session began.
    var passedByteCount: UInt64
}

// Decoding under a limit below the weights' size. A layer's blocks of rows that may not stay are computed piece by piece: while one is at work
// the system fetches the next, and what has been read leaves memory. The results are the same.
extension Session {
    private var window: UnsafeMutablePointer<WeightWindow> { pointer(plan.window, as: WeightWindow.self) }
    private var keptBlocks: UnsafeMutablePointer<UInt32> { pointer(plan.keptBlocks, as: UInt32.self) }
    private var passOrder: UnsafeMutablePointer<UInt32> { pointer(plan.passOrder, as: UInt32.self) }

    /// Bytes of weights that were read and not kept, since the session began.
    public var passedByteCount: UInt64 { plan.weights == nil ? 0 : window.pointee.passedByteCount }

    func openWindow(descriptor: Int32) {
        guard let weights = plan.weights else { return }
        window.initialize(to: WeightWindow(descriptor: descriptor, place: 0, passedByteCount: 0))
        let kept = keptBlocks, order = passOrder
        var rest = weights.rest
        for tensor in 0..<model.file.tensorCount {
            kept[tensor] = .max
            if !model.isPassed(tensor) { continue }
            let matrix = model.matrix(UInt32(tensor)), uses = model.useCount(tensor)
            if uses >= weights.keptUses { continue }
            kept[tensor] = 0
            if uses == weights.keptUses - 1 {
                let blocks = min(matrix.blockCount, rest / matrix.blockByteCount)
                rest -= blocks * matrix.blockByteCount
                kept[tensor] = UInt32(blocks)
            }
        }
        var count = 0
        model.visitLayers { layer, _ in
            order[count] = model.base(layer)
            count += 1
        }
        stlm_window_begin(model.file.base, model.file.byteCount, descriptor)
        for tensor in 0..<model.file.tensorCount where model.isPassed(tensor) {
            let matrix = model.matrix(UInt32(tensor))
            fetch(matrix, 0..<min(matrix.blockCount, Int(kept[tensor])))
        }
    }

    /// Computes a job of which some blocks pass through memory.
    func pass(_ job: LinearJob) {
        pass(job, job.first.layer.matrix, offset: 0)
        if let second = job.second { pass(job, second.layer.matrix, offset: job.first.layer.matrix.blockCount) }
    }

    /// - Parameters:
    ///   - offset: the job's blocks before those of the matrix
    private func pass(_ job: LinearJob, _ matrix: Matrix, offset: Int) {
        let all = matrix.blockCount, kept = min(all, Int(keptBlocks[matrix.tensor]))
        if kept > 0 { share(job.part(offset..<offset + kept, threadCount: plan.threadCount)) }
        if kept == all { return }
        let step = max(1, plan.weights!.pieceByteCount / matrix.blockByteCount)
        var start = kept
        while start < all {
            let end = min(start + step, all)
            if end < all { fetch(matrix, end..<min(end + step, all)) } else { fetchNext(after: matrix) }
            share(job.part(offset + start..<offset + end, threadCount: plan.threadCount))
            drop(matrix, start..<end)
            start = end
        }
    }

    /// Fetches the beginning of the layer that is likely to come next.
    private func fetchNext(after matrix: Matrix) {
        let count = model.layerCount, order = passOrder
        var place = window.pointee.place
        for _ in 0..<count where order[place] != matrix.tensor { place = (place + 1) % count }
        for _ in 0..<count {
            place = (place + 1) % count
            let next = model.matrix(order[place]), kept = Int(keptBlocks[next.tensor])
            if kept >= next.blockCount { continue }
            let step = max(1, plan.weights!.pieceByteCount / next.blockByteCount)
            fetch(next, kept..<min(kept + step, next.blockCount))
            break
        }
        window.pointee.place = place
    }

    func fetch(_ table: Matrix, row: Int) {
        if row / 16 >= Int(keptBlocks[table.tensor]) { fetch(table, row / 16..<row / 16 + 1) }
    }

    func drop(_ table: Matrix, row: Int) {
        if row / 16 >= Int(keptBlocks[table.tensor]) { drop(table, row / 16..<row / 16 + 1) }
    }

    private func fetch(_ matrix: Matrix, _ blocks: Range<Int>) {
        forEachRange(of: matrix, blocks) { offset, count in stlm_window_fetch(model.file.base, offset, count) }
    }

    private func drop(_ matrix: Matrix, _ blocks: Range<Int>) {
        let window = window
        forEachRange(of: matrix, blocks) { offset, count in
            stlm_window_drop(model.file.base, offset, count, model.file.byteCount, window.pointee.descriptor)
            window.pointee.passedByteCount += UInt64(count)
        }
    }

    /// Offset in the file and byte count of some blocks' codes, scales of groups, and scales of rows.
    private func forEachRange(of matrix: Matrix, _ blocks: Range<Int>, _ body: (_ offset: Int, _ byteCount: Int) -> Void) {
        func give(_ start: UnsafeRawPointer, _ each: Int) {
            if each > 0, !blocks.isEmpty { body(start - model.file.base + blocks.lowerBound * each, blocks.count * each) }
        }
        give(matrix.codes, matrix.lineCount * 64)
        give(UnsafeRawPointer(matrix.groupScales), matrix.encoding.groupScaleByteCount(columns: matrix.columns))
        give(UnsafeRawPointer(matrix.rowScales), 32)
    }
}
