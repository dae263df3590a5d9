import FixedPoint

extension KeyValueType {
    /// By which power of two the products of mixed queries and keys are greater, b of arithmetic-1, section 6.2.3; 0 where none are mixed.
    public func mixingExponent(headSize: Int) -> Int { self == .int16 ? 0 : headSize.trailingZeroBitCount }
}

/// A Walsh-Hadamard transform of queries and keys, which leaves their products as they were and makes their elements alike, so that 8 bits
/// hold them better (QuaRot, Ashkboos et al. 2024): arithmetic-1, section 6.2.3.
/// - Parameters:
///   - heads: (count) Int32 of whole heads, changed in place
///   - exponent: b, of which a head's size is a multiple of 2^b
/// - Returns: the fraction bits of the result.
public func mix(_ heads: UnsafeMutablePointer<Int32>, count: Int, exponent b: Int, fractionBits: Int) -> Int {
    if b == 0 { return fractionBits }
    for i in 0..<count { heads[i] = Int32(truncatingIfNeeded: roundingShiftRight(Int64(heads[i]), b &+ 1)) }
    for k in 0..<b {
        let width = 1 &<< k
        var start = 0
        while start < count {
            for i in start..<start &+ width {
                let sum = heads[i] &+ heads[i &+ width]
                heads[i &+ width] = heads[i] &- heads[i &+ width]
                heads[i] = sum
            }
            start &+= 2 &* width
        }
    }
    return fractionBits &- b &- 1
}
