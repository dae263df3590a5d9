import CPlatform
import Console
import STLM

/// What a run takes beyond its arena and what is resident when it is planned: pages of the program that are still to be run, stacks, and of
/// the system's library.
private let runningByteCount = 524_288

/// A plan with which a run stays under --memory-limit; nil after a complaint.
/// - Parameters:
///   - others: bytes of memory besides the arena that are to be reserved
func limitedPlan(
    _ options: Options, _ opened: borrowing OpenedModel, _ settings: inout SessionOptions, others: Int = 0
) throws(SessionError) -> MemoryPlan? {
    let plan = try MemoryPlan(opened.model, settings)
    guard let limit = options.memoryLimit else { return plan }
    // What of the file is resident is counted by itself.
    stlm_file_forget(opened.bytes.baseAddress, opened.byteCount)
    var now: UInt64 = 0, peak: UInt64 = 0
    stlm_resident_bytes(&now, &peak)
    let running = Int(now) + runningByteCount + others
    if running + plan.arenaByteCount + opened.byteCount <= limit { return plan }
    let rest = running + plan.arenaByteCount + WeightPlan.arenaByteCount(opened.model)
    settings.weightByteLimit = max(0, limit - rest)
    do throws(SessionError) {
        return try MemoryPlan(opened.model, settings)
    } catch {
        guard case .weightsDoNotFit(_, let least) = error else { throw error }
        complain(
            "--memory-limit %a is too little, %b bytes are needed at least; give more, a smaller --context or --batch, or --kv int8", limit,
            rest + least)
        return nil
    }
}
