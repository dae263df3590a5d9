import Dispatch
import Foundation

/// Threads that share out tasks. What a task computes must not depend on who runs it, so that no result depends on the number.
struct Workers: Sendable {
    let threadCount: Int

    /// Runs `body` once for every task, the first ones first.
    func run(_ taskCount: Int, _ body: (Int) -> Void) {
        let threads = min(threadCount, taskCount)
        guard threads > 1 else {
            for task in 0..<taskCount { body(task) }
            return
        }
        let queue = TaskQueue(count: taskCount)
        withoutActuallyEscaping(body) { body in
            // Tasks write to places of their own.
            nonisolated(unsafe) let body = body
            DispatchQueue.concurrentPerform(iterations: threads) { _ in
                while let task = queue.next() { body(task) }
            }
        }
    }

    /// Runs `body` on ranges of rows that together are all of them.
    func run(rows: Int, chunk: Int, _ body: (Range<Int>) -> Void) {
        run((rows + chunk - 1) / chunk) { body($0 * chunk..<min(rows, ($0 + 1) * chunk)) }
    }
}

/// Numbers from 0, each handed out once; whoever is done sooner takes more of them.
private final class TaskQueue: @unchecked Sendable {
    private let lock = NSLock()
    private let count: Int
    private var taken = 0

    init(count: Int) { self.count = count }

    func next() -> Int? {
        lock.lock()
        defer { lock.unlock() }
        guard taken < count else { return nil }
        taken += 1
        return taken - 1
    }
}
