import CSTLM
import Foundation
import PackedSupport
import TestSupport
import Testing

/// Sessions as files through C: Formats/session-1.md.
@Suite struct SavingTests {
    private func session(_ model: CModel, quantum: UInt64 = 9_000, seed: UInt64? = 4) throws -> CSession {
        let session = try model.session {
            ($0.quantum, $0.flags, $0.sampling.temperature) = (quantum, UInt32(STLM_IGNORES_END | STLM_SLIDES), 65_536)
            ($0.sampling.repeat_penalty, $0.sampling.repeat_window) = (78_643, 9)
        }
        if let seed { stlm_set_seed(session.pointer, seed) }
        return session
    }

    /// Saved after any step that a token was drawn in or after, a session goes on in another with the same tokens.
    @Test(arguments: SmallModels.written) func aSessionGoesOnInAnother(_ path: String) throws {
        let model = try CModel(path), whole = try session(model)
        whole.limit(24)
        try whole.answer("the end")
        let size = whole.ids.count / 24
        for stepCount in stride(from: 0, through: 60, by: 3) {
            let first = try session(model, quantum: 1), bytes = Array("the end".utf8)
            var drawn: [UInt32] = []
            try bytes.withUnsafeBufferPointer { buffer in
                try first.check(stlm_prompt(first.pointer, UnsafeRawPointer(buffer.baseAddress!).assumingMemoryBound(to: CChar.self), buffer.count))
                var more = stepCount
                while drawn.isEmpty || more > 0 {
                    if !drawn.isEmpty { more -= 1 }
                    let status = stlm_step(first.pointer)
                    try first.check(status)
                    if status == STLM_TOKEN {
                        var ids: UnsafePointer<UInt32>?, count = 0
                        stlm_get_ids(first.pointer, &ids, &count)
                        drawn += UnsafeBufferPointer(start: ids, count: count)
                    }
                }
            }
            let file = try first.saved(), second = try session(model, seed: nil)
            try second.restore(file)
            #expect(try first.saved() == file, "saving changes nothing")
            second.limit(24 - drawn.count / size)
            try second.answer("")
            #expect(drawn + second.ids == whole.ids, "\(stepCount) steps after the first token")
            // The first goes on too, also where it was saved between two layers or in the midst of its logits.
            first.limit(24)
            try first.run()
            #expect(drawn + first.ids == whole.ids)
        }
    }

    @Test func filesOfOthersAndDamagedOnesAreRefused() throws {
        let model = try CModel(SmallModels.merges), first = try session(model)
        first.limit(5)
        try first.answer("the end")
        let file = try first.saved(), other = try session(model)
        func refuse(_ bytes: [UInt8], _ code: Int32, _ part: String, location: SourceLocation = #_sourceLocation) throws {
            try other.answer("the")
            let failure = try #require(throws: Failure.self) { try other.restore(bytes) }
            #expect(failure.status == code && failure.sentence.contains(part), "\(failure)", sourceLocation: location)
            #expect(other.progress.position == 0, sourceLocation: location)
            stlm_reset(other.pointer)
        }
        other.limit(2)
        try refuse(Array(file.dropLast(1)), STLM_BAD_SESSION_FILE, "ends early")
        try refuse([], STLM_BAD_SESSION_FILE, "ends early")
        var bytes = file
        bytes[0] ^= 1
        try refuse(bytes, STLM_BAD_SESSION_FILE, "no session file")
        bytes = file
        bytes[bytes.count - 9] ^= 1
        try refuse(bytes, STLM_BAD_SESSION_FILE, "damaged")
        let begins = try session(CModel(SmallModels.begins))
        begins.limit(2)
        try begins.answer("the")
        try refuse(begins.saved(), STLM_BAD_SESSION_FILE, "another model")
        let narrow = try model.session { $0.kv_type = UInt32(STLM_KV_INT4) }
        narrow.limit(2)
        try narrow.answer("the")
        try refuse(narrow.saved(), STLM_BAD_SESSION_FILE, "keys and values of type int4 and this session of type int16;")
        let short = try model.session { $0.context = 4 }
        #expect { try short.restore(file) } throws: { ($0 as? Failure)?.status == STLM_CONTEXT_FULL }
        try other.restore(file)
        #expect(other.progress.position > 0)
    }

    @Test func descriptorsTakeAndGiveSessions() throws {
        let folder = try TemporaryFolder(), path = try folder.file("s", []), model = try CModel(SmallModels.merges), first = try session(model)
        first.limit(5)
        try first.answer("the end")
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        #expect(stlm_save_descriptor(first.pointer, handle.fileDescriptor) == STLM_OK)
        #expect(try folder.bytes("s") == first.saved())
        try handle.seek(toOffset: 0)
        let second = try session(model, seed: nil)
        second.limit(5)
        #expect(stlm_restore_descriptor(second.pointer, handle.fileDescriptor) == STLM_OK)
        #expect(try second.answer("") == first.answer(""))
        #expect(stlm_save_descriptor(first.pointer, 987) == STLM_NOT_WRITTEN)
        #expect(first.sentence.contains("written to descriptor 987 (Bad file descriptor); open"), "\(first.sentence)")
        // What the system refuses to read is no file that ends early.
        #expect(stlm_restore_descriptor(first.pointer, 987) == STLM_BAD_SESSION_FILE)
        #expect(first.sentence.contains("read from descriptor 987 (Bad file descriptor); open"), "\(first.sentence)")
        let directory = open(folder.url.path, O_RDONLY)
        defer { close(directory) }
        #expect(stlm_restore_descriptor(first.pointer, directory) == STLM_BAD_SESSION_FILE && first.sentence.contains("(Is a directory)"))
        #expect(stlm_restore_descriptor(first.pointer, handle.fileDescriptor) == STLM_BAD_SESSION_FILE && first.sentence.contains("ends early"))
        #expect(stlm_save(first.pointer, { _, _, _ in 1 }, nil) == STLM_NOT_WRITTEN && first.sentence.contains("make room"))
    }
}
