import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Checkpoints whose config and tensors disagree, and models that are not supported.
@Suite struct RefusalTests {
    private func message(_ file: TorchFile) -> String {
        do {
            _ = try FloatModel(stlm: TorchCheckpoint(file.bytes()))
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    /// The default model with one config value replaced, or removed.
    private func message(_ path: String, _ value: ConfigNode?) -> String {
        var file = SyntheticSTLM().file()
        file.config = file.config?.replacing(path.split(separator: ".").map(String.init), value)
        return message(file)
    }

    private func message(edit: (inout TorchFile) -> Void) -> String {
        var file = SyntheticSTLM().file()
        edit(&file)
        return message(file)
    }

    @Test func theModelItselfIsAccepted() {
        #expect(message(SyntheticSTLM().file()) == "no error")
        #expect(message("model.model_shell_type", nil) == "no error")
        #expect(message("model.hidden_dim", .real(32)) == "no error")
    }

    @Test(arguments: [
        "hidden_dim", "vocab_size", "context_window", "positional_encoding_type", "embedding_weight_tying",
        "core_model.core_model_type", "core_model.num_layers", "core_model.ffn.ffn_type", "core_model.ffn.ffn_dim",
        "core_model.ffn.normalization", "core_model.ffn.bias", "core_model.attn.attn_type", "core_model.attn.num_heads",
        "core_model.attn.group_size", "core_model.attn.normalization", "core_model.attn.bias", "core_model.attn.is_causal",
        "embedder.embedding_model_type", "lm_head.lm_head_type", "lm_head.normalization", "lm_head.bias",
    ]) func everyKeyIsRequiredAndTyped(_ key: String) {
        #expect(message("model." + key, nil).contains("The config has no key model.\(key)"))
        for value in [ConfigNode.null, .list([]), .string("???"), .real(0.5), .integer(-1)] {
            let sentence = message("model." + key, value)
            #expect(sentence.hasPrefix("model.\(key) is \(value.text)"), "\(sentence)")
        }
    }

    @Test(arguments: [
        ("embedder.embedding_model_type", "hf_embedder", "does not hold its configuration; supported: generic, byte_level."),
        ("embedder.embedding_model_type", "hierarchical", "belongs to STLM's next-thought models"),
        ("embedder.embedding_model_type", "swin", "supported: generic, byte_level."),
        ("core_model.core_model_type", "hf_core", "does not hold its configuration; supported: generic, generic_ffn_sharing."),
        ("core_model.core_model_type", "next_thought_baseline", "belongs to STLM's next-thought models"),
        ("core_model.core_model_type", "conv", "cannot run; supported: generic, generic_ffn_sharing."),
        ("core_model.core_model_type", "mamba", "supported: generic, generic_ffn_sharing."),
        ("lm_head.lm_head_type", "hf_head", "does not hold its configuration; supported: generic, byte_level, byte_decoder."),
        ("lm_head.lm_head_type", "latent_2_seq", "belongs to STLM's next-thought models"),
        ("lm_head.lm_head_type", "classifier", "supported: generic, byte_level, byte_decoder."),
        ("core_model.attn.attn_type", "linear", "supported: generic."),
        ("model_shell_type", "next_thought", "supported: standard, byte_shell."),
        ("positional_encoding_type", "alibi", "supported: learned, none, rope, sincos."),
    ]) func unsupportedModelsAreNamed(_ key: String, _ value: String, _ words: String) {
        let sentence = message("model." + key, .string(value))
        #expect(sentence.contains("model.\(key) is") && sentence.contains(value) && sentence.contains(words), "\(sentence)")
    }

    @Test func theRewriteBranchIsNamed() {
        let sentence = message("model.core_model_type", .string("generic"))
        #expect(sentence.contains("'rewrite' branch") && sentence.contains("reads the future"))
    }

    @Test func configsWithoutAModelAreRefused() {
        #expect(message("model", nil).contains("no section 'model'"))
        #expect(message { $0.config = nil }.contains("carries no config (its keys are 'model', 'optimizer', 'iter_num')"))
        #expect(message { $0.config = .string("model") }.contains("no section 'model'"))
    }

    @Test func sizesThatDoNotDivideAreRefused() {
        #expect(message("model.core_model.attn.num_heads", .integer(5)).contains("num_heads is 5, which does not divide"))
        #expect(message("model.core_model.attn.group_size", .integer(3)).contains("group_size is 3, which does not divide"))
        #expect(message("model.core_model.attn.num_heads", .integer(32)).contains("heads of odd size 1"))
    }

    @Test func shapesThatDisagreeNameTensorShapesAndKey() {
        #expect(message("model.vocab_size", .integer(97)).contains(
            "'embedding_model.token_embedder.weight' has shape (96, 32), but model.vocab_size and model.hidden_dim give (97, 32)"))
        #expect(message("model.core_model.attn.group_size", .integer(1)).contains(
            "'core_model.transformer.h.0.attn.c_attn.weight' has shape (64, 32), but model.core_model.attn.group_size"))
        #expect(message("model.core_model.ffn.ffn_dim", .integer(40)).contains("linear_1.weight' has shape (48, 32)"))
        // Also where only a later copy of a shared tensor is wrong.
        #expect(message { $0.tensors[$0.tensors.count - 1].shape = [48, 64]; $0.tensors[$0.tensors.count - 1].strides = [64, 1] }
            .contains("'model_head.linear.weight' has shape (48, 64)"))
    }

    @Test func missingAndSurplusTensorsAreNamed() {
        for index in SyntheticSTLM().file().tensors.indices {
            let name = SyntheticSTLM().file().tensors[index].name
            #expect(message { $0.tensors.remove(at: index) }.contains("has no tensor '\(name)'"))
        }
        #expect(message { $0.add("model_head.surplus", [2], [1, 2]) }.contains("holds the tensor 'model_head.surplus' of shape (2)"))
        #expect(message { $0.add("elsewhere", [2], [1, 2]) } == "no error")
        #expect(message("model.core_model.num_layers", .integer(1)).contains("holds the tensor 'core_model.transformer.h.1."))
        #expect(message("model.core_model.num_layers", .integer(4096)).contains("has no tensor 'core_model.transformer.h.2."))
        #expect(message("model.core_model.num_layers", .integer(Int.max)).contains("whole number from 1 to"))
    }

    @Test func overlappingViewsCannotAskForMoreMemoryThanTheFileIsLong() {
        // 100 layers whose matrices are all views of one storage, each an element further on.
        let model = SyntheticSTLM { ($0.layerCount, $0.hasOptimizer, $0.positions) = (100, false, "none") }
        var file = model.file()
        file.storages = [("0", [UInt8](repeating: 0, count: 4 * 8192))]
        for index in file.tensors.indices {
            (file.tensors[index].storageKey, file.tensors[index].storageCount, file.tensors[index].offset) = ("0", 8192, index)
        }
        #expect(message(file).contains("so its tensors overlap"))
    }

    @Test func valuesThatAreNotFiniteNameTheirTensor() {
        #expect(message { $0.storages[1].content.replaceSubrange(0..<4, with: TorchFile.content([.nan])) }
            .contains("'core_model.transformer.h.0.attn_norm.weight' holds NaN at element 0 of 32"))
    }
}
