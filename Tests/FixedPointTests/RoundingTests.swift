import FixedPoint
import TestSupport
import Testing

/// arithmetic-1, section 1.
@Suite struct RoundingTests {
    /// Powers of two and their neighbours up to 2^62, both signs.
    private static let extremes: [Int64] = {
        var values: Set<Int64> = [0]
        for k in 0...62 {
            for near in -3...3 as ClosedRange<Int64> {
                let value = Int64(1) << Int64(k) + near
                if value.magnitude <= 1 << 62 { values.formUnion([value, -value]) }
            }
        }
        return values.sorted()
    }()

    @Test func roundingShiftRightEqualsExactArithmetic() {
        for value in Self.extremes {
            for shift in 0...62 {
                #expect(Int128(roundingShiftRight(value, shift)) == Exact.rshr(Int128(value), shift), "\(value) >> \(shift)")
            }
        }
    }

    @Test func scaleEqualsExactArithmeticForAnyShift() {
        for value in Self.extremes {
            // The one exception that the document names.
            for shift in -200...200 where value != 1 << 62 || shift != 63 {
                #expect(scale(value, shift) == Exact.scale(Int128(value), shift), "scale(\(value), \(shift))")
            }
        }
    }

    @Test func scaleEqualsExactArithmeticOnSeededNumbers() {
        var numbers = SeededNumbers(seed: 11)
        for _ in 0..<200_000 {
            let value = Int64(truncatingIfNeeded: numbers.next()) >> Int64(numbers.int(2...63))
            let shift = numbers.int(-70...70)
            #expect(scale(value, shift) == Exact.scale(Int128(value), shift), "scale(\(value), \(shift))")
        }
    }

    @Test func halvesRoundUp() {
        #expect(roundingShiftRight(5, 1) == 3)
        #expect(roundingShiftRight(-5, 1) == -2)
        #expect(scale(1, 1) == 1)
        #expect(scale(-1, 1) == 0)
    }

    @Test func saturatedClampsAtBothEnds() {
        for (value, expected) in [
            (Int64.max, Int32.max), (Int64.min, Int32.min), (1 << 31, Int32.max), ((1 << 31) - 1, Int32.max), (-1 << 31, Int32.min),
            ((-1 << 31) - 1, Int32.min), (0, 0), (-1, -1),
        ] as [(Int64, Int32)] { #expect(saturated(value) == expected) }
    }

    @Test func bitCountsAreThoseOfTheDocument() {
        #expect((bitCount(UInt64(0)), bitCount(UInt64(1)), bitCount(UInt64(255)), bitCount(UInt64.max)) == (0, 1, 8, 64))
        #expect((bitCount(UInt32(0)), bitCount(UInt32(256)), bitCount(UInt32.max)) == (0, 9, 32))
        for count in 1...5_000 {
            let k = ceilLog2(count)
            #expect(1 << k >= count && (k == 0 || 1 << (k - 1) < count))
        }
    }
}
