import CKernels

/// The sum of the 64-bit words of a buffer, whole lines of 256 bytes of it, read as fast as one thread can: a measure of memory.
/// - Parameters:
///   - bytes: at a multiple of 8
public func readAll(_ bytes: UnsafeRawBufferPointer, _ kernels: KernelSet = .detected) -> UInt64 {
    guard let base = bytes.baseAddress else { return 0 }
    if kernels != .baseline { return stlm_read_all(kernels.number, base, bytes.count) }
    let words = base.assumingMemoryBound(to: UInt64.self)
    var sum: UInt64 = 0
    for i in 0..<bytes.count / 256 * 32 { sum &+= words[i] }
    return sum
}
