import FixedPoint
import Kernels
import TestSupport

/// Logits and what arithmetic-1, sections 7 and 9, makes of them, in 128 bits.
struct SoftmaxTrial {
    var logits: [Int32]
    var greatest: Int32
    var factor: UInt64
    var shift: Int
    var least: UInt32 = 0

    init(_ logits: [Int32], factor: UInt64, shift: Int, least: UInt32 = 0) {
        self.logits = logits
        greatest = logits.max()!
        (self.factor, self.shift, self.least) = (factor, shift, least)
    }

    /// Logits whose distances take some 30 bits, so that probabilities of all sizes occur, or any at all.
    init(_ count: Int, factor: UInt64, shift: Int, least: UInt32 = 0, _ numbers: inout SeededNumbers) {
        var logits = numbers.vector(count)
        if numbers.int(0...2) != 0 {
            let length = max(0, min(31, 29 + shift - bitCount(factor)))
            let center = Int(numbers.anyInt32() >> 1)
            logits = (0..<count).map { _ in Int32(clamping: center + numbers.int(-(1 << length) / 2...1 << length / 2)) }
        }
        self.init(logits, factor: factor, shift: shift, least: least)
    }

    /// `a * b * 2^-shift` rounded down, up to `most`.
    static func shifted(_ a: UInt64, _ b: UInt64, _ shift: Int, most: UInt64) -> UInt64 {
        let product = UInt128(a) * UInt128(b)
        if shift >= 0 { return UInt64(min(UInt128(most), product >> UInt128(shift))) }
        if product == 0 { return 0 }
        return -shift >= product.leadingZeroBitCount ? most : UInt64(min(UInt128(most), product << UInt128(-shift)))
    }

    func distance(_ logit: Int32) -> UInt32 {
        UInt32(Self.shifted(UInt64(Int64(greatest) - Int64(logit)), factor, shift, most: 0xFFFF_FFFF))
    }

    /// `exp2n` has tests of its own.
    func probability(_ distance: UInt32) -> UInt64 {
        let p = exp2Negative(distance)
        return p >= least ? UInt64(p) : 0
    }

    func softmax(_ memory: GuardedArray<Int32>, _ kernels: KernelSet) -> Softmax {
        Softmax(
            logits: memory.pointer, count: logits.count, greatest: greatest, factor: factor, shift: shift, least: least, kernels)
    }

    var description: String { "\(logits.count) logits, factor \(factor) >> \(shift), least \(least)" }
}
