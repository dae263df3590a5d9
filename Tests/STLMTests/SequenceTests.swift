import FixedPoint
import Foundation
import PackedSupport
import Packing
import STLM
import TestSupport
import Testing

/// What tokens cost: arithmetic-1, section 9.
@Suite struct SequenceTests {
    @Test func costsAreThoseOfASoftmax() throws {
        let packed = try SyntheticSTLM { $0.vocabularySize = 300 }.packed(.int16)
        let unit = packed.logitUnit
        try packed.withSession(packed.options()) { session in
            for seed in 0..<40 {
                var numbers = SeededNumbers(seed: UInt64(seed))
                // Spreads from far below one unit to some hundred units.
                let spread = exp2(Double(seed % 10 - 2)) / unit
                let logits = (0..<300).map { _ in Int32(max(-2e9, min(2e9, Double(numbers.float(deviation: 1)) * spread))) }
                let most = Double(logits.max()!) * unit
                let total = logits.reduce(0.0) { $0 + exp(Double($1) * unit - most) }
                for token in [0, 150, 299, logits.firstIndex(of: logits.max()!)!] {
                    let bits = (log(total) + most - Double(logits[token]) * unit) / log(2)
                    let cost = Double(session.cost(logits, of: UInt32(token))) / 16_777_216
                    #expect(abs(cost - bits) < 1e-6 + 1e-7 * bits)
                }
            }
        }
    }

    @Test func perplexitiesAreThePowersOfTheirCosts() {
        for cost in stride(from: 0.0, to: 33, by: 0.37) {
            let value = Double(perplexity(meanCost: Int64(cost * 16_777_216))) / 1_073_741_824
            #expect(abs(value / exp2(cost) - 1) < 2e-7)
        }
        #expect(perplexity(meanCost: 0) == 1 << 30)
        #expect(perplexity(meanCost: 1 << 24) == 1 << 31)
        #expect(perplexity(meanCost: 33 << 24) == .max)
    }

    @Test func parametersOfTheSourcesAreTheDefaults() throws {
        let stlm = SamplingSettings(try SyntheticSTLM().packed(.int8).model.record)
        #expect((stlm.temperature, stlm.topK, stlm.topP, stlm.minP) == (52_429, 10, 65_536, 0))
        let llama2 = SamplingSettings(try SyntheticLlama2().packed(.int8).model.record)
        #expect((llama2.temperature, llama2.topK, llama2.topP, llama2.minP) == (65_536, 0, 58_982, 0))
    }
}
