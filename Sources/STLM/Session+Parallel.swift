import CPlatform
import Kernels
import ModelFile

// Work shared among the threads of a session.
extension Session {
    /// Runs `work(context, part)` for each part, on all threads.
    private func run(_ partCount: Int, _ context: UnsafeMutableRawPointer, _ work: stlm_pool_work) {
        stlm_pool_run(arena + plan.pool.offset, work, context, partCount)
    }

    func run(_ job: LinearJob, as operation: Operation = .linear) {
        let started = profile.begin()
        if plan.weights == nil { share(job) } else { pass(job) }
        profile.end(operation, started)
    }

    /// Computes a job on all threads.
    func share(_ job: LinearJob) {
        let parts = job.partCount
        if plan.threadCount == 1 || parts == 1 {
            for part in 0..<parts { job.run(part) }
        } else {
            var job = job
            withUnsafeMutablePointer(to: &job) { job in
                run(parts, job) { $0!.assumingMemoryBound(to: LinearJob.self).pointee.run($1) }
            }
        }
    }

    /// Elements of a job's rows below which its rows are not worth handing over.
    private static var worthwhileElementCount: Int { 8_192 }

    /// Does `work` to each of `count` rows.
    /// - Parameters:
    ///   - size: elements that a row takes, about
    func run(_ work: RowWork, count: Int, size: Int) {
        let started = profile.begin()
        if plan.threadCount == 1 || count == 1 || Int64(count) * Int64(size) < Int64(Self.worthwhileElementCount) {
            for row in 0..<count { perform(work, row: row, part: 0) }
        } else {
            let parts = min(count, plan.threadCount)
            withUnsafePointer(to: self) { session in
                var job = RowJob(session: session, work: work, count: count, partCount: parts)
                withUnsafeMutablePointer(to: &job) { job in
                    run(parts, job) { $0!.assumingMemoryBound(to: RowJob.self).pointee.run($1) }
                }
            }
        }
        profile.end(Operation(work), started)
    }

    /// Attention of all heads of one row.
    func runHeads(_ work: AttentionWork, row: Int) {
        let started = profile.begin()
        let elements = work.elementCount(row: row)
        if plan.threadCount == 1 || work.headCount == 1 || elements < 2 * Self.worthwhileElementCount {
            for head in 0..<work.headCount { attend(work, row: row, head: head, part: 0) }
        } else {
            let parts = min(work.headCount, plan.threadCount)
            withUnsafePointer(to: self) { session in
                var job = HeadsJob(session: session, work: work, row: row, partCount: parts)
                withUnsafeMutablePointer(to: &job) { job in
                    run(parts, job) { $0!.assumingMemoryBound(to: HeadsJob.self).pointee.run($1) }
                }
            }
        }
        profile.end(.attention, started)
    }
}

/// A buffer read by all threads of a session, to measure memory.
private struct ReadJob {
    let bytes: UnsafeRawBufferPointer
    let partCount: Int
    let kernels: KernelSet
    /// (partCount)
    let sums: UnsafeMutablePointer<UInt64>

    func run(_ part: Int) {
        let size = bytes.count / partCount / 256 * 256
        sums[part] = readAll(UnsafeRawBufferPointer(rebasing: bytes[part * size..<part * size + size]), kernels)
    }
}

extension Session {
    /// Reads a buffer with all threads as fast as they can; the sums go to the arena, so that nothing is read in vain.
    public func readAll(_ bytes: UnsafeRawBufferPointer) {
        let sums = pointer(plan.attentionSums, as: UInt64.self)
        // A slot for each thread is there, but for models without attention.
        let parts = min(plan.threadCount, plan.attentionSums.byteCount / 8)
        if parts == 0 { return pointer(plan.logits, as: UInt64.self)[0] = Kernels.readAll(bytes) }
        var job = ReadJob(bytes: bytes, partCount: parts, kernels: .detected, sums: sums)
        if parts == 1 { return job.run(0) }
        withUnsafeMutablePointer(to: &job) { job in
            run(parts, job) { $0!.assumingMemoryBound(to: ReadJob.self).pointee.run($1) }
        }
    }
}
