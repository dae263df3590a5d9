import Checkpoints
import FloatModel
import Foundation
import ModelFile
import STLM

/// A checkpoint packed in memory, opened once to prove that it opens.
public struct PackedModel: Sendable {
    public let bytes: [UInt8]
    public let report: PackReport
    /// Sentences about what the user should know before trusting the file.
    public let warnings: [String]

    /// - Parameters:
    ///   - checkpoint: content of a checkpoint of any known kind.
    ///   - tokenizers: content of a tokenizer file, or of a pair of them; none for token ids only.
    ///   - progress: called with what is being done.
    public init(
        checkpoint: Data, tokenizers: [Data] = [], settings: PackSettings, progress: @escaping (String) -> Void = { _ in }
    ) throws(PackError) {
        progress("reading the checkpoint")
        let model = try Self.floatModel(checkpoint)
        try self.init(model, tokenizer: Self.tables(model, tokenizers), settings: settings, progress: progress)
    }

    package init(_ model: FloatModel, tokenizer: TokenizerTables?, width: WeightWidth) throws(PackError) {
        try self.init(model, tokenizer: tokenizer, settings: PackSettings(.width(width)))
    }

    /// All matrices alike, nothing calibrated or measured.
    public init(checkpoint: Data, tokenizers: [Data] = [], width: WeightWidth) throws(PackError) {
        try self.init(checkpoint: checkpoint, tokenizers: tokenizers, settings: PackSettings(.width(width)))
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
        _ model: FloatModel, tokenizer: TokenizerTables?, settings: PackSettings, progress: @escaping (String) -> Void = { _ in }
    ) throws(PackError) {
        let run = try PackRun(model, tokenizer, settings, progress)
        (bytes, report, warnings) = (run.bytes, run.report, run.warnings)
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
}
