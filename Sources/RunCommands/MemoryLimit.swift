import CPlatform
import Console
import Kernels
import STLM

/// A plan with which a run stays under --memory-limit; nil after a complaint.
/// - Parameters:
///   - besides: bytes that the run takes beside what a budget counts, at most
///   - resident: bytes of these that are in memory already
@inline(never)  // Its plans are not to lie on the stack below all that is computed.
func limitedPlan(
    _ options: Options, _ opened: borrowing OpenedModel, _ settings: inout SessionOptions, besides: Int = 0, resident: Int = 0
) throws(SessionError) -> MemoryPlan? {
    let plan = try MemoryPlan(opened.model, settings)
    guard let limit = options.memoryLimit else { return plan }
    let budget = MemoryBudget(opened.model, plan, isConstrained: options.isConstrained), more = systemByteCount(opened, budget, resident: resident) + besides
    if budget.residentAtMost + more <= limit { return plan }
    do throws(SessionError) {
        if let weightByteLimit = budget.weightByteLimit(under: limit - more) {
            settings.weightByteLimit = weightByteLimit
            return try MemoryPlan(opened.model, settings)
        }
    } catch {
        guard case .weightsDoNotFit = error else { throw error }
    }
    complain(
        options.verb == .selfCheck
            ? "--memory-limit %a is too little, %b bytes are needed at least; give more"
            : "--memory-limit %a is too little, %b bytes are needed at least; give more, a smaller --context or --batch, or --kv int8", limit,
        budget.cannotRunUnder + more)
    return nil
}

/// From here on the arena fills, once a run: what validated and planned leaves memory, and kernels that this run has not chosen leave the
/// process. None may be run from here on, not even those that the library takes where it is not told.
func forgetStart(_ kernels: KernelSet) {
    kernels.forEachUnused { stlm_program_release($0.baseAddress, $0.count) }
    stlm_program_forget()
}

/// What an ordinary build takes beyond what the static program would: the libraries of Swift and of the system, which are still growing when
/// they are measured here.
private func systemByteCount(_ opened: borrowing OpenedModel, _ budget: MemoryBudget, resident: Int) -> Int {
    #if hasFeature(Embedded)
    return 0
    #else
    // What of the file is resident is counted by itself.
    stlm_file_forget(opened.bytes.baseAddress, opened.byteCount)
    var now: UInt64 = 0, peak: UInt64 = 0
    stlm_resident_bytes(&now, &peak)
    return max(0, Int(now) - resident + 524_288 - budget.program.imageByteCount)
    #endif
}
