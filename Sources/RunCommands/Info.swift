import CPlatform
import Console
import Kernels
import ModelFile
import STLM
import Tokenizers

/// `stlm-run info`: what is in a model file.
func info(_ options: Options) -> Int32 {
    guard let opened = OpenedModel(options.model!) else { return ExitCode.failure }
    let model = opened.model
    do throws(SessionError) {
        var settings = SessionOptions(model)
        settings.contextTokenCount = options.contextTokenCount
        settings.keyValueType = options.keyValueType
        settings.threadCount = threadCount(options)
        let plan = try MemoryPlan(model, settings)
        if options.verifies {
            do throws(ModelFileError) {
                try model.file.verifyWeights()
            } catch {
                complainAbout(error, options.model!)
                return ExitCode.failure
            }
        }
        var out = Writer(1)
        if options.json { writeJSON(&out, model, plan) } else { writeText(&out, model, plan, verified: options.verifies) }
        out.flush()
        return exitCode(of: out.error)
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
}

/// Bytes of the tokenizer's tables.
private func tokenizerByteCount(_ file: ModelFile) -> Int {
    var sum = 0
    var kind = RegionKind.tokenizer.rawValue
    while kind <= RegionKind.adjacency.rawValue {
        sum += file.tableByteCount(RegionKind(rawValue: kind)!)
        kind += 1
    }
    return sum
}

/// Aliases: names beyond the first of the same rows.
private func aliasCount(_ file: ModelFile) -> Int {
    var count = 0
    for index in 0..<file.nameCount where file.name(index).isAlias { count += 1 }
    return count
}

private func embedderName(_ model: Model) -> StaticString { model.takesBlocks ? "byte blocks" : "tokens" }

private func headName(_ model: Model) -> StaticString {
    switch HeadKind(rawValue: model.record.head.kind)! {
    case .linear: "tokens"
    case .byteSlots: "byte slots"
    case .byteDecoder: "byte decoder"
    }
}

private func writeText(_ out: inout Writer, _ model: Model, _ plan: MemoryPlan, verified: Bool) {
    let file = model.file
    let record = model.record
    out.bytes(bytes(file.text(record.description)))
    out.text("\nparameters     ")
    out.grouped(record.parameterCount)
    out.text(", ")
    out.grouped(record.uniqueParameterCount)
    out.text(" unique\nembedder       ")
    out.text(embedderName(model))
    out.text("\nhead           ")
    out.text(headName(model))
    out.text("\nhidden size    ")
    out.number(model.hiddenSize)
    if model.blockSize > 0 {
        out.text("\nblocks         ")
        out.number(model.blockSize)
        out.text(" bytes")
    }
    if !model.takesBlocks || !model.writesBlocks || model.tokenizer?.pieceCount ?? 0 > 0 {
        out.text("\nvocabulary     ")
        out.grouped(model.vocabularySize)
    }
    out.text("\ncontext        ")
    out.number(Int(record.contextDefault))
    out.text(", at most ")
    out.number(Int(record.contextMaximum))
    out.text(record.isCausal ? "\nschedule       " : ", not causal\nschedule       ")
    counted(&out, file.stepCount, "step")
    out.text(" over ")
    counted(&out, file.attentionCount, "attention")
    out.text(" and ")
    counted(&out, file.feedForwardCount, "feed-forward")
    out.text("\ntokenizer      ")
    if !file.hasTokenizer {
        out.text(model.takesBlocks ? "none; takes blocks of ids (--ids)\n" : "none; takes token ids (--ids)\n")
    } else if file.tokenizer.kind == TokenizerKind.words.rawValue {
        out.text("words, no table\n")
    } else {
        out.number(Int(file.tokenizer.pieceCount))
        out.text(" pieces, ")
        out.grouped(tokenizerByteCount(file))
        out.text(" bytes\n")
    }
    out.text("sharing        ")
    out.number(aliasCount(file))
    out.text(" names are aliases\nsampling       temperature ")
    out.ratio(UInt64(record.temperature), 65_536, places: 2)
    out.text(", top-k ")
    out.number(Int(record.topK))
    out.text(", top-p ")
    out.ratio(UInt64(record.topP), 65_536, places: 2)
    out.text(", min-p ")
    out.ratio(UInt64(record.minP), 65_536, places: 2)
    out.text(", repeat penalty ")
    out.ratio(UInt64(record.repeatPenalty), 65_536, places: 2)
    out.text("\nfile           ")
    out.grouped(file.byteCount)
    out.text(" bytes, padding ")
    out.grouped(file.paddingByteCount)
    out.text(verified ? " (all checksums are right)\narena          " : "\narena          ")
    out.grouped(plan.arenaByteCount)
    out.text(" bytes at a context of ")
    out.number(plan.contextTokenCount)
    out.text(", keys and values ")
    out.text(plan.keyValueType.name)
    out.text("\n")
    LedgerView(file)?.writeText(&out, model)
    TensorTable(file).writeText(&out)
}

/// "1 step", "2 steps".
private func counted(_ out: inout Writer, _ number: Int, _ noun: StaticString) {
    out.number(number)
    out.text(" ")
    out.text(noun)
    if number != 1 { out.text("s") }
}

private func writeJSON(_ out: inout Writer, _ model: Model, _ plan: MemoryPlan) {
    let file = model.file
    let record = model.record
    func field(_ name: StaticString, _ value: Int) { field(name, Int64(value)) }
    func field(_ name: StaticString, _ value: Int64) {
        out.text(", \"")
        out.text(name)
        out.text("\": ")
        out.number(value)
    }
    out.text("{\"description\": \"")
    out.jsonEscaped(bytes(file.text(record.description)))
    out.text("\"")
    out.text(", \"embedder\": \"")
    out.text(embedderName(model))
    out.text("\", \"head\": \"")
    out.text(headName(model))
    out.text("\"")
    field("format_version", Int(file.header.formatVersion))
    field("parameters", Int64(clamping: record.parameterCount))
    field("unique_parameters", Int64(clamping: record.uniqueParameterCount))
    field("hidden_size", model.hiddenSize)
    field("vocabulary_size", model.vocabularySize)
    field("block_size", model.blockSize)
    field("context_default", Int(record.contextDefault))
    field("context_maximum", Int(record.contextMaximum))
    out.text(record.isCausal ? ", \"causal\": true" : ", \"causal\": false")
    field("steps", file.stepCount)
    field("attentions", file.attentionCount)
    field("feed_forwards", file.feedForwardCount)
    field("tensors", file.tensorCount)
    field("names", file.nameCount)
    field("aliases", aliasCount(file))
    field("tokenizer_pieces", file.hasTokenizer ? Int(file.tokenizer.pieceCount) : 0)
    field("tokenizer_bytes", tokenizerByteCount(file))
    field("residual_fraction_bits", Int(record.residualFractionBits))
    field("logit_fraction_bits", model.logitFractionBits)
    field("file_bytes", file.byteCount)
    field("padding_bytes", file.paddingByteCount)
    field("context", plan.contextTokenCount)
    out.text(", \"kv\": \"")
    out.text(plan.keyValueType.name)
    out.text("\"")
    field("arena_bytes", plan.arenaByteCount)
    field("kv_bytes", plan.keyValueByteCount)
    out.text(", \"ledger\": ")
    if let ledger = LedgerView(file) { ledger.writeJSON(&out) } else { out.text("null") }
    out.text(", \"tensor_list\": ")
    TensorTable(file).writeJSON(&out)
    out.text("}\n")
}
