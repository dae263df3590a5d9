import CKernels
import FixedPoint

/// floor(log2(e) * 2^40 + 1/2): arithmetic-1, sections 7 and 9.
public let log2eQ40: UInt64 = 1_586_259_972_792

/// `a * b * 2^-shift` rounded down, or the greatest UInt64 where that is exceeded.
@inlinable @inline(__always)
public func shifted(_ a: UInt64, _ b: UInt64, _ shift: Int) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    if shift <= 0 {
        if high != 0 || (shift < 0 && low != 0 && low.leadingZeroBitCount < -shift) { return .max }
        return shift < -63 ? (low == 0 ? 0 : .max) : low &<< UInt64(-shift)
    }
    if shift >= 64 { return shift >= 128 ? 0 : high &>> UInt64(shift &- 64) }
    if high &>> UInt64(shift) != 0 { return .max }
    return low &>> UInt64(shift) | high &<< UInt64(64 &- shift)
}

/// The index of the greatest of `count` elements, at least one; of several the least.
@inlinable
public func indexOfGreatest(_ vector: UnsafePointer<Int32>, count: Int, _ kernels: KernelSet) -> Int {
    if kernels != .baseline { return stlm_greatest(kernels.number, vector, count) }
    var best = 0
    for i in 1..<max(1, count) where vector[i] > vector[best] { best = i }
    return best
}

/// Unnormalised probabilities of logits: exp2n of their distances below the greatest, times `factor * 2^-shift`.
@frozen
public struct Softmax {
    public let logits: UnsafePointer<Int32>
    public let count: Int
    public let greatest: Int32
    public let factor: UInt64
    public let shift: Int
    /// Smaller probabilities count as 0.
    public let least: UInt32
    @usableFromInline let kernels: KernelSet
    @usableFromInline let searchKernels: KernelSet

    /// - Parameters:
    ///   - logits: (count) Int32
    @inlinable
    public init(
        logits: UnsafePointer<Int32>, count: Int, greatest: Int32, factor: UInt64, shift: Int, least: UInt32 = 0, _ kernels: KernelSet
    ) {
        self.logits = logits
        self.count = count
        self.greatest = greatest
        self.factor = factor
        self.shift = shift
        self.least = least
        // What the kernels' 64 bits hold.
        let fits = factor < 1 << 32 ? 0...63 ~= shift : factor < 1 << 41 && 32...95 ~= shift
        self.kernels = fits ? kernels : .baseline
        searchKernels = kernels
    }

    /// In units of 2^-24, base 2.
    @inlinable @inline(__always)
    public func distance(_ i: Int) -> UInt32 {
        UInt32(clamping: shifted(UInt64(Int64(greatest) &- Int64(logits[i])), factor, shift))
    }

    @inlinable @inline(__always)
    public func probability(_ i: Int) -> UInt32 {
        let p = exp2Negative(distance(i))
        return p >= least ? p : 0
    }

    private var call: stlm_softmax_call {
        stlm_softmax_call(
            x: logits, count: count, factor: factor, greatest: greatest, shift: Int32(truncatingIfNeeded: shift), least: least)
    }

    /// The sum of all probabilities.
    public func total() -> UInt64 {
        if kernels != .baseline {
            var call = self.call
            return stlm_softmax_total(kernels.number, &call)
        }
        var sum: UInt64 = 0
        for i in 0..<count { sum &+= UInt64(probability(i)) }
        return sum
    }

    /// The first index at which the running sum exceeds `rest`; `count` if it never does.
    public func index(exceeding rest: UInt64) -> Int {
        if kernels != .baseline {
            var call = self.call
            return stlm_softmax_find(kernels.number, &call, rest)
        }
        var rest = rest
        for i in 0..<count {
            let p = UInt64(probability(i))
            if rest < p { return i }
            rest &-= p
        }
        return count
    }

    /// Distances that a bin of `bins` spans.
    public static var binWidth: UInt32 { 1 << 20 }
    public static var binCount: Int { 512 }
    /// Words of scratch and result of `sumBins`.
    public static var binMemory: Int { 4 * binCount }

    /// Sums of probabilities by distance, bin after bin; those beyond the last bin are 0.
    /// - Parameters:
    ///   - bins: (binMemory), of which the first `binCount` are the result
    public func sumBins(into bins: UnsafeMutablePointer<UInt64>) {
        if kernels != .baseline {
            var call = self.call
            return stlm_softmax_bins(kernels.number, &call, bins)
        }
        for k in 0..<Self.binCount { bins[k] = 0 }
        for i in 0..<count {
            let x = distance(i)
            bins[min(Self.binCount &- 1, Int(x / Self.binWidth))] &+= UInt64(probability(i))
        }
    }

    /// The greatest logit whose distance is `distance` or more, so that all below it are as far; nil where none can be.
    public func greatestLogit(atDistance distance: UInt64) -> Int32? {
        // The least difference that is far enough, by halving: distances grow with it.
        var low: UInt64 = 0
        var high = UInt64(Int64(greatest) &- Int64(Int32.min)) &+ 1
        while low < high {
            let middle = (low &+ high) / 2
            if shifted(middle, factor, shift) >= distance { high = middle } else { low = middle &+ 1 }
        }
        let logit = Int64(greatest) &- Int64(low)
        return logit < Int64(Int32.min) ? nil : Int32(truncatingIfNeeded: logit)
    }

    /// The first index from `start` on whose logit lies in `range`; `count` if there is none.
    public func next(from start: Int, in range: ClosedRange<Int32>) -> Int {
        if searchKernels != .baseline {
            return stlm_next_between(searchKernels.number, logits, start, count, range.lowerBound, range.upperBound)
        }
        var i = start
        while i < count, !(range ~= logits[i]) { i &+= 1 }
        return i
    }
}
