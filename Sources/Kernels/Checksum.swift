import CKernels
import ModelFile

extension CRC32 {
    /// The same as without kernels, by the CPU's own instructions where it has them.
    public mutating func update(_ bytes: UnsafeRawPointer, byteCount: Int, _ kernels: KernelSet) {
        let done = kernels == .baseline ? 0 : stlm_checksum(kernels.number, &state, bytes, byteCount)
        update(bytes + done, byteCount: byteCount &- done)
    }
}
