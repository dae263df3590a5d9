import FixedPoint
import Foundation
import ModelFile
import TestSupport
import Testing

/// arithmetic-1, sections 2 and 8.
@Suite struct FunctionTests {
    private func isNearPowerOfTwo(_ x: UInt32) -> Bool {
        abs(Double(exp2Negative(x)) * 0x1p-30 - exp2(-Double(x) * 0x1p-24)) <= 7e-8
    }

    /// Every fraction once; the whole part only shifts.
    @Test func exp2NegativeIsWithinItsErrorAndFalls() {
        var previous = UInt32.max
        var wrong = 0
        for x in 0...UInt32(1 << 24) {
            let value = exp2Negative(x)
            if value > previous || !isNearPowerOfTwo(x) { wrong += 1 }
            previous = value
        }
        #expect(wrong == 0)
    }

    @Test func exp2NegativeIsWithinItsErrorForEveryWholePart() {
        var previous = UInt32.max
        for x in stride(from: UInt32(0), to: 34 << 24, by: 4_099) {
            let value = exp2Negative(x)
            #expect(isNearPowerOfTwo(x) && value <= previous, "\(x)")
            previous = value
        }
    }

    @Test func exp2NegativeAtItsEnds() {
        #expect(exp2Negative(0) == 1 << 30)
        #expect(exp2Negative(1 << 24) == 1 << 29)
        #expect(exp2Negative(30 << 24) == 1)
        for x in [UInt32(32) << 24, 33 << 24, .max] { #expect(exp2Negative(x) == 0) }
    }

    @Test func logarithmIsTheTrueOneRoundedDown() {
        var numbers = SeededNumbers(seed: 12)
        var arguments: [UInt64] = []
        for k in 0..<64 as Range<UInt64> {
            let power: UInt64 = 1 << k
            arguments += [power, power | 1, UInt64.max >> k]
        }
        for _ in 0..<20_000 { arguments.append(max(1, numbers.next() >> UInt64(numbers.int(0...63)))) }
        for p in arguments {
            // 31 bits of the argument, squared 24 times, lose at most 2^-29 of the logarithm.
            let error = Double(log2Fixed(p)) * 0x1p-24 - log2(Double(p))
            #expect(error <= 1e-12 && error > -0x1p-24 - 0x1p-29, "\(p): \(error)")
        }
        for k in 0..<64 { #expect(log2Fixed(1 << UInt64(k)) == Int64(k) << 24) }
    }

    @Test func squareRootIsExact() {
        func check(_ value: UInt64) {
            let root = integerSquareRoot(value)
            let (high, low) = root.multipliedFullWidth(by: root)
            let (nextHigh, nextLow) = (root + 1).multipliedFullWidth(by: root + 1)
            #expect(high == 0 && low <= value && (nextHigh > 0 || nextLow > value), "\(value)")
        }
        for value in 0...10_000 as ClosedRange<UInt64> { check(value) }
        var numbers = SeededNumbers(seed: 13)
        for _ in 0..<50_000 {
            let root = max(1, numbers.next() >> UInt64(numbers.int(32...63)))
            for value in [root * root - 1, root * root, root * root + 1] { check(value) }
            check(numbers.next())
        }
        let greatest: UInt64 = 0xFFFF_FFFF
        for value in [UInt64.max, UInt64.max - 1, greatest * greatest, greatest * greatest - 1, 1 << 62] { check(value) }
    }

    /// A table read through its function: entry i stands at i steps, the last a little below the end.
    private func table(_ function: (Int32) -> Int64, stepBits: Int) -> [UInt32] {
        (0...1024).map { UInt32(truncatingIfNeeded: function($0 == 1024 ? 1 << (stepBits + 10) - 1 : Int32($0) << Int32(stepBits))) }
    }

    @Test func tablesHaveTheChecksumsOfTheDocument() {
        func checksum(_ words: [UInt32]) -> UInt32 { words.withUnsafeBytes { CRC32.of($0.baseAddress!, byteCount: $0.count) } }
        #expect(checksum(table(sigmoid, stepBits: 14)) == 0x1535_BFF2)
        #expect(checksum(table(normal, stepBits: 13)) == 0x4090_11F3)
        // As kernels get them.
        #expect(withSigmoidTable { CRC32.of($0, byteCount: 4_100) } == 0x1535_BFF2)
        #expect(withNormalTable { CRC32.of($0, byteCount: 4_100) } == 0x4090_11F3)
    }

    @Test func tablesAreTheTrueFunctionsRoundedToNearest() {
        let sigmoids = table(sigmoid, stepBits: 14), normals = table(normal, stepBits: 13)
        for i in 0...1024 {
            #expect(Double(sigmoids[i]) == (0x1p31 / (1 + exp(-Double(i) / 64))).rounded())
            #expect(Double(normals[i]) == (0x1p30 * (1 + erf(Double(i) / 128 / 2.0.squareRoot()))).rounded())
        }
    }

    /// Linear interpolation errs by h^2 / 8 times the greatest second derivative.
    @Test func sigmoidAndNormalAreNearAndRise() {
        var previous: (Int64, Int64) = (-1, -1)
        for t in stride(from: Int32(-20 << 20), through: 20 << 20, by: 997) {
            let x = Double(t) * 0x1p-20
            let (s, n) = (sigmoid(t), normal(t))
            #expect(abs(Double(s) * 0x1p-31 - 1 / (1 + exp(-x))) < 3e-6, "sigmoid(\(x))")
            #expect(abs(Double(n) * 0x1p-31 - erfc(-x / 2.0.squareRoot()) / 2) < 1.9e-6, "normal(\(x))")
            #expect(s >= previous.0 && n >= previous.1)
            if t != 0 { #expect(sigmoid(-t) == 1 << 31 - s && normal(-t) == 1 << 31 - n) }
            previous = (s, n)
        }
        for t in [Int32.min, Int32.min + 1] { #expect(sigmoid(t) == 0 && normal(t) == 0) }
        #expect(sigmoid(.max) == 1 << 31 && normal(.max) == 1 << 31)
        #expect(sigmoid(0) == 1 << 30 && normal(0) == 1 << 30)
    }

    /// The published values for these seeds.
    @Test func randomNumbersAreThoseOfSplitMix64() {
        var random = SplitMix64(seed: 1_234_567)
        for expected in [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ] as [UInt64] { #expect(random.next() == expected) }
        random = SplitMix64(seed: 0)
        #expect(random.next() == 0xE220_A839_7B1D_CDAF)
    }
}
