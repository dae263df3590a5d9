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
    ///   - tokenizers: content of a tokenizer file, or of a pair of them; none for token ids only.
    ///   - progress: called with what is being done.
    public init(
        checkpoint: Data, tokenizers: [Data] = [], width: WeightWidth, progress: @escaping (String) -> Void = { _ in }
    ) throws(PackError) {
        progress("reading the checkpoint")
        let model = try Self.floatModel(checkpoint)
        try self.init(model, tokenizer: Self.tables(model, tokenizers), width: width, progress: progress)
    }

    /// The tables of the files that are given, or of words where the model is made for them.
    private static func tables(_ model: FloatModel, _ files: [Data]) throws(PackError) -> TokenizerTables? {
        if model.tokenizerName == "words" {
            if !model.takesBlocks || !model.writesBlocks { throw .wordsWithTokens }
            if !files.isEmpty { throw .tokenizerForWords }
            return .words
        }
        if files.isEmpty { return nil }
        do {
            return try TokenizerTables(
                TokenizerFile.recognise(files, vocabularySize: model.vocabularySize), vocabularySize: model.vocabularySize)
        } catch let error as CheckpointError {
            throw .checkpoint(error)
        } catch {
            throw error as! PackError
        }
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
