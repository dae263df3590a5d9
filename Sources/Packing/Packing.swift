import Checkpoints
import FloatModel
import Foundation
import ModelFile
import STLM

/// A checkpoint packed in memory, opened once to prove that it opens.
public struct PackedModel {
    public let bytes: [UInt8]
    public let report: PackReport

    /// - Parameters:
    ///   - checkpoint: content of a checkpoint of any known kind.
    ///   - tokenizer: content of a tokenizer file, or nil.
    ///   - progress: called with what is being done.
    public init(
        checkpoint: Data, tokenizer: Data?, width: WeightWidth, progress: @escaping (String) -> Void = { _ in }
    ) throws(PackError) {
        progress("reading the checkpoint")
        let model = try Self.floatModel(checkpoint)
        var tables: TokenizerTables?
        if let tokenizer {
            let source: TokenizerSource
            do { source = try TokenizerFile.recognise(tokenizer, vocabularySize: model.vocabularySize) } catch { throw .checkpoint(error) }
            tables = switch source {
            case .llama2(let pieces): try TokenizerTables(llama2: pieces, vocabularySize: model.vocabularySize)
            case .merges(let merges): try TokenizerTables(merges: merges, vocabularySize: model.vocabularySize)
            }
        }
        try self.init(model, tokenizer: tables, width: width, progress: progress)
    }

    package init(
        _ model: FloatModel, tokenizer: TokenizerTables?, width: WeightWidth, progress: @escaping (String) -> Void = { _ in }
    ) throws(PackError) {
        let packed = try ModelPacker(width: width, progress: progress).pack(model, tokenizer: tokenizer)
        bytes = packed.bytes
        progress("verifying")
        report = try Self.report(packed.bytes, packed.shelf, width)
    }

    /// The float model of a checkpoint, recognised by its content.
    public static func floatModel(_ checkpoint: Data) throws(PackError) -> FloatModel {
        do {
            switch try CheckpointKind.recognise(checkpoint) {
            case .torch: return try FloatModel(stlm: TorchCheckpoint(checkpoint))
            case .llama2: return try FloatModel(llama2: Llama2Checkpoint(checkpoint))
            }
        } catch let error as CheckpointError {
            throw .checkpoint(error)
        } catch let error as FloatModelError {
            throw .model(error)
        } catch {
            fatalError("unreachable: \(error)")
        }
    }

    /// Opens the file as the runtime will, and reads off it what the report says.
    private static func report(_ bytes: [UInt8], _ shelf: TensorShelf, _ width: WeightWidth) throws(PackError) -> PackReport {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        do {
            let file = try ModelFile(memory.baseAddress!, byteCount: bytes.count)
            try file.verifyWeights()
            let model = Model(file)
            let plan = try MemoryPlan(model, SessionOptions(model))
            return PackReport(file: file, plan: plan, shelf: shelf, width: width)
        } catch let error as ModelFileError {
            throw .ownOutput(sentence: error.sentence)
        } catch {
            throw .ownOutput(sentence: "\(error)")
        }
    }
}

extension ModelFileError {
    /// The error as a sentence, for the host side.
    public var sentence: String {
        String(unsafeUninitializedCapacity: 512) { write(into: $0) }
    }
}
