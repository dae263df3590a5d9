import CKernels
import FixedPoint

/// Rotary position embedding of adjacent pairs (RoFormer, Su et al. 2021): arithmetic-1, section 6.2, step 2.
/// - Parameters:
///   - heads: (headCount, headSize) Int32, rotated in place
///   - row: (headSize / 2) pairs of Int16 cos, sin in Q14, for the vector's position
public func rotate(
    _ heads: UnsafeMutablePointer<Int32>, headCount: Int, headSize: Int, row: UnsafePointer<Int16>,
    _ kernels: KernelSet = .baseline
) {
    if kernels != .baseline { return stlm_rotate(kernels.number, heads, headCount, headSize, row) }
    for head in 0..<headCount {
        let v = heads + head &* headSize
        for i in 0..<headSize / 2 {
            let c = Int64(row[2 &* i]), s = Int64(row[2 &* i &+ 1])
            let a = Int64(v[2 &* i]), b = Int64(v[2 &* i &+ 1])
            v[2 &* i] = scale(a &* c &- b &* s, 14)
            v[2 &* i &+ 1] = scale(a &* s &+ b &* c, 14)
        }
    }
}
