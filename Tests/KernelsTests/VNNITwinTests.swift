import CKernels
import Kernels
import ModelFile
import TestSupport
import Testing
import VNNITwin

/// The kernels of AVX-VNNI, in AVX-512's encoding where the CPU lacks their own.
@Suite(.enabled(if: KernelSet.avx512.isAvailable)) struct VNNITwinTests {
    @Test(arguments: LinearTrial.Widths.all) func linearLayersEqualTheDocument(_ widths: LinearTrial.Widths) {
        let kernel = widths.encoding == 2 ? twin_linear_int16 : widths.activation == 16 ? twin_linear_int8_int16 : twin_linear_int8
        let bits = UInt32(widths.activation), codes = Encoding(rawValue: UInt32(widths.encoding))!.packedCodes
        var numbers = SeededNumbers(seed: 71)
        for round in 0..<300 {
            let columns = round % 20 == 0 ? numbers.int(1_000...3_000) : numbers.int(1...70)
            let trial = LinearTrial(
                widths, rows: numbers.int(1...40), columns: columns, vectors: numbers.int(1...13), numbers.pick(LinearTrial.Codes.allCases),
                &numbers)
            let fixed = numbers.int(0...1) == 0 ? trial.fixedBits(&numbers) : nil
            let memory = LinearMemory(trial)
            // In the form of the AVX-512 set, which splits activations too.
            let got = memory.run(fixed: fixed, .avx512, gap: round % 3, kernel: {
                if let codes { twin_linear_packed($0, codes, bits, $1, $2) } else { kernel($0, $1, $2) }
            })
            #expect(got == trial.expected(fixed: fixed), "\(widths), round \(round)")
        }
    }

    @Test func attentionEqualsTheDocument() {
        var numbers = SeededNumbers(seed: 72)
        for round in 0..<300 {
            let trial = AttentionTrial(
                KeyValueType.all[round % 3], headSize: numbers.int(1...70), positions: numbers.int(1...200), shift: 34, &numbers)
            let memory = AttentionTrialMemory(trial, .random(seed: numbers.next()))
            var call = trial.call(memory)
            #expect(twin_attend(&call) == 1)
            #expect(memory.result.elements == trial.exact(), "round \(round)")
        }
    }
}
