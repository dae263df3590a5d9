// The logistic and the normal distribution functions by table and linear interpolation: arithmetic-1, section 2.4.

/// 1 / (1 + e^-t) in Q31 (0 ... 2^31) for `t` in Q20.
@inlinable @inline(__always)
public func sigmoid(_ t: Int32) -> Int64 {
    let magnitude = Int64(t.magnitude)
    var s: Int64 = 1 << 31
    if magnitude < 1 << 24 {
        let index = Int(magnitude &>> 14)
        let low = Int64(sigmoidTable[index])
        s = low &+ (((Int64(sigmoidTable[index &+ 1]) &- low) &* (magnitude & 0x3FFF) &+ (1 << 13)) &>> 14)
    }
    return t < 0 ? (1 << 31) &- s : s
}

/// The standard normal distribution function at `t` (Q20), in Q31 (0 ... 2^31).
@inlinable @inline(__always)
public func normal(_ t: Int32) -> Int64 {
    let magnitude = Int64(t.magnitude)
    var s: Int64 = 1 << 31
    if magnitude < 1 << 23 {
        let index = Int(magnitude &>> 13)
        let low = Int64(normalTable[index])
        s = low &+ (((Int64(normalTable[index &+ 1]) &- low) &* (magnitude & 0x1FFF) &+ (1 << 12)) &>> 13)
    }
    return t < 0 ? (1 << 31) &- s : s
}

/// SIGMOID of arithmetic-1, section 2.4: (1025) Q31.
@inline(__always)
public func withSigmoidTable<Result>(_ body: (UnsafePointer<UInt32>) -> Result) -> Result {
    withUnsafePointer(to: sigmoidTable) { body(UnsafeRawPointer($0).assumingMemoryBound(to: UInt32.self)) }
}

/// NORMAL of arithmetic-1, section 2.4: (1025) Q31.
@inline(__always)
public func withNormalTable<Result>(_ body: (UnsafePointer<UInt32>) -> Result) -> Result {
    withUnsafePointer(to: normalTable) { body(UnsafeRawPointer($0).assumingMemoryBound(to: UInt32.self)) }
}
