import FixedPoint
import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// Sampling against arithmetic-1, section 7, written here step by step with integers of 128 bits.
@Suite struct SamplingTests {
    static let size = 300
    static let settings: [SamplingSettings] = {
        var all: [SamplingSettings] = []
        for temperature in [UInt32(1), 32_768, 52_429, 65_536, 6_553_600] {
            for (topK, topP, minP) in [
                (0, 65_536, 0), (1, 65_536, 0), (7, 65_536, 0), (1000, 65_536, 0), (0, 58_982, 0), (0, 1, 0), (40, 40_000, 0),
                (0, 65_536, 3_277), (0, 65_536, 65_536), (12, 60_000, 6_554),
            ] as [(UInt32, UInt32, UInt32)] {
                for (penalty, window) in [(65_536, 64), (85_197, 5), (6_554, 400), (6_553_600, 0)] as [(UInt32, UInt32)] {
                    var settings = base
                    (settings.temperature, settings.topK, settings.topP, settings.minP) = (temperature, topK, topP, minP)
                    (settings.repeatPenalty, settings.repeatWindow) = (penalty, window)
                    all.append(settings)
                }
            }
        }
        return all
    }()
    static let model = try! SyntheticSTLM { $0.vocabularySize = size }.packed(.int8)
    static let base = SamplingSettings(model.model.record)

    private func withSession<Result>(_ settings: SamplingSettings, _ body: (inout Session) throws -> Result) throws -> Result {
        try Self.model.withSession(Self.model.options { $0 = settings }, body)
    }

    /// Draws from seeded logits of several spreads, with ties.
    private func logits(_ seed: UInt64) -> [Int32] {
        var numbers = SeededNumbers(seed: seed)
        let shift = Int32(seed % 12)
        return (0..<Self.size).map { _ in (Int32(truncatingIfNeeded: numbers.next()) >> shift) & ~(1 << 18 - 1) }
    }

    @Test func everySettingDrawsWhatTheDocumentSays() throws {
        let fractionBits = Int(Self.model.model.record.head.logitFractionBits)
        for (number, settings) in Self.settings.enumerated() {
            try withSession(settings) { session in
                var random = SplitMix64(seed: UInt64(number))
                var drawn = StraightforwardSampler(fractionBits: fractionBits, settings: settings, seed: UInt64(number))
                var recent = session.recentTokens()
                var history: [Int] = []
                for draw in 0..<12 {
                    var values = logits(UInt64(number * 100 + draw))
                    let expected = drawn.next(values, history)
                    let token = values.withUnsafeMutableBufferPointer {
                        session.sample($0.baseAddress!, settings, random: &random, recent: recent)
                    }
                    #expect(Int(token) == expected, "\(settings), draw \(draw)")
                    // Some tokens come again within the window.
                    let fed = draw % 3 == 2 ? history[draw / 2] : Int(token)
                    history.append(fed)
                    recent.append(UInt32(fed))
                }
            }
        }
    }

    @Test func temperatureZeroTakesTheFirstOfTheGreatestAndDrawsNothing() throws {
        var settings = Self.base
        (settings.temperature, settings.topK, settings.repeatPenalty) = (0, 40, 65_536)
        try withSession(settings) { session in
            var random = SplitMix64(seed: 5), untouched = SplitMix64(seed: 5)
            var values = [Int32](repeating: -7, count: Self.size)
            (values[30], values[200], values[31]) = (9, 9, 9)
            let recent = session.recentTokens()
            #expect(session.sample(&values, settings, random: &random, recent: recent) == 30)
            values = [Int32](repeating: .min, count: Self.size)
            #expect(session.sample(&values, settings, random: &random, recent: recent) == 0)
            #expect(random.next() == untouched.next())
        }
    }

    @Test func extremeLogitsDrawTheGreatest() throws {
        for temperature in [UInt32(1), 32_768, 65_536] {
            var settings = Self.base
            (settings.temperature, settings.topK, settings.topP) = (temperature, 0, 65_536)
            try withSession(settings) { session in
                var random = SplitMix64(seed: 9)
                var values = [Int32](repeating: .min, count: Self.size)
                values[17] = .max
                let recent = session.recentTokens()
                #expect(session.sample(&values, settings, random: &random, recent: recent) == 17)
            }
        }
    }

    /// A session whose plan has room for more candidates than its settings ask for draws from no more than they say.
    @Test(arguments: [1, 7, 39, 40], [(UInt32(65_536), UInt32(0)), (40_000, 0), (65_536, 3_277)])
    func aTopKBelowThePlansIsKept(_ topK: UInt32, _ others: (topP: UInt32, minP: UInt32)) throws {
        var planned = Self.base, settings = Self.base
        (planned.temperature, planned.topK, planned.topP, planned.minP, planned.repeatPenalty) = (6_553_600, 40, 65_536, 0, 65_536)
        settings = planned
        (settings.topK, settings.topP, settings.minP) = (topK, others.topP, others.minP)
        let fractionBits = Int(Self.model.model.record.head.logitFractionBits)
        try withSession(planned) { session in
            var random = SplitMix64(seed: 3)
            var drawn = StraightforwardSampler(fractionBits: fractionBits, settings: settings, seed: 3)
            let recent = session.recentTokens()
            for draw in 0..<60 {
                var values = logits(UInt64(draw))
                let expected = drawn.next(values, [])
                #expect(Int(session.sample(&values, settings, random: &random, recent: recent)) == expected, "draw \(draw)")
            }
        }
    }

    @Test func oneSeedGivesOneText() throws {
        func text(_ seed: UInt64) throws -> [UInt32] {
            var settings = Self.base
            (settings.temperature, settings.topK, settings.repeatPenalty, settings.repeatWindow) = (65_536, 0, 72_000, 8)
            return try withSession(settings) { session in
                var random = SplitMix64(seed: seed), recent = session.recentTokens(), made: [UInt32] = [3]
                for _ in 0..<15 {
                    try session.feed([made.last!])
                    recent.append(made.last!)
                    made.append(session.sample(session.computeLogits(), settings, random: &random, recent: recent))
                }
                return made
            }
        }
        #expect(try text(1) == text(1))
        #expect(try text(1) != text(2))
    }
}

/// Section 7 word for word: lists in place of heaps, exact products.
struct StraightforwardSampler {
    let fractionBits: Int
    let settings: SamplingSettings
    var random: SplitMix64

    init(fractionBits: Int, settings: SamplingSettings, seed: UInt64) {
        (self.fractionBits, self.settings) = (fractionBits, settings)
        random = SplitMix64(seed: seed)
    }

    mutating func next(_ values: [Int32], _ history: [Int]) -> Int {
        var logits = values.map { Int128($0) }
        let penalty = Int128(settings.repeatPenalty)
        if penalty != 65_536 {
            for token in Set(history.suffix(Int(settings.repeatWindow))) {
                let l = logits[token]
                let changed = l > 0 ? l * 65_536 / penalty : (l * penalty + 32_768) >> 16
                logits[token] = max(-(1 << 31), min((1 << 31) - 1, changed))
            }
        }
        let greatest = logits.max()!
        if settings.temperature == 0 { return logits.firstIndex(of: greatest)! }
        let factor = Int128(1_586_259_972_792) / Int128(settings.temperature)
        let x = logits.map { l -> UInt32 in
            let product = (greatest - l) * factor
            let shifted = fractionBits >= 0 ? product >> Int128(fractionBits) : product << Int128(-fractionBits)
            return UInt32(min(shifted, 0xFFFF_FFFF))
        }
        var candidates = Array(x.indices)
        if settings.topK > 0 || settings.topP < 65_536 { candidates.sort { (x[$0], $0) < (x[$1], $1) } }
        if settings.topK > 0 { candidates = Array(candidates.prefix(Int(settings.topK))) }
        func p(_ id: Int) -> Int128 { Int128(exp2Negative(x[id])) }
        if settings.topP < 65_536 {
            let total = candidates.reduce(Int128(0)) { $0 + p($1) }
            var sum: Int128 = 0, count = 0
            repeat {
                sum += p(candidates[count])
                count += 1
            } while sum * 65_536 < Int128(settings.topP) * total
            candidates = Array(candidates.prefix(count))
        }
        candidates = candidates.filter { p($0) * 65_536 >= Int128(settings.minP) << 30 }
        let total = candidates.reduce(Int128(0)) { $0 + p($1) }
        let r = Int128((UInt128(random.next()) * UInt128(total)) >> 64)
        var sum: Int128 = 0
        for id in candidates {
            sum += p(id)
            if sum > r { return id }
        }
        preconditionFailure("The running sum ends at the total, which is above r.")
    }
}
