import Checkpoints

/// What the config inside an STLM checkpoint says about its model, as far as inference needs it.
struct STLMConfiguration {
    enum Embedder { case tokens, bytes }

    enum Head {
        case linear(norm: NormKind, hasBias: Bool)
        case byteSlots
        case byteDecoder(STLMStack, isTied: Bool)
    }

    enum Positions: String { case rope, learned, sincos, none }

    let embedder: Embedder
    let core: STLMStack
    let head: Head
    let hiddenSize: Int
    let vocabularySize: Int
    let contextSize: Int
    let positions: Positions
    let isTied: Bool
    /// C, or 0 if neither embedder nor head is byte-level.
    let blockSize: Int
    /// E, or 0 if neither the embedder nor the head uses byte blocks.
    let byteSize: Int
    let tokenizerName: String?
    /// What a sentence about the model calls its parts.
    let typeNames: (embedder: String, core: String, head: String)

    /// Byte blocks have these always, whatever their width.
    static let byteHeadCount = 8
    private static let blockSizeLimit = 32

    /// Ids have to do with the model, because they go in or come out.
    var usesIds: Bool {
        if case .linear = head { return true }
        return embedder == .tokens
    }

    init(_ checkpoint: TorchCheckpoint) throws(FloatModelError) {
        guard let config = checkpoint.config else {
            let keys = checkpoint.rootKeys.prefix(8).map(quoted).joined(separator: ", ")
            throw .config(key: "config", "The checkpoint carries no config (its keys are \(keys)), so its heads and sizes are "
                + "unknown; give a checkpoint that was saved by the trainer of STLM.")
        }
        let reader = ConfigReader(config)
        typeNames = try Self.supportedTypes(reader)
        hiddenSize = try reader.count("model.hidden_dim")
        vocabularySize = try reader.count("model.vocab_size")
        contextSize = try reader.count("model.context_window")
        positions = try reader.choice("model.positional_encoding_type", [
            "rope": .rope, "learned": .learned, "sincos": .sincos, "none": .none,
        ])
        isTied = try reader.flag("model.embedding_weight_tying")
        embedder = typeNames.embedder == "byte_level" ? .bytes : .tokens
        core = try STLMStack(core: reader, hiddenSize: hiddenSize, isRotary: positions == .rope)
        switch typeNames.head {
        case "byte_level": head = .byteSlots
        case "byte_decoder": head = .byteDecoder(try STLMStack(decoder: reader), isTied: try reader.flag("model.lm_head.byte_weight_tying"))
        default: head = .linear(norm: try reader.norm("model.lm_head.normalization"), hasBias: try reader.flag("model.lm_head.bias"))
        }
        let isByteLevel = typeNames.embedder == "byte_level" || typeNames.head != "generic"
        blockSize = isByteLevel ? try reader.count("model.byte_context_window", limit: Self.blockSizeLimit) : 0
        let hasByteBlocks = typeNames.embedder == "byte_level" || typeNames.head == "byte_level"
        byteSize = hasByteBlocks ? try reader.count("model.byte_embedding_dim") : 0
        tokenizerName = reader.optionalText("model.embedder.tokenizer_type")
        if isByteLevel { try checkBytes(reader) }
    }

    /// The names of embedder, core and head; everything that is not supported is refused by its name, with the reason.
    private static func supportedTypes(_ reader: ConfigReader) throws(FloatModelError) -> (embedder: String, core: String, head: String) {
        guard reader.config["model"] != nil else {
            throw .config(key: "model", "The config of the checkpoint has no section 'model', so it is not a config of STLM; "
                + "give a checkpoint that was saved by the trainer of STLM.")
        }
        if reader.config.node("model.core_model_type") != nil {
            throw .config(key: "model.core_model_type", "The config has the key model.core_model_type, so the checkpoint is of "
                + "STLM's 'rewrite' branch, which is not supported, because its attention mixes up positions and reads the "
                + "future; train with the main branch.")
        }
        let huggingFace = "the checkpoint names a Hugging Face model but does not hold its configuration"
        let unfinished = "it belongs to STLM's next-thought models, whose code on the main branch cannot run"
        let embedder = try reader.require(
            "model.embedder.embedding_model_type", oneOf: ["generic", "byte_level"],
            reasons: ["hf_embedder": huggingFace, "hierarchical": unfinished])
        let core = try reader.require(
            "model.core_model.core_model_type", oneOf: ["generic", "generic_ffn_sharing"],
            reasons: ["hf_core": huggingFace, "next_thought_baseline": unfinished, "conv": unfinished])
        let head = try reader.require(
            "model.lm_head.lm_head_type", oneOf: ["generic", "byte_level", "byte_decoder"],
            reasons: ["hf_head": huggingFace, "latent_2_seq": unfinished])
        try reader.require("model.core_model.attn.attn_type", oneOf: ["generic"])
        if reader.config.node("model.model_shell_type") != nil {
            try reader.require("model.model_shell_type", oneOf: ["standard", "byte_shell"])
        }
        return (embedder, core, head)
    }

    private func checkBytes(_ reader: ConfigReader) throws(FloatModelError) {
        let symbolCount = try reader.count("model.byte_vocab_size")
        guard symbolCount == FloatModel.symbolCount else {
            throw .config(key: "model.byte_vocab_size", "model.byte_vocab_size is \(symbolCount), and byte-level models have "
                + "\(FloatModel.symbolCount) symbols: the bytes, a pad and an end; train with byte_vocab_size \(FloatModel.symbolCount).")
        }
        guard byteSize % Self.byteHeadCount == 0 else {
            throw .config(key: "model.byte_embedding_dim", "model.byte_embedding_dim is \(byteSize), which is no multiple of the "
                + "\(Self.byteHeadCount) heads of byte blocks; the config cannot belong to these weights.")
        }
        guard !isTied else {
            throw .config(key: "model.embedding_weight_tying", "model.embedding_weight_tying is true, but the embedder is "
                + "\(typeNames.embedder) and the head \(typeNames.head), which have no table in common; set it to false.")
        }
        if reader.config.node("model.embedder.byte_tokenizer_type") != nil {
            try reader.require("model.embedder.byte_tokenizer_type", oneOf: ["bpe"])
        }
        // The pooling: without it nobody knows which bytes make a block.
        try reader.require("model.embedder.tokenizer_type", oneOf: usesIds ? ["gpt2", "bpe"] : ["gpt2", "bpe", "words"],
                           reasons: ["words": "it makes no ids, and the \(embedder == .tokens ? "embedder" : "head") needs them"])
    }
}
