import CKernels

/// Which kernels to run. Every choice gives the same bits.
@frozen
public enum KernelSet: UInt8, Sendable {
    /// The Swift reference alone.
    case baseline
    case avx2
    case avxvnni
    /// AVX-512 with VNNI.
    case avx512
    case neon
    case dotprod
    case i8mm

    /// The fastest that this CPU runs.
    public static var detected: KernelSet {
        let available = stlm_kernels_available()
        return KernelSet(rawValue: UInt8(31 - available.leadingZeroBitCount)) ?? .baseline
    }

    /// Whether this CPU runs it.
    public var isAvailable: Bool { stlm_kernels_available() >> UInt32(rawValue) & 1 != 0 }

    /// The set after this one, of all there are.
    public var next: KernelSet? { KernelSet(rawValue: rawValue + 1) }

    public var name: StaticString {
        switch self {
        case .baseline: "baseline"
        case .avx2: "avx2"
        case .avxvnni: "avxvnni"
        case .avx512: "avx512"
        case .neon: "neon"
        case .dotprod: "dotprod"
        case .i8mm: "i8mm"
        }
    }

    /// As CKernels numbers it; not for the baseline.
    @inlinable var number: UInt32 { UInt32(rawValue) }
}

extension KernelSet {
    /// Code that this set never runs, kernels of other CPUs: in pieces, of which some may be empty.
    public func forEachUnused(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start: UnsafeRawPointer?
        var count = 0, index = 0
        while stlm_kernels_unused(UInt32(rawValue), index, &start, &count) != 0 {
            body(UnsafeRawBufferPointer(start: start, count: count))
            index += 1
        }
    }
}
