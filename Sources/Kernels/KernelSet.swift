import CKernels

/// Which kernels to run. Every choice gives the same bits.
@frozen
public enum KernelSet: UInt8, Sendable {
    /// The Swift reference alone.
    case baseline
    case avx2

    /// The fastest that this CPU runs.
    public static var detected: KernelSet {
        stlm_cpu_features() & 1 != 0 ? .avx2 : .baseline
    }

    public var name: StaticString {
        switch self {
        case .baseline: "baseline"
        case .avx2: "avx2"
        }
    }
}
