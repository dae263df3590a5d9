import Checkpoints
import Foundation

/// The content of a torch checkpoint, to be written with `bytes()`; every part of it may be a lie.
public struct TorchFile {
    /// Raw content of `data/<key>`, little-endian as a rule.
    public var storages: [(key: String, content: [UInt8])] = []
    public var tensors: [TensorRecord] = []
    public var config: ConfigNode?
    public var configStyle = ConfigStyle.omegaConfChild
    /// The key of the state dict; nil puts it at the root.
    public var modelKey: String? = "model"
    /// Storages of the optimizer come after those of the model.
    public var optimizerStorages: [(key: String, content: [UInt8])] = []
    public var byteOrder: String? = "little"
    public var zip = TorchZipWriter()
    /// Replaces the pickle.
    public var pickle: [UInt8]?

    public init() {}

    /// Adds a float32 storage and a tensor that fills it.
    public mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
        let key = String(storages.count + optimizerStorages.count)
        storages.append((key, Self.content(values)))
        tensors.append(TensorRecord(name: name, shape: shape, storageKey: key))
    }

    public static func content(_ values: [Float]) -> [UInt8] {
        var content: [UInt8] = []
        content.reserveCapacity(4 * values.count)
        for value in values {
            let bits = value.bitPattern
            content.append(UInt8(truncatingIfNeeded: bits))
            content.append(UInt8(truncatingIfNeeded: bits >> 8))
            content.append(UInt8(truncatingIfNeeded: bits >> 16))
            content.append(UInt8(truncatingIfNeeded: bits >> 24))
        }
        return content
    }

    public func bytes() -> Data {
        var zip = zip
        zip.add("data.pkl", pickle ?? pickled())
        if let byteOrder { zip.add("byteorder", Array(byteOrder.utf8)) }
        for storage in (storages + optimizerStorages).sorted(by: { $0.key < $1.key }) {
            zip.add("data/" + storage.key, storage.content)
        }
        zip.add("version", Array("3\n".utf8))
        zip.add(".data/serialization_id", Array("0123456789012345678901234567890123456789".utf8))
        return zip.finished()
    }

    /// The root dictionary: state dict, optimizer, iteration, config, in the order of STLM's trainer.
    public func pickled() -> [UInt8] {
        var writer = PickleWriter()
        if let modelKey {
            writer.emptyDictionary()
            writer.memoize()
            writer.mark()
            writer.text(modelKey)
            stateDictionary(&writer)
            if !optimizerStorages.isEmpty {
                writer.text("optimizer")
                optimizer(&writer)
            }
            writer.text("iter_num")
            writer.integer(2)
            if let config {
                writer.text("config")
                writer.config(config, style: configStyle)
            }
            writer.setItems()
        } else {
            stateDictionary(&writer)
        }
        writer.stop()
        return writer.bytes
    }

    private func stateDictionary(_ writer: inout PickleWriter) {
        writer.orderedDictionary()
        writer.memoize()
        writer.mark()
        for tensor in tensors {
            writer.text(tensor.name)
            write(tensor, &writer)
        }
        writer.setItems()
        // torch keeps the versions of the modules as an attribute of the dictionary.
        writer.emptyDictionary()
        writer.mark()
        writer.text("_metadata")
        writer.orderedDictionary()
        writer.setItems()
        writer.build()
    }

    private func optimizer(_ writer: inout PickleWriter) {
        writer.emptyDictionary()
        writer.mark()
        writer.text("state")
        writer.emptyDictionary()
        writer.mark()
        for (index, storage) in optimizerStorages.enumerated() {
            writer.integer(index)
            writer.emptyDictionary()
            writer.mark()
            writer.text("exp_avg")
            write(TensorRecord(name: "", shape: [storage.content.count / 4], storageKey: storage.key), &writer)
            writer.setItems()
        }
        writer.setItems()
        writer.setItems()
    }

    private func write(_ tensor: TensorRecord, _ writer: inout PickleWriter) {
        writer.global("torch._utils", "_rebuild_tensor_v2")
        writer.mark()
        writer.mark()
        writer.text("storage")
        writer.global("torch", tensor.storageClass)
        writer.text(tensor.storageKey)
        writer.text("cpu")
        writer.integer(tensor.storageCount)
        writer.tuple()
        writer.persistentId()
        writer.integer(tensor.offset)
        writer.integers(tensor.shape)
        writer.integers(tensor.strides)
        writer.bool(false)
        writer.orderedDictionary()
        writer.tuple()
        writer.reduce()
    }
}
