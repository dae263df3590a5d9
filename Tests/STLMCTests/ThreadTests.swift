import CSTLM
import Foundation
import PackedSupport
import Synchronization
import TestSupport
import Testing

/// More than one thread.
@Suite struct ThreadTests {
    private let model = try! CModel(SmallModels.merges)

    /// Nothing is lost: what was read and written stays, and the sequence goes on with the same bits.
    @Test(arguments: SmallModels.written) func aCancelledSequenceGoesOn(_ path: String) throws {
        let model = try CModel(path), prompt = "the end of the thesis"
        func session() throws -> CSession {
            let session = try model.session {
                ($0.quantum, $0.flags, $0.batch) = (1, UInt32(STLM_IGNORES_END | STLM_SLIDES), 3)
                ($0.sampling.repeat_penalty, $0.sampling.repeat_window) = (78_643, 7)
            }
            session.limit(12)
            return session
        }
        let whole = try session()
        try whole.answer(prompt)
        for cut in [0, 1, 2, 5, 9, 14, 20, 30, 45, 70, 100, 150] {
            let session = try session(), bytes = Array(prompt.utf8)
            var drawn: [UInt32] = [], isCancelled = false
            try bytes.withUnsafeBufferPointer { buffer in
                try session.check(stlm_prompt(session.pointer, UnsafeRawPointer(buffer.baseAddress!).assumingMemoryBound(to: CChar.self), buffer.count))
                for _ in 0..<cut where stlm_step(session.pointer) == STLM_TOKEN {
                    var ids: UnsafePointer<UInt32>?, count = 0
                    stlm_get_ids(session.pointer, &ids, &count)
                    drawn += UnsafeBufferPointer(start: ids, count: count)
                }
                #expect(stlm_cancel(session.pointer) == STLM_OK)
                let status = stlm_step(session.pointer)
                isCancelled = status == STLM_CANCELLED
                #expect(isCancelled || status == STLM_ENDED)
            }
            if !isCancelled { continue }
            #expect(session.progress.ending == UInt32(STLM_ENDING_CANCELLED) && stlm_step(session.pointer) == STLM_ENDED)
            if drawn.isEmpty {
                // A prompt that was not read to its end: what was read is a beginning.
                #expect(session.progress.position < 16)
                stlm_reset(session.pointer)
                try session.answer(prompt)
                #expect(session.ids == whole.ids)
            } else {
                session.limit(12 - drawn.count / Int(whole.ids.count / 12))
                try session.answer("")
                #expect(drawn + session.ids == whole.ids, "after \(cut) steps")
            }
        }
    }

    @Test func anotherThreadCancels() async throws {
        let session = try model.session { ($0.quantum, $0.flags) = (2_000, UInt32(STLM_IGNORES_END | STLM_SLIDES)) }
        #expect(stlm_prompt(session.pointer, CText.theEnd, 7) == STLM_OK)
        let tokens = Atomic(0), failure = Atomic(Int32(0))
        let thread = Task.detached { [pointer = Sent(session.pointer!)] in
            while true {
                let status = stlm_step(pointer.value)
                if status < 0 {
                    failure.store(status, ordering: .relaxed)
                    return status
                }
                if status == STLM_TOKEN { tokens.add(1, ordering: .relaxed) }
            }
        }
        while tokens.load(ordering: .relaxed) < 5 {
            if failure.load(ordering: .relaxed) < 0 { break }
            await Task.yield()
        }
        #expect(stlm_cancel(session.pointer) == STLM_OK)
        #expect(await thread.value == STLM_CANCELLED)
        session.limit(5)
        try session.answer(" then the")
        #expect(session.ids.count == 5, "it can go on")
    }

    /// A callback that calls the session it is called for finds it busy: so does a second thread.
    @Test func aSecondThreadIsRefused() throws {
        let session = try model.session()
        session.limit(2)
        try session.answer("the")
        final class Seen: @unchecked Sendable { var session: OpaquePointer!; var statuses: [Int32] = [] }
        let seen = Seen()
        seen.session = session.pointer
        let status = stlm_save(session.pointer, { context, _, _ in
            let seen = Unmanaged<Seen>.fromOpaque(context!).takeUnretainedValue()
            let done = DispatchSemaphore(value: 0)
            let second = Thread {
                seen.statuses += [stlm_step(seen.session), stlm_reset(seen.session), stlm_session_close(seen.session), stlm_cancel(seen.session)]
                done.signal()
            }
            second.start()
            done.wait()
            return 0
        }, Unmanaged.passUnretained(seen).toOpaque())
        #expect(status == STLM_OK)
        #expect(seen.statuses.prefix(4) == [STLM_BUSY, STLM_BUSY, STLM_BUSY, STLM_OK])
    }

    /// Sessions of one model run at the same time and write what they write alone.
    @Test func sessionsOfOneModelAreIndependent() async throws {
        var expected: [[UInt8]] = []
        for seed in 0..<8 as Range<UInt64> {
            let session = try model.session()
            stlm_set_seed(session.pointer, seed)
            expected.append(try session.answer("the"))
        }
        let texts = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            for seed in 0..<8 {
                let session = try model.session { $0.quantum = 3_000 }
                group.addTask {
                    stlm_set_seed(session.pointer, UInt64(seed))
                    return (seed, try session.answer("the"))
                }
            }
            var all = [[UInt8]](repeating: [], count: 8)
            for try await (seed, text) in group { all[seed] = text }
            return all
        }
        #expect(texts == expected)
    }
}

/// A pointer that is handed to another thread.
private struct Sent: @unchecked Sendable {
    let value: OpaquePointer
    init(_ value: OpaquePointer) { self.value = value }
}
