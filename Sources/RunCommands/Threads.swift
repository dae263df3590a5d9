import CPlatform
import Console

/// The threads to use: those asked for, else one for each fast core.
func threadCount(_ options: Options) -> Int {
    guard let asked = options.threadCount else { return min(Int(STLM_POOL_THREADS_MAX), Int(stlm_fast_core_count())) }
    let cores = Int(stlm_cpu_count())
    if asked > cores {
        complain("warning: --threads %a is more than the %b CPUs there are, and threads will wait for each other; give fewer", asked, cores)
    }
    return asked
}
