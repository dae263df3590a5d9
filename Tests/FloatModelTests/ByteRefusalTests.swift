import Checkpoints
import FloatModel
import Foundation
import TestSupport
import Testing

/// Byte-level checkpoints whose config and tensors disagree, and models that are not supported.
@Suite struct ByteRefusalTests {
    private func message(_ file: TorchFile) -> String {
        do {
            _ = try FloatModel(stlm: TorchCheckpoint(file.bytes()))
            return "no error"
        } catch {
            let sentence = "\(error)"
            #expect(!sentence.contains("\n") && sentence.hasSuffix(".") && sentence.count < 400, "\(sentence)")
            return sentence
        }
    }

    /// A model with one config value replaced, or removed.
    private func message(_ embedder: String, _ head: String, _ path: String, _ value: ConfigNode?) -> String {
        var file = SyntheticSTLM(embedder: embedder, head: head).file()
        file.config = file.config?.replacing(path.split(separator: ".").map(String.init), value)
        return message(file)
    }

    @Test(arguments: [
        ("byte_level", "byte_level", "byte_vocab_size"), ("byte_level", "byte_level", "byte_context_window"),
        ("byte_level", "generic", "byte_embedding_dim"), ("generic", "byte_level", "byte_embedding_dim"),
        ("generic", "byte_decoder", "byte_vocab_size"), ("generic", "byte_decoder", "byte_context_window"),
        ("byte_level", "byte_level", "embedder.tokenizer_type"), ("byte_level", "byte_level", "embedding_weight_tying"),
        ("byte_level", "byte_decoder", "lm_head.normalization"), ("byte_level", "byte_decoder", "lm_head.bias"),
        ("byte_level", "byte_decoder", "lm_head.byte_decoder_dim"), ("byte_level", "byte_decoder", "lm_head.num_layers"),
        ("byte_level", "byte_decoder", "lm_head.num_heads"), ("byte_level", "byte_decoder", "lm_head.group_size"),
        ("byte_level", "byte_decoder", "lm_head.ffn_type"), ("byte_level", "byte_decoder", "lm_head.ffn_dim"),
        ("byte_level", "byte_decoder", "lm_head.ffn_sharing"), ("byte_level", "byte_decoder", "lm_head.byte_weight_tying"),
        ("byte_level", "generic", "lm_head.normalization"), ("byte_level", "generic", "vocab_size"),
    ]) func everyKeyIsRequiredAndTyped(_ embedder: String, _ head: String, _ key: String) {
        #expect(message(embedder, head, "model." + key, nil).contains("The config has no key model.\(key)"))
        for value in [ConfigNode.null, .list([]), .string("???"), .real(0.5), .integer(-1)] {
            let sentence = message(embedder, head, "model." + key, value)
            #expect(sentence.hasPrefix("model.\(key) is \(value.text)"), "\(sentence)")
        }
    }

    @Test func keysThatTheModelDoesNotUseMayBeMissing() {
        for key in ["normalization", "bias"] { #expect(message("byte_level", "byte_level", "model.lm_head." + key, nil) == "no error") }
        #expect(message("generic", "byte_decoder", "model.byte_embedding_dim", nil) == "no error")
        #expect(message("byte_level", "byte_level", "model.embedder.byte_tokenizer_type", nil) == "no error")
        #expect(message("byte_level", "byte_level", "model.embedder.byte_context_window", .integer(99)) == "no error")
        #expect(message("byte_level", "byte_decoder", "model.lm_head.activation", nil) == "no error")
    }

    @Test(arguments: [
        ("byte_level", "byte_level", "embedding_weight_tying", ConfigNode.bool(true), "have no table in common"),
        ("byte_level", "generic", "embedding_weight_tying", .bool(true), "the embedder is byte_level and the head generic"),
        ("generic", "byte_decoder", "embedding_weight_tying", .bool(true), "the embedder is generic and the head byte_decoder"),
        ("byte_level", "byte_level", "byte_vocab_size", .integer(259), "byte_vocab_size is 259, and byte-level models have 258"),
        ("byte_level", "generic", "byte_vocab_size", .integer(256), "byte_vocab_size is 256, and byte-level models have 258"),
        ("byte_level", "byte_level", "byte_embedding_dim", .integer(20), "is 20, which is no multiple of the 8 heads"),
        ("generic", "byte_level", "byte_embedding_dim", .integer(4), "is 4, which is no multiple of the 8 heads"),
        ("byte_level", "byte_level", "byte_context_window", .integer(33), "is 33, and a whole number from 1 to 32"),
        ("byte_level", "byte_decoder", "byte_context_window", .integer(0), "is 0, and a whole number from 1 to 32"),
        ("byte_level", "byte_level", "embedder.byte_tokenizer_type", .string("gpt2"), "is 'gpt2', which is not supported; supported: bpe."),
        ("byte_level", "byte_level", "embedder.tokenizer_type", .string("hf"), "supported: gpt2, bpe, words."),
        ("byte_level", "generic", "embedder.tokenizer_type", .string("words"), "it makes no ids, and the head needs them; supported: gpt2, bpe."),
        ("generic", "byte_level", "embedder.tokenizer_type", .string("words"), "it makes no ids, and the embedder needs them"),
        ("byte_level", "byte_decoder", "lm_head.num_heads", .integer(5), "num_heads is 5, which does not divide model.lm_head.byte_decoder_dim 16"),
        ("byte_level", "byte_decoder", "lm_head.group_size", .integer(3), "group_size is 3, which does not divide model.lm_head.num_heads 4"),
        ("byte_level", "byte_decoder", "lm_head.ffn_type", .string("moe"), "'moe', which is not supported; supported: generic, swiglu."),
        ("byte_level", "byte_decoder", "lm_head.num_layers", .integer(4097), "whole number from 1 to 4096"),
        ("byte_level", "byte_decoder", "model_shell_type", .string("byte_vae"), "supported: standard, byte_shell."),
        ("byte_level", "byte_level", "embedder.embedding_model_type", .string("hierarchical"), "next-thought"),
        ("byte_level", "byte_level", "core_model.core_model_type", .string("hf_core"), "does not hold its configuration"),
        ("byte_level", "byte_level", "core_model_type", .string("generic"), "'rewrite' branch"),
    ]) func unsupportedModelsAreNamed(_ embedder: String, _ head: String, _ key: String, _ value: ConfigNode, _ words: String) {
        let sentence = message(embedder, head, "model." + key, value)
        #expect(sentence.contains("model.\(key)") && sentence.contains(words), "\(sentence)")
    }

    @Test(arguments: [
        ("byte_level", "byte_level", "byte_context_window", 11, "'embedding_model.pos_encoder.pe.weight' has shape (12, 16), but "
            + "model.byte_context_window and model.byte_embedding_dim give (11, 16)"),
        ("generic", "byte_level", "byte_context_window", 11, "'model_head.projection.weight' has shape (192, 32), but "
            + "model.byte_context_window and model.byte_embedding_dim and model.hidden_dim give (176, 32)"),
        ("generic", "byte_decoder", "byte_context_window", 11, "'model_head.pos_encoder.pe.weight' has shape (12, 16), but "
            + "model.byte_context_window and model.lm_head.byte_decoder_dim give (11, 16)"),
        ("byte_level", "byte_level", "byte_embedding_dim", 24, "'embedding_model.byte_token_embedder.weight' has shape (258, 16), but "
            + "model.byte_vocab_size and model.byte_embedding_dim give (258, 24)"),
        ("byte_level", "byte_level", "hidden_dim", 40, "'embedding_model.transformer.3.ffn.linear_2.weight' has shape (32, 128), but "
            + "model.byte_embedding_dim and model.hidden_dim give (40, 128)"),
        ("generic", "byte_decoder", "lm_head.byte_decoder_dim", 20, "'model_head.projection.weight' has shape (16, 32), but "
            + "model.lm_head.byte_decoder_dim and model.hidden_dim give (20, 32)"),
        ("byte_level", "byte_decoder", "lm_head.group_size", 4, "'model_head.transformer.h.0.attn.c_attn.weight' has shape (32, 16), but "
            + "model.lm_head.group_size and model.lm_head.byte_decoder_dim give (24, 16)"),
        ("byte_level", "byte_decoder", "lm_head.ffn_dim", 25, "'model_head.transformer.h.0.ffn.linear_1.weight' has shape (24, 16), but "
            + "model.lm_head.ffn_dim and model.lm_head.byte_decoder_dim give (25, 16)"),
    ]) func shapesThatDisagreeNameTensorShapesAndKeys(_ embedder: String, _ head: String, _ key: String, _ value: Int, _ words: String) {
        let sentence = message(embedder, head, "model." + key, .integer(value))
        #expect(sentence.contains(words), "\(sentence)")
    }

    @Test(arguments: SyntheticSTLM.byteLevelPairs) func missingAndSurplusTensorsAreNamed(_ pair: (embedder: String, head: String)) {
        let source = SyntheticSTLM(embedder: pair.embedder, head: pair.head) { $0.hasOptimizer = false }, file = source.file()
        for index in file.tensors.indices {
            var less = file
            let name = less.tensors.remove(at: index).name
            #expect(message(less).contains("has no tensor '\(name)'"))
        }
        for name in ["embedding_model.surplus", "core_model.surplus", "model_head.surplus"] {
            var more = file
            more.add(name, [2], [1, 2])
            #expect(message(more).contains("holds the tensor '\(name)' of shape (2)"))
        }
    }

    @Test func tensorsOfAnotherEmbedderOrHeadAreSurplus() {
        // A byte embedder has no positions of its own for the core, whatever the config says.
        var file = SyntheticSTLM(embedder: "byte_level", head: "byte_level") { $0.positions = "learned" }.file()
        file.add("embedding_model.positional_encodings.pe.weight", [16, 32], Array(repeating: 0, count: 512))
        #expect(message(file).contains("holds the tensor 'embedding_model.positional_encodings.pe.weight' of shape (16, 32)"))
        file = SyntheticSTLM(embedder: "byte_level", head: "byte_level").file()
        file.config = SyntheticSTLM(embedder: "byte_level", head: "generic").config()
        #expect(message(file).contains("has no tensor 'model_head.linear.weight'"))
        #expect(message("byte_level", "byte_decoder", "model.lm_head.num_layers", .integer(1))
            .contains("holds the tensor 'model_head.transformer.h.1."))
        #expect(message("byte_level", "byte_decoder", "model.lm_head.num_layers", .integer(4096))
            .contains("has no tensor 'model_head.transformer.h.2."))
    }

    @Test func valuesThatAreNotFiniteNameTheirTensor() {
        for (index, name) in ["'embedding_model.pos_encoder.pe.weight'", "'embedding_model.byte_token_embedder.weight'"].enumerated() {
            var file = SyntheticSTLM(embedder: "byte_level", head: "byte_level").file()
            file.storages[index].content.replaceSubrange(0..<4, with: TorchFile.content([.infinity]))
            #expect(message(file).contains("\(name) holds an infinity"))
        }
    }
}
