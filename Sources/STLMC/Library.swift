import CSTLM
import Kernels

@c @implementation
public func stlm_abi_version() -> UInt32 { UInt32(STLM_ABI_VERSION) }

@c @implementation
public func stlm_features() -> UInt64 {
    let all = UInt64(STLM_FEATURE_THREADS) | UInt64(STLM_FEATURE_KV_INT8) | UInt64(STLM_FEATURE_KV_INT4) | UInt64(STLM_FEATURE_BLOCKS)
        | UInt64(STLM_FEATURE_CONSTRAINTS)
    #if hasFeature(Embedded)
    return all | UInt64(STLM_FEATURE_EMBEDDED)
    #else
    return all
    #endif
}

@c @implementation
public func stlm_kernels() -> UnsafePointer<CChar>! { cString(KernelSet.detected.name) }
