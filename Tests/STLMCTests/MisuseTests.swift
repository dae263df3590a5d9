import CSTLM
import Foundation
import PackedSupport
import STLMC
import TestSupport
import Testing

/// Wrong use is a code and a sentence, never a crash, and changes nothing.
@Suite struct MisuseTests {
    private let model = try! CModel(SmallModels.merges)

    private func expect(_ status: Int32, _ session: CSession, _ code: Int32, _ part: String, location: SourceLocation = #_sourceLocation) {
        #expect(status == code, sourceLocation: location)
        let sentence = session.sentence
        #expect(sentence.contains(part) && sentence.utf8.count < 500, "\(sentence)", sourceLocation: location)
    }

    @Test func everyCodeHasASentence() {
        var sentences: Set<String> = []
        for code in -23...3 as ClosedRange<Int32> { sentences.insert(String(cString: stlm_status_text(code))) }
        #expect(sentences.count == 27 && sentences.allSatisfy { !$0.isEmpty && $0.utf8.count < 200 && !$0.contains("\n") })
        #expect(String(cString: stlm_status_text(77)) == String(cString: stlm_status_text(-99)))
        #expect(stlm_abi_version() == 1 && stlm_features() & UInt64(STLM_FEATURE_KV_INT4) != 0)
        #expect(!String(cString: stlm_kernels()).isEmpty)
    }

    // MARK: Models

    @Test func memoryOfAModelIsChecked() throws {
        let count = stlm_model_bytes(), memory = AlignedMemory(count + 64)
        var pointer: OpaquePointer?
        let path = SmallModels.merges
        #expect(stlm_model_open(nil, count, path, &pointer) == STLM_NULL_POINTER && pointer == nil)
        #expect(stlm_model_open(memory.start, count, nil, &pointer) == STLM_NULL_POINTER)
        #expect(stlm_model_open(memory.start, count, path, nil) == STLM_NULL_POINTER)
        #expect(stlm_model_open(memory.start, count - 1, path, &pointer) == STLM_TOO_SMALL && pointer == nil)
        for offset in [1, 8, 32] { #expect(stlm_model_open(memory.start + offset, count, path, &pointer) == STLM_MISALIGNED) }
        #expect(String(cString: stlm_model_error(nil)) == String(cString: stlm_status_text(STLM_NULL_POINTER)))
        #expect(stlm_model_open(memory.start, count, path, &pointer) == STLM_OK && pointer == OpaquePointer(memory.start))
        #expect(stlm_model_close(pointer) == STLM_OK)
    }

    @Test func aModelThatDoesNotOpenHasASentence() throws {
        let memory = AlignedMemory(stlm_model_bytes()), count = memory.count
        var pointer: OpaquePointer?
        func sentence() -> String { String(cString: stlm_model_error(pointer)) }
        #expect(stlm_model_open(memory.start, count, "/nowhere/at all.stlm", &pointer) == STLM_NO_FILE)
        #expect(sentence().contains("/nowhere/at all.stlm") && sentence().contains("No such file"), "\(sentence())")
        #expect(stlm_model_open(memory.start, count, String(repeating: "x", count: 5_000), &pointer) == STLM_NO_FILE)
        #expect(sentence().utf8.count < 500)
        #expect(stlm_model_open(memory.start, count, SmallModels.folder.url.path, &pointer) == STLM_NO_FILE)
        #expect(stlm_model_open_descriptor(memory.start, count, 999, &pointer) == STLM_NO_FILE && sentence().contains("999"))
        // A model that failed is no model.
        var options = stlm_options()
        #expect(stlm_options_default(pointer, &options) == STLM_NOT_OPEN && stlm_model_close(pointer) == STLM_NOT_OPEN)

        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: SmallModels.merges)))
        let file = AlignedMemory(bytes.count + 64)
        file.start.copyMemory(from: bytes, byteCount: bytes.count)
        #expect(stlm_model_open_memory(memory.start, count, nil, bytes.count, &pointer) == STLM_NULL_POINTER)
        #expect(stlm_model_open_memory(memory.start, count, file.start, 10, &pointer) == STLM_BAD_MODEL && sentence().contains("ends after 10"))
        bytes[0] ^= 1
        file.start.copyMemory(from: bytes, byteCount: bytes.count)
        #expect(stlm_model_open_memory(memory.start, count, file.start, bytes.count, &pointer) == STLM_BAD_MODEL)
        #expect(sentence().contains("not a model file"), "\(sentence())")
        bytes[0] ^= 1
        (file.start + 32).copyMemory(from: bytes, byteCount: bytes.count)
        #expect(stlm_model_open_memory(memory.start, count, file.start + 32, bytes.count, &pointer) == STLM_BAD_MODEL)
        #expect(sentence().contains("multiple of 64"), "\(sentence())")
    }

    @Test func aDescriptorAndMemoryOpenTheSameModel() throws {
        let handle = try #require(FileHandle(forReadingAtPath: SmallModels.merges))
        let memory = AlignedMemory(stlm_model_bytes())
        var pointer: OpaquePointer?
        #expect(stlm_model_open_descriptor(memory.start, memory.count, handle.fileDescriptor, &pointer) == STLM_OK)
        try handle.close()
        var first = stlm_model_info(), second = stlm_model_info()
        #expect(stlm_model_get_info(pointer, &first) == STLM_OK)
        let other = try CModel([UInt8](Data(contentsOf: URL(fileURLWithPath: SmallModels.merges))))
        #expect(stlm_model_get_info(other.pointer, &second) == STLM_OK)
        #expect(first.file_bytes == second.file_bytes && first.vocabulary_size == 262 && first.begin_token == .max && first.has_tokenizer == 1)
        #expect(try other.session().answer("the") == model.session().answer("the"))
        #expect(stlm_model_close(pointer) == STLM_OK && stlm_model_close(pointer) == STLM_NOT_OPEN)
        #expect(String(cString: stlm_model_error(pointer)).contains("no open model"))
        #expect(stlm_model_get_info(other.pointer, nil) == STLM_NULL_POINTER)
    }

    @Test func aModelWithSessionsStaysOpen() throws {
        let own = try CModel(SmallModels.merges)
        var session: CSession? = try own.session()
        #expect(stlm_model_close(own.pointer) == STLM_SESSIONS_OPEN && own.sentence.contains("1 open sessions"))
        #expect(try session!.answer("the").count > 0)
        session = nil
        #expect(stlm_model_close(own.pointer) == STLM_OK)
    }

    // MARK: Options

    @Test func optionsAreChecked() throws {
        func refuse(_ part: String, _ change: (inout stlm_options) -> Void, location: SourceLocation = #_sourceLocation) throws {
            var options = try model.options(change)
            #expect(stlm_session_bytes(model.pointer, &options) == 0, sourceLocation: location)
            #expect(model.sentence.contains(part), "\(model.sentence)", sourceLocation: location)
            let memory = AlignedMemory(64)
            var pointer: OpaquePointer?
            #expect(stlm_session_open(model.pointer, &options, memory.start, 64, &pointer) == STLM_BAD_OPTION, sourceLocation: location)
        }
        try refuse("say that they have 8 bytes") { $0.byte_count = 8 }
        try refuse("flags (4)") { $0.flags = 4 }
        try refuse("a context of 33") { $0.context = 33 }
        try refuse("3 is no type") { $0.kv_type = 3 }
        try refuse("0 threads") { $0.threads = 0 }
        try refuse("33 threads") { $0.threads = 33 }
        try refuse("quantum of 0") { $0.quantum = 0 }
        try refuse("batch of") { $0.batch = .max }
        try refuse("temperature") { $0.sampling.temperature = 6_553_601 }
        try refuse("top_p") { $0.sampling.top_p = 0 }
        try refuse("min_p") { $0.sampling.min_p = 65_537 }
        try refuse("top_k") { $0.sampling.top_k = .max }
        try refuse("repeat_penalty") { $0.sampling.repeat_penalty = 0 }
        try refuse("repeat_window") { $0.sampling.repeat_window = 65_537 }
        #expect(stlm_session_bytes(model.pointer, nil) == 0 && stlm_options_default(model.pointer, nil) == STLM_NULL_POINTER)
        #expect(stlm_options_default(nil, nil) == STLM_NULL_POINTER)
    }

    @Test func memoryOfASessionIsExact() throws {
        var options = try model.options()
        let count = stlm_session_bytes(model.pointer, &options), memory = AlignedMemory(count + 64)
        var pointer: OpaquePointer?
        #expect(stlm_session_open(model.pointer, &options, memory.start, count - 1, &pointer) == STLM_TOO_SMALL && pointer == nil)
        #expect(model.sentence.contains("\(count - 1) bytes") && model.sentence.contains("needs \(count)"))
        #expect(stlm_session_open(model.pointer, &options, memory.start + 16, count, &pointer) == STLM_MISALIGNED)
        #expect(stlm_session_open(model.pointer, &options, nil, count, &pointer) == STLM_NULL_POINTER)
        #expect(stlm_session_open(model.pointer, &options, memory.start, count, nil) == STLM_NULL_POINTER)
        #expect(stlm_session_open(model.pointer, nil, memory.start, count, &pointer) == STLM_NULL_POINTER)
        #expect(stlm_session_open(nil, &options, memory.start, count, &pointer) == STLM_NULL_POINTER)
        // Nothing is written beyond it.
        #expect(stlm_session_open(model.pointer, &options, memory.start, count, &pointer) == STLM_OK)
        #expect(stlm_prompt(pointer, CText.the, 3) == STLM_OK)
        var status = STLM_WORKING
        while status == STLM_WORKING || status == STLM_TOKEN { status = stlm_step(pointer) }
        #expect(status == STLM_ENDED)
        #expect(UnsafeRawBufferPointer(start: memory.start + count, count: 64).allSatisfy { $0 == 0xA5 })
        #expect(stlm_session_close(pointer) == STLM_OK)
    }

    // MARK: Sessions

    @Test func callsInTheWrongOrderAreRefused() throws {
        let session = try model.session { $0.quantum = 1 }
        expect(stlm_step(session.pointer), session, STLM_WRONG_ORDER, "stlm_prompt")
        var cost: UInt64 = 0, count: UInt64 = 0
        expect(stlm_get_cost(session.pointer, &cost, &count), session, STLM_WRONG_ORDER, "no score has ended")
        #expect(stlm_prompt(session.pointer, CText.the, 3) == STLM_OK)
        expect(stlm_prompt(session.pointer, "the", 3), session, STLM_WRONG_ORDER, "under way")
        expect(stlm_score(session.pointer, "the", 3), session, STLM_WRONG_ORDER, "under way")
        expect(stlm_clear_stops(session.pointer), session, STLM_WRONG_ORDER, "in use")
        expect(stlm_save_descriptor(session.pointer, 1), session, STLM_WRONG_ORDER, "not saved while")
        expect(stlm_restore_descriptor(session.pointer, 0), session, STLM_WRONG_ORDER, "under way")
        session.limit(3)
        try session.run()
        #expect(stlm_step(session.pointer) == STLM_ENDED && session.stepText().isEmpty)
    }

    @Test func nullPointersAndClosedSessionsAreRefused() throws {
        let session = try model.session(), pointer = session.pointer
        #expect(stlm_prompt(pointer, nil, 3) == STLM_NULL_POINTER && stlm_prompt_ids(pointer, nil, 3) == STLM_NULL_POINTER)
        #expect(stlm_get_text(pointer, nil, nil) == STLM_NULL_POINTER && stlm_get_ids(pointer, nil, nil) == STLM_NULL_POINTER)
        #expect(stlm_get_cost(pointer, nil, nil) == STLM_NULL_POINTER && stlm_get_progress(pointer, nil) == STLM_NULL_POINTER)
        #expect(stlm_set_sampling(pointer, nil) == STLM_NULL_POINTER && stlm_add_stop(pointer, nil, 3) == STLM_NULL_POINTER)
        #expect(stlm_save(pointer, nil, nil) == STLM_NULL_POINTER && stlm_restore(pointer, nil, nil) == STLM_NULL_POINTER)
        #expect(stlm_step_bound(pointer, nil) == STLM_NULL_POINTER)
        let calls: [(OpaquePointer?) -> Int32] = [
            stlm_step, stlm_reset, stlm_session_close, stlm_cancel, stlm_clear_stops, { stlm_prompt($0, "a", 1) }, { stlm_set_seed($0, 1) },
            { stlm_score($0, "a", 1) }, { stlm_set_limits($0, 1, 1) }, { stlm_prompt_ids($0, [1], 1) }, { stlm_add_stop($0, "a", 1) },
            { stlm_save_descriptor($0, 1) }, { stlm_restore_descriptor($0, 1) },
        ]
        let closed = AlignedMemory(session.memory.count), own = try CModel(SmallModels.merges)
        var options = try own.options(), place: OpaquePointer?
        #expect(stlm_session_open(own.pointer, &options, closed.start, closed.count, &place) == STLM_OK)
        #expect(stlm_session_close(place) == STLM_OK)
        for call in calls {
            #expect(call(nil) == STLM_NULL_POINTER)
            #expect(call(place) == STLM_NOT_OPEN && call(OpaquePointer(closed.start + 1)) == STLM_NOT_OPEN)
            #expect(call(own.pointer) == STLM_NOT_OPEN, "a model is no session")
        }
        #expect(String(cString: stlm_session_error(place)) == String(cString: stlm_status_text(STLM_NOT_OPEN)))
        #expect(String(cString: stlm_session_error(nil)) == String(cString: stlm_status_text(STLM_NULL_POINTER)))
        #expect(stlm_model_close(session.pointer) == STLM_NOT_OPEN, "a session is no model")
    }

    @Test func promptsThatCannotBeReadAreRefused() throws {
        let session = try model.session { $0.context = 8 }
        #expect { try session.answer("the thesis of the thesis of the thesis") } throws: { ($0 as? Failure)?.status == STLM_CONTEXT_FULL }
        #expect(session.sentence.contains("has 8") && session.progress.position == 0 && session.progress.ending == UInt32(STLM_ENDING_ERROR))
        #expect(try session.answer("the").count > 0, "it can be used after that")
        #expect(session.progress.ending == UInt32(STLM_ENDING_CONTEXT))
        #expect { try session.answer(ids: [262]) } throws: { ($0 as? Failure)?.status == STLM_BAD_TOKEN }
        #expect(session.sentence.contains("id 262"))
        for id in [1 << 31, .max] as [UInt32] {
            #expect { try session.answer(ids: [id]) } throws: { ($0 as? Failure)?.status == STLM_BAD_TOKEN }
            #expect(session.sentence.contains("id \(id) is out of range"), "\(session.sentence)")
        }

        let bare = try CModel(SmallModels.bare).session()
        expect(stlm_prompt(bare.pointer, "a", 1), bare, STLM_NO_TOKENIZER, "without a tokenizer")
        expect(stlm_score(bare.pointer, "a", 1), bare, STLM_NO_TOKENIZER, "without a tokenizer")
        expect(stlm_prompt_ids(bare.pointer, nil, 0), bare, STLM_EMPTY_PROMPT, "empty")
        let blocks = try CModel(SmallModels.slots).session()
        expect(stlm_prompt_ids(blocks.pointer, [1, 2, 3], 3), blocks, STLM_BAD_TOKEN, "no whole number of blocks")
        let pooled = try CModel(SmallModels.pooled).session()
        expect(stlm_prompt(pooled.pointer, "the", 3), pooled, STLM_CANNOT_GENERATE, "fed back")
        let notCausal = try CModel(SmallModels.notCausal).session()
        expect(stlm_score(notCausal.pointer, "the", 3), notCausal, STLM_NOT_CAUSAL, "not causal")
        expect(stlm_save_descriptor(notCausal.pointer, 1), notCausal, STLM_NOT_CAUSAL, "not causal")
    }

    @Test func settingsAreChecked() throws {
        let session = try model.session { $0.sampling.temperature = 0 }
        var sampling = stlm_sampling(temperature: 65_536, top_k: 0, top_p: 50_000, min_p: 0, repeat_penalty: 65_536, repeat_window: 0)
        expect(stlm_set_sampling(session.pointer, &sampling), session, STLM_BAD_OPTION, "more memory")
        (sampling.top_p, sampling.repeat_penalty, sampling.repeat_window) = (65_536, 80_000, 5)
        expect(stlm_set_sampling(session.pointer, &sampling), session, STLM_BAD_OPTION, "repeat_window")
        sampling.repeat_penalty = 65_536
        #expect(stlm_set_sampling(session.pointer, &sampling) == STLM_OK)
        sampling.top_p = 70_000
        expect(stlm_set_sampling(session.pointer, &sampling), session, STLM_BAD_OPTION, "top_p")
        expect(stlm_add_stop(session.pointer, "", 0), session, STLM_BAD_OPTION, "1 to 256")
        expect(stlm_add_stop(session.pointer, "a", 257), session, STLM_BAD_OPTION, "1 to 256")
        for _ in 0..<8 { #expect(stlm_add_stop(session.pointer, "qq", 2) == STLM_OK) }
        expect(stlm_add_stop(session.pointer, "qq", 2), session, STLM_BAD_OPTION, "8 stop strings")
        #expect(stlm_clear_stops(session.pointer) == STLM_OK && stlm_add_stop(session.pointer, "qq", 2) == STLM_OK)
    }
}
