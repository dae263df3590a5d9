import Kernels
import TestSupport
import Testing

/// arithmetic-1, section 4: every set of kernels against exact arithmetic.
@Suite struct LinearTests {
    private func check(_ trial: LinearTrial, fixed: Int?, gap: Int = 0) {
        let memory = LinearMemory(trial), want = trial.expected(fixed: fixed)
        for kernels in KernelSet.runnable {
            let isSame = memory.run(fixed: fixed, kernels, gap: gap) == want
            #expect(isSame, "\(kernels): \(trial.rows) x \(trial.activations[0].count), \(trial.activations.count) vectors, \(fixed as Int?)")
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func everySmallShape(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 31)
        for rows in 1...40 {
            // Every third, other ones for the next rows.
            for columns in 1...70 where (rows + columns) % 3 == 0 || columns < 4 {
                let trial = LinearTrial(
                    widths, rows: rows, columns: columns, vectors: numbers.int(1...13), numbers.pick(LinearTrial.Codes.allCases), &numbers)
                check(trial, fixed: numbers.int(0...1) == 0 ? nil : trial.fixedBits(&numbers))
            }
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func everyNumberOfVectors(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 32)
        for vectors in 1...33 {
            for (rows, columns) in [(1, 1), (16, 64), (17, 5), (40, 33), (50, 67), (64, 12)] {
                let trial = LinearTrial(widths, rows: rows, columns: columns, vectors: vectors, .random, &numbers)
                check(trial, fixed: trial.fixedBits(&numbers))
            }
        }
    }

    /// Where kernels go over from 32 to 64 bits, and the widest layer of the format.
    @Test(arguments: LinearTrial.Widths.all, LinearTrial.Codes.allCases)
    func wideLayers(_ widths: LinearTrial.Widths, _ codes: LinearTrial.Codes) {
        var numbers = SeededNumbers(seed: 33)
        for columns in [239, 240, 241, 253, 255, 511, 512, 513, 991, 992, 993, 1_020, 1_024, 2_047, 4_097, 16_389] where columns <= widths.mostColumns {
            let trial = LinearTrial(widths, rows: 18, columns: columns, vectors: numbers.int(2...6), codes, &numbers)
            check(trial, fixed: nil)
            check(trial, fixed: trial.fixedBits(&numbers))
        }
        let trial = LinearTrial(widths, rows: 33, columns: widths.mostColumns, vectors: 5, codes, &numbers)
        check(trial, fixed: nil)
        check(trial, fixed: trial.layer.exponent + Int(trial.scales[0].exponent) - 28)
    }

    /// T + e - P - F from the ends of what the kernels take, with every d.
    @Test(arguments: LinearTrial.Widths.all) func everyShift(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 34)
        for shift in Array(-100...110) + [-1 << 30, -65_536, -1_000, 1_000, 65_536, 1 << 30] {
            for codes in LinearTrial.Codes.allCases {
                var trial = LinearTrial(widths, rows: 40, columns: 9, vectors: 3, codes, &numbers)
                trial.layer.bias = nil
                check(trial, fixed: trial.layer.exponent + Int(trial.scales[0].exponent) - shift)
            }
        }
        // The greatest sums there are, at which rounding comes nearest to 2^63.
        var trial = LinearTrial(widths, rows: 32, columns: widths.mostColumns, vectors: 2, .ends, &numbers)
        trial.layer.bias = nil
        let memory = LinearMemory(trial), sumBits = Exact.clog2(widths.mostColumns) + widths.weight + widths.activation - 2
        for shift in Array(-3...66) + [-62, -33] {
            let fixed = trial.layer.exponent + Int(trial.scales[0].exponent) - max(0, sumBits - 33) - shift
            let want = trial.expected(fixed: fixed)
            for kernels in KernelSet.runnable { #expect(memory.run(fixed: fixed, kernels) == want, "\(kernels), shift \(shift)") }
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func everyShiftOfTheBias(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 35)
        for shift in Array(-40...40) + [-1 << 30, -1_000, 63, 64, 65, 1_000, 1 << 30] {
            for _ in 0..<3 {
                var trial = LinearTrial(widths, rows: 23, columns: 5, vectors: 2, .random, &numbers)
                trial.layer.bias = numbers.vector(23)
                let fixed = numbers.pick([trial.fixedBits(&numbers), 62])
                trial.layer.biasBits = fixed + shift
                check(trial, fixed: fixed)
            }
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func fractionBitsAreThoseOfTheDocument(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 36)
        for _ in 0..<200 {
            let trial = LinearTrial(widths, rows: 1, columns: numbers.pick([1, 2, 3, 64, 1_000]), vectors: 1, .random, &numbers)
            let memory = LinearMemory(trial)
            #expect(memory.linear.fractionBits(trial.scales[0], .floating) == trial.expected(fixed: nil).fractionBits[0])
            #expect(memory.linear.fractionBits(trial.scales[0], .fixed(fractionBits: 5)) == 5)
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func anySplitIntoBlocksGivesTheSameBits(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 37)
        for vectors in [1, 3, 4, 8, 13] {
            let trial = LinearTrial(widths, rows: 75, columns: 37, vectors: vectors, .random, &numbers)
            let memory = LinearMemory(trial), want = trial.expected(fixed: nil)
            for ranges in [[0..<1, 1..<5], [4..<5, 0..<4], [3..<4, 0..<1, 4..<5, 2..<3, 1..<2], [2..<5, 0..<2, 0..<0, 5..<5]] {
                for kernels in KernelSet.runnable { #expect(memory.run(fixed: nil, kernels, ranges: ranges) == want, "\(kernels), \(ranges)") }
            }
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func otherBlocksStayAsTheyAre(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 38)
        for vectors in [1, 2, 4, 9] {
            let trial = LinearTrial(widths, rows: 75, columns: 20, vectors: vectors, .random, &numbers)
            let memory = LinearMemory(trial), whole = trial.expected(fixed: nil)
            for first in 0...5 {
                for end in first...5 {
                    var want = whole
                    for t in 0..<vectors {
                        for r in 0..<75 where !(first * 16..<end * 16).contains(r) { want.rows[t][r] = 77 }
                    }
                    for kernels in KernelSet.runnable {
                        #expect(memory.run(fixed: nil, kernels, ranges: [first..<end], gap: 3) == want, "\(kernels), \(first) ..< \(end)")
                    }
                }
            }
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func whatLiesBetweenVectorsDoesNotMatter(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 39)
        for rows in [1, 15, 16, 17, 40] {
            for gap in [1, 7, 16, 100] {
                let trial = LinearTrial(widths, rows: rows, columns: 35, vectors: numbers.int(2...13), .random, &numbers)
                check(trial, fixed: nil, gap: gap)
            }
        }
    }

    @Test(arguments: LinearTrial.Widths.all) func accumulatingSaturates(_ widths: LinearTrial.Widths) {
        var numbers = SeededNumbers(seed: 40)
        for round in 0..<60 {
            let vectors = numbers.int(1...9)
            let trial = LinearTrial(widths, rows: 37, columns: 9, vectors: vectors, .random, &numbers)
            let start = (0..<vectors).map { _ in numbers.vector(37) }
            let fixed = trial.layer.exponent + Int(trial.scales[0].exponent) - 20
            var want = trial.expected(fixed: fixed)
            for t in 0..<vectors { want.rows[t] = zip(start[t], want.rows[t]).map { Exact.sat32(Int128($0) + Int128($1)) } }
            let memory = LinearMemory(trial)
            for kernels in KernelSet.runnable {
                #expect(memory.run(fixed: fixed, kernels, start: start, gap: round % 3) == want, "\(kernels), round \(round)")
            }
        }
    }
}
