import CPlatform
import Console
import Kernels
import ModelFile
import STLM

/// `stlm-run self-check`: whether the file is whole, and this computer makes of it what the packer's did. stlm-1, section 12.
func selfCheck(_ options: Options) -> Int32 {
    guard let kernels = chosenKernels(), let opened = OpenedModel(options.model!, memoryLimit: options.memoryLimit) else { return ExitCode.failure }
    let model = opened.model
    guard let transcript = model.file.transcript else {
        complain("%n has no transcript to check against; pack it again with this version's stlm-pack", name: options.model)
        return ExitCode.failure
    }
    var checked = InlineArray<3, UInt32>(repeating: 0)
    let threads = threadCount(options)
    // The first type of keys and values needs the most memory: where its weights may stay, those of the others may too.
    var weightByteLimit: Int?
    do throws(SessionError) {
        for type in 0..<model.transcriptTypeCount {
            if stlm_signal_received() != 0 { return 130 }
            var settings = SessionOptions(
                transcriptOf: model, KeyValueType(rawValue: UInt8(type))!, positionCount: Int(transcript.positionCount), kernels: kernels,
                threadCount: threads)
            settings.weightByteLimit = weightByteLimit
            guard let plan = type == 0 ? try limitedPlan(options, opened, &settings) : try MemoryPlan(model, settings) else { return ExitCode.failure }
            weightByteLimit = settings.weightByteLimit
            // Before the first arena fills, and not at all where memory is too little for it.
            if type == 0 {
                if !verifyWeights(options, opened) { return ExitCode.failure }
                forgetStart(kernels)
            }
            guard let arena = Arena(plan.arenaByteCount) else { return ExitCode.failure }
            var session = try Session(model, plan, kernels: kernels, arena: arena.bytes, descriptor: opened.descriptor)
            checked[type] = try session.transcriptChecksum()
        }
    } catch {
        complainAbout(error)
        return ExitCode.failure
    }
    for type in 0..<model.transcriptTypeCount where checked[type] != transcript.logitsChecksum[type] {
        complain(
            kernels == .baseline
                ? "this computer does not make of %n what the packer's did (keys and values %d); do not use it here, and report it"
                : "this computer does not make of %n what the packer's did (keys and values %d); try STLM_CPU=baseline, and report it",
            name: options.model, detail: cString(KeyValueType(rawValue: UInt8(type))!.name))
        return ExitCode.failure
    }
    return report(options, model, transcript, kernels, threads)
}

/// False after a complaint.
private func verifyWeights(_ options: Options, _ opened: borrowing OpenedModel) -> Bool {
    do throws(ModelFileError) {
        try opened.verifyWeights()
        return true
    } catch {
        complainAbout(error, options.model!)
        return false
    }
}

private func report(_ options: Options, _ model: Model, _ transcript: TranscriptRecord, _ kernels: KernelSet, _ threads: Int) -> Int32 {
    var out = Writer(1)
    if options.json {
        out.text("{\"right\": true, \"bytes\": ")
        out.number(model.file.byteCount)
        out.text(", \"positions\": ")
        out.number(Int(transcript.positionCount))
        out.text(", \"kernels\": \"")
        out.text(kernels.name)
        out.text("\", \"threads\": ")
        out.number(threads)
        out.text("}\n")
    } else {
        out.text("file           right, ")
        out.grouped(model.file.byteCount)
        out.text(" bytes\nlogits         those of the packer, at ")
        out.number(Int(transcript.positionCount))
        out.text(" positions")
        for type in 0..<model.transcriptTypeCount {
            out.text(type == 0 ? " with keys and values " : ", ")
            out.text(KeyValueType(rawValue: UInt8(type))!.name)
        }
        out.text("\nkernels        ")
        out.text(kernels.name)
        out.text(threads == 1 ? ", 1 thread\n" : ", ")
        if threads > 1 {
            out.number(threads)
            out.text(" threads\n")
        }
    }
    out.flush()
    return exitCode(of: out.error)
}
