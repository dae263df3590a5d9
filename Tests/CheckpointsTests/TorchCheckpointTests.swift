import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct TorchCheckpointTests {
    private func message(_ data: Data) -> String {
        do {
            let checkpoint = try TorchCheckpoint(data)
            for tensor in checkpoint.tensors { _ = try tensor.floats() }
            return "no error"
        } catch {
            return error.description
        }
    }

    /// One storage of 0, 1, 2, ... and the tensors that `change` describes.
    private func file(_ count: Int = 24, _ change: (inout TorchFile) -> Void = { _ in }) -> TorchFile {
        var file = TorchFile()
        file.add("t", [count], (0..<count).map(Float.init))
        change(&file)
        return file
    }

    @Test func readsNamesShapesAndValuesInOrder() throws {
        let model = SyntheticSTLM()
        let checkpoint = try TorchCheckpoint(model.checkpointBytes())
        #expect(checkpoint.modelKey == "model")
        #expect(checkpoint.rootKeys == ["model", "optimizer", "iter_num", "config"])
        #expect(checkpoint.tensors.first?.name == "embedding_model.token_embedder.weight")
        #expect(checkpoint.tensors.last?.name == "model_head.linear.weight")
        #expect(checkpoint.tensors[2].shape == [64, 32])
        #expect(checkpoint.tensors.first?.identity == checkpoint.tensors.last?.identity)
        #expect(checkpoint.tensors[0].identity != checkpoint.tensors[2].identity)
        let storage = model.file().storages[0].content
        #expect(try TorchFile.content(checkpoint.tensors[0].floats()) == storage)
    }

    @Test(arguments: [ConfigStyle.omegaConf, .omegaConfChild, .plain])
    func readsTheConfigHoweverItIsWrapped(_ style: ConfigStyle) throws {
        let model = SyntheticSTLM { $0.configStyle = style }
        #expect(try TorchCheckpoint(model.checkpointBytes()).config == model.config())
    }

    @Test(arguments: ["model", "model_state", "model_state_dict", "state_dict", nil])
    func findsTheStateDictUnderEveryUsualKey(_ key: String?) throws {
        var file = SyntheticSTLM().file()
        file.modelKey = key
        let checkpoint = try TorchCheckpoint(file.bytes())
        #expect(checkpoint.modelKey == key)
        #expect(checkpoint.tensors.count == 17)
        #expect((checkpoint.config == nil) == (key == nil))
    }

    @Test func rejectsTruncationAtEvery97thByteAndAtEveryBoundary() throws {
        let data = SyntheticSTLM { ($0.hiddenSize, $0.feedForwardSize, $0.layerCount) = (16, 16, 1) }.checkpointBytes()
        let entries = try ZipArchive(data).entries
        let boundaries = entries.flatMap { [$0.payloadOffset, $0.payloadOffset + $0.byteCount] }
        let ends = (1...8).map { data.count - $0 } + [data.count - 22, data.count - 42, data.count - 98]
        for length in Array(stride(from: 0, to: data.count, by: 97)) + boundaries + ends {
            #expect(throws: CheckpointError.self, "\(length)") { try TorchCheckpoint(data.prefix(length)) }
        }
    }

    @Test func neverReadsOptimizerStorages() throws {
        var data = SyntheticSTLM().checkpointBytes()
        let archive = try ZipArchive(data)
        let firstKey = SyntheticSTLM().file().storages.count
        let entries = archive.entries.filter { Int($0.name.dropFirst("ckpt_2/data/".count)).map { $0 >= firstKey } ?? false }
        #expect(entries.count == firstKey)
        for entry in entries { for index in 0..<entry.byteCount { data[entry.payloadOffset + index] ^= 0x55 } }
        #expect(message(data) == "no error")
        #expect { try ZipArchive(data).content(of: entries[0]) } throws: { "\($0)".contains("damaged") }
    }

    @Test func aDamagedStorageIsFoundWhenItsTensorIsRead() throws {
        var data = file().bytes()
        let entry = try #require(try ZipArchive(data).entry(named: "ckpt_2/data/0"))
        data[entry.payloadOffset] ^= 1
        #expect(try TorchCheckpoint(data).tensors.count == 1)
        #expect(message(data).contains("'ckpt_2/data/0' (96 bytes) is damaged"))
    }

    @Test func honoursOffsetsStridesAndSharedStorages() throws {
        let data = file { file in
            var view = TensorRecord(name: "transposed", shape: [4, 2], storageKey: "0")
            (view.strides, view.offset, view.storageCount) = ([1, 4], 3, 24)
            file.tensors.append(view)
            view.name = "same"
            file.tensors.append(view)
            var cube = TensorRecord(name: "cube", shape: [2, 3, 2], storageKey: "0")
            (cube.strides, cube.storageCount) = ([12, 2, 1], 24)
            file.tensors.append(cube)
            var scalar = TensorRecord(name: "scalar", shape: [], storageKey: "0")
            (scalar.offset, scalar.storageCount) = (23, 24)
            file.tensors.append(scalar)
            var empty = TensorRecord(name: "empty", shape: [3, 0], storageKey: "0")
            empty.storageCount = 24
            file.tensors.append(empty)
        }.bytes()
        let checkpoint = try TorchCheckpoint(data)
        func values(_ name: String) throws -> [Float] { try #require(checkpoint.tensor(named: name)).floats() }
        #expect(try values("transposed") == [3, 7, 4, 8, 5, 9, 6, 10])
        #expect(try values("cube") == [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17])
        #expect(try values("scalar") == [23])
        #expect(try values("empty") == [])
        #expect(checkpoint.tensor(named: "transposed")?.identity == checkpoint.tensor(named: "same")?.identity)
    }

    @Test(arguments: [
        ("HalfStorage", [0x00, 0x3C, 0x00, 0xC1, 0x01, 0x00, 0xFF, 0x7B], [1, -2.5, 0x1p-24, 65504]),
        ("BFloat16Storage", [0x80, 0x3F, 0x20, 0xC0, 0, 0, 0x80, 0x43], [1, -2.5, 0, 256]),
        ("DoubleStorage", [0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 4, 0xC0], [1, -2.5]),
        ("CharStorage", [1, 0xFF], [1, -1]), ("ByteStorage", [1, 0xFF], [1, 255]), ("BoolStorage", [0, 1], [0, 1]),
        ("ShortStorage", [1, 0, 0xFE, 0xFF], [1, -2]), ("IntStorage", [0, 0, 0, 0x80], [-2_147_483_648]),
        ("LongStorage", [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [-2]),
    ] as [(String, [UInt8], [Float])])
    func readsEveryElementType(_ storageClass: String, _ content: [UInt8], _ expected: [Float]) throws {
        var little = TorchFile(), big = TorchFile()
        little.storages = [("0", content)]
        little.tensors = [TensorRecord(name: "t", shape: [expected.count], storageKey: "0", storageClass: storageClass)]
        big.tensors = little.tensors
        let size = content.count / expected.count
        big.storages = [("0", stride(from: 0, to: content.count, by: size).flatMap { content[$0..<$0 + size].reversed() })]
        big.byteOrder = "big"
        #expect(try TorchCheckpoint(little.bytes()).tensors[0].floats() == expected)
        #expect(try TorchCheckpoint(big.bytes()).tensors[0].floats() == expected)
    }

    @Test(arguments: [(Float.nan, "NaN"), (Float.infinity, "an infinity"), (-Float.infinity, "an infinity")])
    func namesTheTensorThatIsNotFinite(_ value: Float, _ name: String) {
        let data = file { $0.storages[0].content.replaceSubrange(20..<24, with: TorchFile.content([value])) }.bytes()
        #expect(message(data).contains("The tensor 't' holds \(name)"))
        #expect(message(data).contains("at element 5 of 24"))
    }

    @Test func rejectsDescriptionsThatDoNotFitTheStorage() {
        func lie(_ change: (inout TensorRecord) -> Void) -> String { message(file { change(&$0.tensors[0]) }.bytes()) }
        #expect(lie { $0.offset = 1 }.contains("reaches past its storage '0' of 24 elements"))
        #expect(lie { $0.shape = [25] }.contains("reaches past"))
        #expect(lie { $0.strides = [Int.max] }.contains("reaches past"))
        #expect(lie { ($0.shape, $0.strides) = ([Int.max, Int.max], [1, 1]) }.contains("reaches past"))
        #expect(lie { ($0.shape, $0.strides) = ([1 << 40], [0]) }.contains("more elements than the 24 of its storage"))
        #expect(lie { $0.offset = -1 }.contains("negative"))
        #expect(lie { $0.shape = [-24] }.contains("negative"))
        #expect(lie { $0.strides = [-1] }.contains("negative"))
        #expect(lie { $0.strides = [1, 1] }.contains("1 dimensions and 2 strides"))
        #expect(lie { $0.storageCount = 25 }.contains("storage '0' of 25 elements of 4 bytes, but the entry 'ckpt_2/data/0' is 96"))
        #expect(lie { $0.storageCount = Int.max }.contains("is 96 bytes long"))
        #expect(lie { $0.storageKey = "7" }.contains("no entry 'ckpt_2/data/7'"))
        #expect(lie { $0.storageClass = "QInt8Storage" }.contains("'torch.QInt8Storage', which are not read"))
        #expect(lie { $0.storageClass = "HalfStorage" }.contains("of 24 elements of 2 bytes"))
    }

    /// Seeded damage to the pickle, under a right checksum: anything may be refused, nothing may trap or hang.
    @Test func survivesRandomPickles() {
        let file = SyntheticSTLM { ($0.layerCount, $0.hasOptimizer) = (1, false) }.file(), good = file.pickled()
        let count = ProcessInfo.processInfo.environment["STLM_FUZZ_COUNT"].flatMap(Int.init) ?? 100
        var numbers = SeededNumbers(seed: 5)
        for _ in 0..<count {
            var damaged = file
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                let place = Int.random(in: 0..<bytes.count, using: &numbers)
                switch Int.random(in: 0..<3, using: &numbers) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &numbers)
                case 1: bytes.remove(at: place)
                default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
                }
            }
            damaged.pickle = bytes
            _ = message(damaged.bytes())
        }
    }

    @Test func rejectsTwoTensorsOfOneName() {
        #expect(message(file { $0.tensors.append($0.tensors[0]) }.bytes()).contains("names the tensor 't' twice"))
    }

    @Test func rejectsAnUnknownByteOrder() {
        #expect(message(file { $0.byteOrder = "middle" }.bytes()).contains("byte order is 'middle'"))
        #expect(message(file { $0.byteOrder = nil }.bytes()) == "no error")
    }

    @Test func rejectsZipFilesThatAreNoCheckpoints() {
        var zip = TorchZipWriter()
        zip.add("word/document.xml", [])
        #expect(message(zip.finished()).contains("holds no 'data.pkl' among its 1 entries"))
        #expect(message(file { $0.tensors = [] }.bytes()).contains("holds no tensors"))
    }

    @Test func aPickledModelObjectIsNamedNotRun() {
        var writer = PickleWriter()
        writer.emptyDictionary()
        writer.mark()
        writer.text("model")
        writer.global("os", "system")
        writer.mark()
        writer.text("true")
        writer.tuple()
        writer.reduce()
        writer.setItems()
        writer.stop()
        #expect(message(file { $0.pickle = writer.bytes }.bytes()).contains("an object of 'os.system' under 'model'"))
    }

    @Test func rejectsAConfigThatContainsItself() {
        var writer = PickleWriter()
        writer.emptyList()
        let own = writer.memoize()
        writer.mark()
        writer.recall(own)
        writer.appends()
        #expect(message(config(writer)).contains("nests more than 64 levels deep"))
    }

    @Test func rejectsAConfigThatIsAnExponentialTree() {
        var writer = PickleWriter()
        writer.emptyList()
        var last = writer.memoize()
        for _ in 0..<40 {
            writer.raw([0x30])  // POP
            writer.emptyList()
            let next = writer.memoize()
            writer.mark()
            writer.recall(last)
            writer.recall(last)
            writer.appends()
            last = next
        }
        #expect(message(config(writer)).contains("more than 200000 values"))
    }

    @Test func configValuesOfForeignClassesAreKeptByName() throws {
        let node = ConfigNode.dictionary([.init(key: "device", value: .other("torch.device"))])
        let style = file { ($0.config, $0.configStyle) = (node, .omegaConf) }
        #expect(try TorchCheckpoint(style.bytes()).config == .dictionary([.init(key: "device", value: .other("builtins.torch.device"))]))
    }

    /// A checkpoint whose config is what `writer` holds.
    private func config(_ writer: PickleWriter) -> Data {
        var file = file { $0.config = .null; $0.configStyle = .plain }
        let marker: [UInt8] = [0x58, 6, 0, 0, 0] + Array("config".utf8)
        var pickle = file.pickled()
        let place = pickle.indices.last { pickle[$0...].starts(with: marker) }! + marker.count
        pickle.replaceSubrange(place..<place + 1, with: writer.bytes.dropFirst(2))
        file.pickle = pickle
        return file.bytes()
    }

    static let references = "data/stlm/baseline/model.ckpt"

    @Test(.enabled(if: SharedData.holds(references))) func readsACheckpointOfTheOriginal() throws {
        let checkpoint = try TorchCheckpoint(path: SharedData.path(Self.references))
        #expect(checkpoint.tensors.count == 17)
        #expect(checkpoint.config?.node("model.core_model.num_layers") == .integer(2))
        #expect(checkpoint.config?.node("trainer.eval") == .list([]))
        #expect(checkpoint.tensors.first?.identity == checkpoint.tensors.last?.identity)
    }

    @Test func aMissingFileIsASentence() {
        #expect { try TorchCheckpoint(path: "/no/such/file") } throws: { "\($0)".contains("There is no file '/no/such/file'") }
        #expect { try TorchCheckpoint(path: "/") } throws: { "\($0)".contains("is a folder") }
    }
}
