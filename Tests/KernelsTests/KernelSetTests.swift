import CKernels
import Kernels
import TestSupport
import Testing

@Suite struct KernelSetTests {
    @Test func theDetectedSetIsTheLastThatThisCPURuns() {
        #expect(KernelSet.baseline.isAvailable)
        #expect(KernelSet.detected.isAvailable)
        #expect(KernelSet.runnable.first == .baseline && KernelSet.runnable.last == .detected)
    }

    @Test func setsHaveTheNumbersOfCKernelsAndNamesOfTheirOwn() {
        let all = Array(sequence(first: KernelSet.baseline, next: \.next))
        let numbers = [
            STLM_KERNELS_BASELINE, STLM_KERNELS_AVX2, STLM_KERNELS_AVXVNNI, STLM_KERNELS_AVX512, STLM_KERNELS_NEON, STLM_KERNELS_DOTPROD,
            STLM_KERNELS_I8MM,
        ].map { UInt32($0.rawValue) }
        #expect(all.map(\.index) == numbers)
        #expect(all.map { "\($0.name)" } == ["baseline", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"])
    }

    /// Nothing is offered that `KernelSet` cannot name, and nothing of another family of CPUs.
    @Test func availableSetsAreOfThisFamily() {
        let available = stlm_kernels_available()
        #expect(available == KernelSet.runnable.reduce(0) { $0 | 1 << $1.index })
        #if arch(x86_64)
        let family: [KernelSet] = [.baseline, .avx2, .avxvnni, .avx512]
        #else
        let family: [KernelSet] = [.baseline, .neon, .dotprod, .i8mm]
        #endif
        #expect(KernelSet.runnable.allSatisfy(family.contains))
    }

    @Test func readingAllSumsAllWords() {
        var numbers = SeededNumbers(seed: 11)
        for byteCount in [0, 256, 512, 768, 4_096, 1 << 20] {
            let words = GuardedArray<UInt64>(garbage: byteCount / 8, &numbers)
            defer { withExtendedLifetime(words) {} }
            let sum = words.elements.reduce(0, &+)
            let bytes = UnsafeRawBufferPointer(start: words.pointer, count: byteCount)
            for kernels in KernelSet.runnable { #expect(readAll(bytes, kernels) == sum, "\(kernels), \(byteCount) bytes") }
        }
    }

    /// What is left beside whole lines of 256 bytes is not read.
    @Test func readingAllReadsWholeLines() {
        var numbers = SeededNumbers(seed: 12)
        let words = GuardedArray<UInt64>(garbage: 32 * 5 + 3, &numbers)
        defer { withExtendedLifetime(words) {} }
        let sum = words.elements[..<(32 * 5)].reduce(0, &+), bytes = UnsafeRawBufferPointer(start: words.pointer, count: words.count * 8)
        for kernels in KernelSet.runnable { #expect(readAll(bytes, kernels) == sum, "\(kernels)") }
    }
}
