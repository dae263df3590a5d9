/// The mean of `count` rows, rounded half up: arithmetic-1, section 6.1.1.
/// - Parameters:
///   - rows: (count, width) Int32
///   - result: (width) Int32 with the same fraction bits
public func mean(_ rows: UnsafePointer<Int32>, count: Int, width: Int, into result: UnsafeMutablePointer<Int32>) {
    for j in 0..<width {
        var sum: Int64 = 0
        for k in 0..<count { sum &+= Int64(rows[k &* width &+ j]) }
        result[j] = Int32(truncatingIfNeeded: floorDivide(2 &* sum &+ Int64(count), 2 &* Int64(count)))
    }
}
