import Kernels
import TestSupport

extension KernelSet {
    /// Those of CKernels.
    static let fast = runnable.filter { $0 != .baseline }

    /// As CKernels numbers it.
    var index: UInt32 { UInt32(rawValue) }
}

extension GuardedArray where Element: FixedWidthInteger {
    /// An array of random bits.
    convenience init(garbage count: Int, _ numbers: inout SeededNumbers) {
        self.init((0..<count).map { _ in Element(truncatingIfNeeded: numbers.next()) })
    }
}

extension SeededNumbers {
    /// The ends of the range and what lies around zero.
    static let ends: [Int32] = [.min, .min + 1, .max, .max - 1, 0, 1, -1]

    /// Numbers of one kind: ends of the range, of any size, or all of about one size.
    mutating func vector(_ count: Int) -> [Int32] {
        switch int(0...2) {
        case 0: return (0..<count).map { _ in pick(Self.ends) }
        case 1: return (0..<count).map { _ in anyInt32() }
        default:
            let shift = Int32(int(0...31))
            return (0..<count).map { _ in Int32(truncatingIfNeeded: next()) >> shift }
        }
    }
}
