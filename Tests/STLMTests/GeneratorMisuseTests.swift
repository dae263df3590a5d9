import Foundation
import PackedSupport
import STLM
import TestSupport
import Testing

/// Wrong use is a typed error with one plain sentence, and changes nothing.
@Suite struct GeneratorMisuseTests {
    /// - Parameters:
    ///   - parts: what the sentence must say
    private func refused(_ parts: String..., location: SourceLocation = #_sourceLocation, _ body: () throws(STLMError) -> Void) {
        do throws(STLMError) {
            try body()
            Issue.record("nothing was refused", sourceLocation: location)
        } catch {
            let sentence = "\(error)"
            for part in parts { #expect(sentence.contains(part), "\(sentence)", sourceLocation: location) }
            // What is wrong, and what to do.
            #expect(sentence.utf8.count < 300 && !sentence.contains("\n") && !sentence.contains("%"), "\(sentence)", sourceLocation: location)
            #expect(sentence.contains("; ") || sentence.contains(", not "), "\(sentence)", sourceLocation: location)
        }
    }

    @Test func filesThatAreNoModels() throws {
        refused("cannot be opened", "No such file", "check the path") { () throws(STLMError) in _ = try MappedModel("/nowhere/at all.stlm") }
        refused("cannot be opened", "directory") { () throws(STLMError) in _ = try MappedModel(SmallModels.folder.url.path) }
        refused("cannot be opened", "descriptor") { () throws(STLMError) in _ = try MappedModel(descriptor: 999) }
        let text = try SmallModels.folder.file("text", Array("no model at all, but a text of some length that goes on".utf8))
        refused("not a model file", "stlm-pack") { () throws(STLMError) in _ = try MappedModel(text) }
        refused("not a model file") { () throws(STLMError) in _ = try MappedModel(bytes: UnsafeRawBufferPointer(start: nil, count: 0)) }

        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: SmallModels.merges)))
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 64, alignment: 64)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        let whole = UnsafeRawBufferPointer(rebasing: memory[..<bytes.count])
        refused("multiple of 64") { () throws(STLMError) in
            _ = try MappedModel(bytes: UnsafeRawBufferPointer(rebasing: memory[8..<bytes.count + 8]))
        }
        #expect(try MappedModel(bytes: whole).model.file.byteCount == bytes.count)
        bytes[40] ^= 1
        memory.copyBytes(from: bytes)
        refused("checksum") { () throws(STLMError) in _ = try MappedModel(bytes: whole) }
    }

    @Test func optionsOutOfTheirRange() throws {
        let model = try MappedModel(SmallModels.merges)
        func refuses(_ parts: String..., location: SourceLocation = #_sourceLocation, _ change: (inout GeneratorOptions) -> Void) {
            var options = GeneratorOptions()
            change(&options)
            for part in parts {
                refused(part, location: location) { () throws(STLMError) in _ = try Generator(model, options) }
                refused(part, location: location) { () throws(STLMError) in _ = try Generator.byteCount(model, options) }
            }
        }
        refuses("context of 100000", "1 to ") { $0.contextTokenCount = 100_000 }
        refuses("context of 0") { $0.contextTokenCount = 0 }
        refuses("number of threads of 33", "1 to 32") { $0.threadCount = 33 }
        refuses("a step of 0") { $0.stepWork = 0 }
        refuses("a batch of 0") { $0.batchTokenCount = 0 }
        refuses("keeping 16 positions") { $0.keptPositionCount = 16 }
        refuses("positions to keep of -1") { $0.keptPositionCount = -1 }
        let sampling = model.sampling
        func refusesSampling(_ part: String, location: SourceLocation = #_sourceLocation, _ change: (inout SamplingSettings) -> Void) throws {
            var wrong = sampling
            change(&wrong)
            refuses(part, location: location) { $0.sampling = wrong }
            var generator = try Generator(model)
            refused(part, location: location) { () throws(STLMError) in try generator.setSampling(wrong) }
            #expect(generator.sampling == sampling)
        }
        try refusesSampling("temperature of 1/65536 times 6553601") { $0.temperature = 6_553_601 }
        try refusesSampling("topP of 1/65536 times 0") { $0.topP = 0 }
        try refusesSampling("minP of 1/65536 times 65537") { $0.minP = 65_537 }
        try refusesSampling("topK of 4294967295") { $0.topK = .max }
        try refusesSampling("repeat penalty of 1/65536 times 1 ") { $0.repeatPenalty = 1 }
        try refusesSampling("repeat window of 65537") { $0.repeatWindow = 65_537 }

        var plain = sampling
        (plain.temperature, plain.topK) = (65_536, 0)
        var generator = try Generator(model, GeneratorOptions(sampling: plain))
        var wider = plain
        wider.topK = 10
        refused("more memory", "make the generator with it") { () throws(STLMError) in try generator.setSampling(wider) }
    }

    @Test func memoryOfTheCaller() throws {
        let model = try MappedModel(SmallModels.merges), count = try Generator.byteCount(model)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count + 64, alignment: 64)
        defer { memory.deallocate() }
        func part(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: memory[range]) }
        refused("\(count - 1) bytes", "\(count) are needed") { () throws(STLMError) in _ = try Generator(model, memory: part(0..<count - 1)) }
        refused("multiple of 64") { () throws(STLMError) in _ = try Generator(model, memory: part(8..<count + 8)) }
        // Exactly as much as is said; what was in it does not matter.
        memory.initializeMemory(as: UInt8.self, repeating: 0xA5)
        var own = try Generator(model), given = try Generator(model, memory: part(0..<count))
        #expect(try own.text(after: "the") == given.text(after: "the"))
        #expect(memory[count...].allSatisfy { $0 == 0xA5 })
        given.close()
    }

    @Test func textsAndIdsThatDoNotGo() throws {
        let model = try MappedModel(SmallModels.merges)
        var generator = try Generator(model)
        refused("nothing to do") { () throws(STLMError) in _ = try generator.step() }
        refused("prompt is empty") { () throws(STLMError) in try Self.beginEmpty() }
        // A prompt that does not fit: nothing is read.
        let long = String(repeating: "a b ", count: 20)
        refused("80 positions", "the context has 16") { () throws(STLMError) in _ = try generator.text(after: long) }
        #expect(generator.position == 0 && generator.isAtRest)
        var sticky = try Generator(try MappedModel(SmallModels.sticky), GeneratorOptions(slides: true))
        refused("within 4096 bytes after byte 2") { () throws(STLMError) in _ = try sticky.text(after: "b " + String(repeating: "a", count: 5_000)) }
        #expect(sticky.isAtRest && sticky.ending == nil)
        // While one is under way.
        try generator.begin(prompt: "the")
        refused("under way") { () throws(STLMError) in try generator.begin(prompt: "the") }
        refused("under way") { () throws(STLMError) in try generator.begin(scoring: "the") }
        refused("under way") { () throws(STLMError) in try generator.removeStops() }
        refused("under way") { () throws(STLMError) in try generator.save { _ in true } }
        refused("under way") { () throws(STLMError) in try generator.restore { _ in true } }
        generator.cancel()
        #expect(generator.isAtRest && generator.ending == nil)

        let wrong: [UInt32] = [3, 9_999]
        for (ids, part) in [(wrong, "id 9999 is out of range"), ([.max], "id 4294967295 is out of range"), ([1 << 31], "id 2147483648 is out of range")] {
            ids.withUnsafeBufferPointer { ids in
                refused(part, "0 to 261") { () throws(STLMError) in
                    try generator.begin(ids: ids)
                    try generator.finish { _ in }
                }
            }
        }
        var bare = try Generator(try MappedModel(SmallModels.bare))
        refused("without a tokenizer") { () throws(STLMError) in try bare.begin(prompt: "the") }
        refused("without a tokenizer") { () throws(STLMError) in try bare.begin(scoring: "the") }
        var blocks = try Generator(try MappedModel(SmallModels.slots))
        wrong.withUnsafeBufferPointer { wrong in
            refused("2 ids are no whole number of blocks") { () throws(STLMError) in try blocks.begin(ids: wrong) }
        }
        var pooled = try Generator(try MappedModel(SmallModels.pooled))
        refused("only score") { () throws(STLMError) in try pooled.begin(prompt: "the") }
        var whole = try Generator(try MappedModel(SmallModels.notCausal))
        refused("not causal") { () throws(STLMError) in _ = try whole.cost(of: "the") }
        refused("not causal") { () throws(STLMError) in try whole.save { _ in true } }
    }

    private static func beginEmpty() throws(STLMError) {
        var bare = try Generator(try MappedModel(SmallModels.bare))
        try bare.begin(ids: UnsafeBufferPointer(start: nil, count: 0))
    }

    @Test func stopStrings() throws {
        var generator = try Generator(try MappedModel(SmallModels.merges))
        refused("1 to 256 bytes, not 0") { () throws(STLMError) in try generator.addStop("") }
        refused("1 to 256 bytes, not 257") { () throws(STLMError) in try generator.addStop(String(repeating: "x", count: 257)) }
        for k in 0..<8 { try generator.addStop("stop \(k)") }
        refused("8 stop strings at most") { () throws(STLMError) in try generator.addStop("one more") }
        try generator.removeStops()
        try generator.addStop("one more")
    }

    @Test func sessionFiles() throws {
        let model = try MappedModel(SmallModels.merges)
        var generator = try Generator(model)
        generator.tokenLimit = 3
        _ = try generator.text(after: "the end")
        let saved = try generator.saved()
        refused("could not be written", "make room") { () throws(STLMError) in try generator.save { _ in false } }
        var damaged = saved
        damaged[saved.count - 9] ^= 1
        func refuses(_ part: String, _ file: [UInt8], _ generator: inout Generator, location: SourceLocation = #_sourceLocation) {
            refused(part, location: location) { () throws(STLMError) in
                var rest = file[...]
                try generator.restore { buffer in
                    if rest.count < buffer.count { return false }
                    buffer.copyBytes(from: rest.prefix(buffer.count))
                    rest = rest.dropFirst(buffer.count)
                    return true
                }
            }
            #expect(generator.position == 0 && generator.isAtRest, sourceLocation: location)
        }
        refuses("damaged", damaged, &generator)
        refuses("ends early", Array(saved.dropLast(20)), &generator)
        refuses("no session file", Array(repeating: 7, count: 100), &generator)
        var other = try Generator(try MappedModel(SmallModels.roomy)), small = try Generator(model, GeneratorOptions(contextTokenCount: 3))
        var narrow = try Generator(model, GeneratorOptions(keyValueType: .int8))
        refuses("another model file", saved, &other)
        refuses("the context has 3", saved, &small)
        refuses("keys and values of type int16 and this session of type int8;", saved, &narrow)
        try generator.restore(saved)
        #expect(generator.position > 0)
    }

    /// Through a descriptor as through memory.
    @Test func sessionsPassThroughDescriptors() throws {
        let folder = try TemporaryFolder(), model = try MappedModel(SmallModels.merges)
        var generator = try Generator(model)
        generator.tokenLimit = 4
        _ = try generator.text(after: "the end")
        _ = try folder.file("s", [])
        let out = FileHandle(forWritingAtPath: folder.path("s"))!, into = FileHandle(forReadingAtPath: folder.path("s"))!
        try generator.save(descriptor: out.fileDescriptor)
        #expect(try folder.bytes("s") == generator.saved())
        var other = try Generator(model)
        other.tokenLimit = 4
        try other.restore(descriptor: into.fileDescriptor)
        #expect(try other.text(after: "") == generator.text(after: ""))
        // What the system refuses is no file that ends early.
        refused("written to descriptor \(into.fileDescriptor) (Bad file") { () throws(STLMError) in try generator.save(descriptor: into.fileDescriptor) }
        refused("read from descriptor \(out.fileDescriptor) (Bad file") { () throws(STLMError) in try other.restore(descriptor: out.fileDescriptor) }
        let directory = open(folder.url.path, O_RDONLY)
        defer { close(directory) }
        refused("Is a directory", "open a session file") { () throws(STLMError) in try other.restore(descriptor: directory) }
        refused("ends early") { () throws(STLMError) in try other.restore(descriptor: into.fileDescriptor) }
        #expect(other.position == 0 && other.isAtRest)
    }
}
