import Kernels
import TestSupport
import Testing

/// What sampling in order of probability rests on: every set of kernels against plain loops.
@Suite struct SoftmaxBinsTests {
    private func check(_ trial: SoftmaxTrial) {
        var expected = [UInt64](repeating: 0, count: Softmax.binCount)
        for logit in trial.logits {
            let distance = trial.distance(logit), bin = Int(distance >> 20)
            if bin < Softmax.binCount { expected[bin] += trial.probability(distance) }
        }
        let x = GuardedArray(trial.logits)
        defer { withExtendedLifetime(x) {} }
        for kernels in KernelSet.runnable {
            let bins = GuardedArray(count: Softmax.binMemory, repeating: UInt64(7))
            trial.softmax(x, kernels).sumBins(into: bins.pointer)
            let isSame = bins.elements[..<Softmax.binCount].elementsEqual(expected) && bins.memory.isSlackIntact
            #expect(isSame, "\(kernels): \(trial.description)")
        }
    }

    @Test func binsOfEveryCount() {
        #expect(Softmax.binWidth == 1 << 20 && Softmax.binCount == 512)
        var numbers = SeededNumbers(seed: 81)
        for count in Array(1...70) + [1_000, 32_000] {
            for (factor, shift) in [(log2eQ40, 36), (log2eQ40, 20), (1_000_003, 20), (1, 0), (1 << 41, 33)] as [(UInt64, Int)] {
                check(SoftmaxTrial(count, factor: factor, shift: shift, least: numbers.pick([0, 1, 1 << 20]), &numbers))
            }
        }
    }

    /// Each bin's first and last distance, and those beyond all bins.
    @Test func endsOfEveryBin() {
        var distances: [Int64] = [1 << 30, 1 << 31, 1 << 32 - 1]
        for bin in 0...530 as ClosedRange<Int64> { distances += [bin << 20, bin << 20 + 1, (bin + 1) << 20 - 1] }
        check(SoftmaxTrial(distances.map { Int32(Int64(Int32.max) - $0) }, factor: 1, shift: 0))
    }

    /// The greatest logit far enough, and the one above it too near.
    @Test func theGreatestLogitAtADistance() {
        var numbers = SeededNumbers(seed: 82)
        for _ in 0..<20_000 {
            let factor = numbers.pick([0, 1, log2eQ40, log2eQ40 >> UInt64(numbers.int(0...20)), 0xFFFF_FFFF, .max, numbers.next()])
            var trial = SoftmaxTrial([0], factor: factor, shift: numbers.pick([-16, 0, 36, numbers.int(-40...100)]))
            trial.greatest = numbers.pick([.max, .min, 0, numbers.anyInt32()])
            let distance = numbers.pick([0, 1, 1 << 20, 512 << 20, UInt64(numbers.int(0...512)) << 20, numbers.next() >> 30])
            func isFar(_ logit: Int64) -> Bool {
                SoftmaxTrial.shifted(UInt64(Int64(trial.greatest) - logit), trial.factor, trial.shift, most: .max) >= distance
            }
            let x = GuardedArray(trial.logits)
            let found = withExtendedLifetime(x) { trial.softmax(x, .baseline).greatestLogit(atDistance: distance) }
            if let found = found.map(Int64.init) {
                #expect(isFar(found) && (found == trial.greatest || !isFar(found + 1)), "\(trial), \(distance)")
            } else {
                #expect(!isFar(Int64(Int32.min)), "\(trial), \(distance)")
            }
        }
    }

    @Test func theNextLogitOfARange() {
        var numbers = SeededNumbers(seed: 83)
        for round in 0..<3_000 {
            let logits = round % 2 == 0 ? numbers.vector(numbers.int(1...70)) : (0..<numbers.int(1...300)).map { _ in Int32(numbers.int(-50...50)) }
            let ends = [numbers.pick(logits), numbers.pick([.min, .max, 0, numbers.pick(logits)])].sorted()
            let range = numbers.int(0...3) == 0 ? ends[0]...ends[0] : ends[0]...ends[1]
            let start = numbers.int(0...logits.count)
            let expected = logits[start...].firstIndex(where: range.contains) ?? logits.count
            let trial = SoftmaxTrial(logits, factor: log2eQ40, shift: numbers.pick([36, -3]))
            let x = GuardedArray(logits)
            defer { withExtendedLifetime(x) {} }
            for kernels in KernelSet.runnable {
                #expect(trial.softmax(x, kernels).next(from: start, in: range) == expected, "\(kernels): \(logits.count) logits from \(start) on")
            }
        }
    }
}
